package userdata_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/jeroboam-cloud/jeroboam/drivers/userdata"
)

// programs finds real ones of this name: what `make kubernetes-binaries` has built, of all versions, and what the machine has.
func programs(name string) []string {
	folder := os.Getenv("JEROBOAM_KUBERNETES_CACHE")
	if cache, err := os.UserCacheDir(); folder == "" && err == nil {
		folder = filepath.Join(cache, "jeroboam", "kubernetes")
	}
	found, _ := filepath.Glob(filepath.Join(folder, "programs", "*", name)) // the pattern is a good one
	if installed, err := exec.LookPath(name); err == nil {
		found = append(found, installed)
	}
	return found
}

// goldenHosts are those of the golden files.
func goldenHosts() map[string]userdata.Host {
	ipv6 := initHost()
	ipv6.PodSubnet, ipv6.ServiceSubnet = "10.100.0.0/16,fd00:100::/64", "10.254.0.0/16,fd00:254::/112"
	ipv6.ControlPlaneEndpoint, ipv6.ImageRepository, ipv6.DNSDomain = "[2001:db8::10]:443", "registry.example.org/k8s", "demo.internal"
	ipv6.TokenReviewURL, ipv6.TokenReviewCA = tokenReviewURL, pem("CERTIFICATE", "cloud", 16)
	ipv6.TokenTTL, ipv6.CloudProviderExternal, ipv6.ProviderID, ipv6.NodeLabels = 0, false, "", nil
	routed := workerHost()
	routed.RoutedPods, routed.Proxy = true, userdata.Proxy{}
	return map[string]userdata.Host{"worker-routed": routed, "init": initHost(), "init-ipv6": ipv6, "control-plane": controlPlaneHost(), "worker": workerHost(),
		"worker-kata": sandboxed("kata"), "worker-gvisor": sandboxed("gvisor"), "worker-rocky": on("rocky", workerHost()),
		"init-debian": on("debian", initHost()), "init-flatcar": on("flatcar", initHost()), "worker-flatcar": on("flatcar", workerHost())}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// staticPods has kubeadm make the pods of a control plane in a root of their own; nil when there is no kubeadm, or no right
// to have it in one.
func staticPods(t *testing.T, h userdata.Host) map[string]*corev1.Pod {
	t.Helper()
	kubeadms := programs("kubeadm")
	if len(kubeadms) == 0 || os.Getuid() != 0 {
		return nil
	}
	root := t.TempDir()
	write(t, filepath.Join(root, "etc/kubernetes/kubeadm.yaml"), parse(t, render(t, h)).file(t, "/etc/kubernetes/kubeadm.yaml").Content)
	for _, phase := range [][]string{{"control-plane", "all"}, {"etcd", "local"}} {
		args := append([]string{"init", "phase"}, phase...)
		if out, err := exec.Command(kubeadms[0], append(args, "--config", "/etc/kubernetes/kubeadm.yaml", "--rootfs", root)...).CombinedOutput(); err != nil {
			t.Fatalf("kubeadm %v: %v\n%s", args, err, out)
		}
	}
	pods := map[string]*corev1.Pod{}
	for _, name := range []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd"} {
		text, err := os.ReadFile(filepath.Join(root, "etc/kubernetes/manifests", name+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		pods[name] = &corev1.Pod{}
		if err := yaml.UnmarshalStrict(text, pods[name]); err != nil {
			t.Fatal(err)
		}
	}
	return pods
}
