package engine

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/jeroboam-cloud/jeroboam/conductor/cluster"
	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
	"github.com/jeroboam-cloud/jeroboam/drivers/addons"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

// network is a manifest as the catalogue's mirror has it.
const network = `apiVersion: v1
kind: Namespace
metadata: {name: kube-flannel}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: kube-flannel-cfg, namespace: kube-flannel}
data: {net-conf.json: '{"Network": "10.244.0.0/16"}', version: %q}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: kube-flannel-ds, namespace: kube-flannel}
spec:
  selector: {matchLabels: {app: flannel}}
  template:
    metadata: {labels: {app: flannel}}
    spec: {containers: [{name: flannel, image: "ghcr.io/flannel-io/flannel:%s"}]}
`

// mirror has a manifest of the network for two versions of Kubernetes.
func (b *bed) mirror() cluster.AddonSources {
	b.t.Helper()
	manifests := map[string]string{"/36": fmt.Sprintf(network, "one", "v0.27.0"), "/37": fmt.Sprintf(network, "two", "v0.28.0")}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte(manifests[r.URL.Path]))
	}))
	b.t.Cleanup(server.Close)
	file := "entries:\n"
	for path, text := range manifests {
		sum := sha256.Sum256([]byte(text))
		file += fmt.Sprintf("- {name: flannel, version: v0, kubernetes: [\"1.%s\"], url: \"%s%s\", sha256: %s, replace: {10.244.0.0/16: \"{pod_cidr}\"}}\n", path[1:], server.URL, path, hex.EncodeToString(sum[:]))
	}
	catalogue, err := addons.ReadCatalogue([]byte(file))
	if err != nil {
		b.t.Fatal(err)
	}
	return cluster.AddonSources{Catalogue: catalogue, Fetcher: addons.NewFetcher(server.Client().Transport), AuthURL: b.cloud.AuthURL(),
		KeystoneRoles: []addons.RoleBinding{{Group: ops.KeystonePrefix + "reader", ClusterRole: "view"}}}
}

// addonObjects lists what carries the label of add-ons, of the kinds that tests look for.
func (b *bed) addonObjects(v *db.ClusterView) []string {
	b.t.Helper()
	c, ctx, o := b.clientset(v), b.t.Context(), metav1.ListOptions{LabelSelector: addons.Label}
	var out []string
	add := func(kind string, m metav1.ObjectMeta) { out = append(out, kind+"/"+m.Name+"="+m.Labels[addons.Label]) }
	daemons, err1 := c.AppsV1().DaemonSets("").List(ctx, o)
	deployments, err2 := c.AppsV1().Deployments("").List(ctx, o)
	classes, err3 := c.StorageV1().StorageClasses().List(ctx, o)
	spaces, err4 := c.CoreV1().Namespaces().List(ctx, o)
	for _, err := range []error{err1, err2, err3, err4} {
		if err != nil {
			b.t.Fatal(err)
		}
	}
	for _, x := range daemons.Items {
		add("daemonset", x.ObjectMeta)
	}
	for _, x := range deployments.Items {
		add("deployment", x.ObjectMeta)
	}
	for _, x := range classes.Items {
		add("class", x.ObjectMeta)
	}
	for _, x := range spaces.Items {
		add("namespace", x.ObjectMeta)
	}
	slices.Sort(out)
	return out
}

// relabel changes a cluster as a patch of its labels does.
func (b *bed) relabel(id string, change func(*ops.ClusterSpec)) {
	b.t.Helper()
	b.respec(id, change)
	b.request(id, ops.ClusterUpdate, "", nil)
	b.reaches(id, ops.UpdateComplete)
}

// respec changes the spec of a cluster.
func (b *bed) respec(id string, change func(*ops.ClusterSpec)) {
	b.t.Helper()
	err := b.store.ChangeCluster(b.t.Context(), id, func(s *db.Snapshot) error {
		var spec ops.ClusterSpec
		if err := json.Unmarshal(s.Cluster.Spec, &spec); err != nil {
			return err
		}
		change(&spec)
		s.Cluster.Spec = b.json(spec)
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

func (b *bed) cloudConf(v *db.ClusterView) string {
	b.t.Helper()
	s, err := b.clientset(v).CoreV1().Secrets("kube-system").Get(b.t.Context(), "cloud-config", metav1.GetOptions{})
	if err != nil {
		b.t.Fatal(err)
	}
	return string(s.Data["cloud.conf"])
}

// TestAddons: a cluster has what its labels ask for, nodes are initialized by the cloud controller manager, what is turned
// off goes, an upgrade brings what goes with the new version, and a new credential gets to where the old one was.
func TestAddons(t *testing.T) {
	t.Parallel()
	b := newBed(t, sim.Options{})
	b.secrets, b.addons = b.rows(), b.mirror()
	b.run(b.conductor("one"), b.conductor("two"))
	image := b.image(oldImage).ID
	id := b.completed(order{name: "dev", masters: 1, workers: 1, loadBalancer: true,
		cluster: func(s *ops.ClusterSpec) {
			s.KubernetesVersion, s.NetworkDriver = oldVersion, "flannel"
			s.Addons = []string{ops.AddonNetwork, ops.AddonCloudProvider, ops.AddonCinderCSI, ops.AddonMetricsServer, ops.AddonKeystoneAuth}
			s.ContainerInfraURL = "https://containers.example.org"
		},
		group: func(g *db.NodeGroup, s *ops.GroupSpec) {
			g.ImageID, s.ImageID, s.KubeVersion = oldImage, image, oldVersion
		}})
	v := b.view(id)
	all := []string{"class/cinder-hdd=cinder-csi", "class/cinder-ssd=cinder-csi", "daemonset/csi-cinder-node=cinder-csi", "daemonset/kube-flannel-ds=flannel",
		"daemonset/openstack-cloud-controller-manager=cloud-provider", "deployment/csi-cinder-controller=cinder-csi", "deployment/metrics-server=metrics-server", "namespace/kube-flannel=flannel"}
	if got := b.addonObjects(v); !slices.Equal(got, all) {
		t.Errorf("objects %v, want %v", got, all)
	}
	c := b.clientset(v)
	nodes, err := c.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range nodes.Items {
		if n.Spec.ProviderID == "" {
			t.Errorf("node %s was not initialized: %+v", n.Name, n.Spec)
		}
	}
	user, password := b.recorded(id, "user")[0].CloudID, string(b.bundle(v, ops.SecretCredential).Passphrase)
	if text := b.cloudConf(v); !strings.Contains(text, user) || !strings.Contains(text, password) || !strings.Contains(text, b.network("public")) {
		t.Error("cloud.conf lacks user, password or external network")
	}
	manager, err := c.AppsV1().DaemonSets("kube-system").Get(t.Context(), "openstack-cloud-controller-manager", metav1.GetOptions{})
	if err != nil || !slices.Contains(manager.Spec.Template.Spec.Containers[0].Args, "--cluster-name="+v.StackID) {
		t.Errorf("the controller manager is not told the cluster's name: %v, %v", err, manager)
	}
	if config, err := c.CoreV1().ConfigMaps("kube-system").Get(t.Context(), "kubeadm-config", metav1.GetOptions{}); err != nil ||
		!strings.Contains(config.Data["ClusterConfiguration"], "authentication-token-webhook-config-file") {
		t.Errorf("API servers ask nobody about tokens: %v, %v", err, config)
	}
	if binding, err := c.RbacV1().ClusterRoleBindings().Get(t.Context(), "keystone:reader:view", metav1.GetOptions{}); err != nil || binding.Subjects[0].Name != "keystone:reader" {
		t.Errorf("those who come with such tokens may do: %v, %v", err, binding)
	}

	// turned off, with something of the user's beside it
	if _, err := c.CoreV1().Namespaces().Update(t.Context(), b.namespaceOf(v, "default"), metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	b.relabel(id, func(s *ops.ClusterSpec) {
		s.Addons = []string{ops.AddonNetwork, ops.AddonCloudProvider, ops.AddonCinderCSI, ops.AddonKeystoneAuth}
		s.AddonSettings = map[string]string{"csi_cinder_reclaim_policy": "Retain", "cloud_provider_tag": "v1.35.0"}
	})
	if got := b.addonObjects(v); slices.Contains(got, "deployment/metrics-server=metrics-server") || len(got) != len(all)-1 {
		t.Errorf("after metrics-server was turned off: %v", got)
	}
	class, err := c.StorageV1().StorageClasses().Get(t.Context(), "cinder-ssd", metav1.GetOptions{})
	if err != nil || *class.ReclaimPolicy != "Retain" || class.Annotations["storageclass.kubernetes.io/is-default-class"] != "true" {
		t.Errorf("class %+v, %v", class, err)
	}

	b.requestWith(id, ops.ClusterUpgrade, "", nil, b.upgradeOf(id, 1))
	v = b.reaches(id, ops.UpdateComplete)
	flannel, err := b.clientset(v).AppsV1().DaemonSets("kube-flannel").Get(t.Context(), "kube-flannel-ds", metav1.GetOptions{})
	if err != nil || flannel.Spec.Template.Spec.Containers[0].Image != "ghcr.io/flannel-io/flannel:v0.28.0" {
		t.Errorf("the network after the upgrade: %v, %v", err, flannel.Spec.Template.Spec.Containers)
	}

	b.request(id, ops.ClusterRotateCredential, "", nil)
	v = b.reaches(id, ops.UpdateComplete)
	if text := b.cloudConf(v); strings.Contains(text, password) || !strings.Contains(text, string(b.bundle(v, ops.SecretCredential).Passphrase)) {
		t.Error("cloud.conf has not the new credential alone")
	}
	if strings.Contains(b.events(id), password) {
		t.Error("the password is in an event")
	}
	b.deleted(id)
}

// namespaceOf is a namespace with a label that add-ons have, too, and not the other.
func (b *bed) namespaceOf(v *db.ClusterView, name string) *corev1.Namespace {
	b.t.Helper()
	n, err := b.clientset(v).CoreV1().Namespaces().Get(b.t.Context(), name, metav1.GetOptions{})
	if err != nil {
		b.t.Fatal(err)
	}
	n.Labels[addons.ManagedLabel] = addons.ManagedBy
	return n
}

// TestAddonThatDoesNotRun: what keeps its pods stands in the events while they are waited for. It does not stand in the way
// of what is asked for afterwards.
func TestAddonThatDoesNotRun(t *testing.T) {
	t.Parallel()
	b := newBed(t, sim.Options{})
	b.secrets = b.rows()
	b.run(b.conductor("one"))
	id := b.completed(order{name: "dev", masters: 1, workers: 1})
	registry := func(name string) {
		b.respec(id, func(s *ops.ClusterSpec) { s.Addons, s.ImageRepository = []string{ops.AddonMetricsServer}, name })
	}
	registry("registry.invalid")
	b.request(id, ops.ClusterUpdate, "", nil)
	testenv.Eventually(t, eventually, "what is waited for to be told", func() bool {
		return strings.Contains(b.events(id), "add-on metrics-server runs: waiting: Deployment metrics-server has 0 of 1 pods running")
	})
	b.cancel(id)
	b.reaches(id, ops.UpdateFailed)
	registry("")
	b.request(id, ops.ClusterUpdate, "", nil)
	v := b.reaches(id, ops.UpdateComplete)
	if got := b.addonObjects(v); !slices.Equal(got, []string{"deployment/metrics-server=metrics-server"}) {
		t.Errorf("objects %v", got)
	}
	b.deleted(id)
}

// TestOwnCredential: what acts in the cloud is not given the credential of the one who owns the service.
func TestOwnCredential(t *testing.T) {
	t.Parallel()
	b := newBed(t, sim.Options{})
	b.secrets, b.own = b.rows(), true
	b.clouds = b.factory("demo", "demo")
	b.run(b.conductor("one"))
	id := b.order(order{name: "dev", masters: 1, cluster: func(s *ops.ClusterSpec) { s.Addons = []string{ops.AddonCinderCSI} }})
	if v := b.settle(id); v == nil || v.Status != ops.CreateFailed || !strings.Contains(*v.StatusReason, "put into no cluster") {
		t.Errorf("%s\n%s", brief(v), b.events(id))
	}
	b.deleted(id)
}
