package kubernetes

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	binaries "github.com/jeroboam-cloud/jeroboam/devstack/kubernetes"
	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
	"github.com/jeroboam-cloud/jeroboam/drivers/kube"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
	"github.com/jeroboam-cloud/jeroboam/tests/rig"
)

// storage is what a cluster without hosts has of volumes: a node that is only told of, a class and a claim.
const storage = `apiVersion: v1
kind: Node
metadata: {name: paper, labels: {topology.cinder.csi.openstack.org/zone: nova}}
---
apiVersion: storage.k8s.io/v1
kind: CSINode
metadata: {name: paper}
spec: {drivers: [{name: cinder.csi.openstack.org, nodeID: SERVER, topologyKeys: [topology.cinder.csi.openstack.org/zone]}]}
---
apiVersion: storage.k8s.io/v1
kind: CSIDriver
metadata: {name: cinder.csi.openstack.org}
spec: {attachRequired: true, podInfoOnMount: true, volumeLifecycleModes: [Persistent]}
---
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: cinder-hdd}
provisioner: cinder.csi.openstack.org
parameters: {type: hdd, csi.storage.k8s.io/fstype: ext4}
allowVolumeExpansion: true
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: kept}
spec: {accessModes: [ReadWriteOnce], storageClassName: cinder-hdd, resources: {requests: {storage: 1Gi}}}
`

// TestCinderWithoutHosts: the controller's side of the volume plug-in with the real programs, as processes on loopback: a claim
// is bound to a volume of its type, which grows, is attached to a server, and goes with the claim.
func TestCinderWithoutHosts(t *testing.T) {
	access := apiServer(t)
	b := &bed{T: t, folder: t.TempDir(), kubectl: cache(t).Program(binaries.Releases()[0], "kubectl")}
	var err error
	b.cloud, err = sim.New(sim.Options{Speed: 100, PublicCIDR: rig.PublicCIDR(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.cloud.Close)
	if err := b.cloud.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	b.login()
	c := &cluster{bed: b, name: "paper", kubeconfig: filepath.Join(b.folder, "kubeconfig")}
	config, err := kube.Kubeconfig("paper", access.Endpoint, access.CA, access.ClientCert, access.ClientKey)
	if err != nil {
		t.Fatal(err)
	}
	b.write(c.kubeconfig, string(config))
	c.eventually(2*time.Minute, "the API server", func(out string) bool { return out == "ok" }, "get", "--raw", "/readyz")
	w := &wired{bed: b}
	net := w.make(b.network, "networks", "network", map[string]any{"name": "n"})
	w.make(b.network, "subnets", "subnet", map[string]any{"network_id": id(net), "cidr": "10.9.0.0/24", "ip_version": 4})
	server := id(w.make(b.compute, "servers", "server", map[string]any{"name": "paper", "flavorRef": "3", "imageRef": "", "networks": []any{map[string]any{"uuid": id(net)}},
		"block_device_mapping_v2": []any{map[string]any{"source_type": "image", "uuid": w.anImage(), "boot_index": 0, "destination_type": "volume", "volume_size": 10, "delete_on_termination": true}}}))
	testenv.Eventually(t, time.Minute, "the server", func() bool { return w.status(server) == "ACTIVE" })

	socket := filepath.Join(b.folder, "csi.sock")
	b.write(filepath.Join(b.folder, "cloud.conf"), fmt.Sprintf("[Global]\nauth-url=%q\nusername=%q\npassword=%q\ntenant-name=%q\ndomain-name=\"Default\"\nregion=%q\n", b.cloud.AuthURL(), user, password, user, sim.Region))
	b.program("kube-controller-manager", "--kubeconfig="+c.kubeconfig, "--controllers=persistentvolume-binder-controller,persistentvolume-protection-controller,persistentvolumeclaim-protection-controller", "--leader-elect=false", fmt.Sprintf("--secure-port=%d", testenv.FreePort(t)), "--bind-address=127.0.0.1", "--cert-dir="+b.folder)
	b.program("cinder-csi-plugin", "--endpoint=unix://"+socket, "--cloud-config="+filepath.Join(b.folder, "cloud.conf"), "--cluster=paper", "--provide-node-service=false", "--v=4")
	b.program("csi-provisioner", "--csi-address="+socket, "--kubeconfig="+c.kubeconfig, "--feature-gates=Topology=true", "--extra-create-metadata", "--default-fstype=ext4", "--timeout=3m")
	b.program("csi-attacher", "--csi-address="+socket, "--kubeconfig="+c.kubeconfig, "--default-fstype=ext4", "--timeout=3m")
	b.program("csi-resizer", "--csi-address="+socket, "--kubeconfig="+c.kubeconfig, "--handle-volume-inuse-error=false", "--timeout=3m")
	c.apply(strings.Replace(storage, "SERVER", server, 1))
	c.eventually(3*time.Minute, "the claim to be bound", func(out string) bool { return out == "Bound" }, "get", "pvc", "kept", "-o", "jsonpath={.status.phase}")
	volume := c.do("get", "pvc", "kept", "-o", "jsonpath={.spec.volumeName}")
	types := strings.Join(c.volumes(), " ")
	if !strings.Contains(types, "hdd") {
		t.Errorf("volumes of types %s", types)
	}
	c.do("patch", "pvc", "kept", "-p", `{"spec": {"resources": {"requests": {"storage": "2Gi"}}}}`)
	c.eventually(3*time.Minute, "the volume to be larger", func(out string) bool { return out == "2Gi" }, "get", "pv", volume, "-o", "jsonpath={.spec.capacity.storage}")
	c.apply("apiVersion: storage.k8s.io/v1\nkind: VolumeAttachment\nmetadata: {name: one}\nspec: {attacher: cinder.csi.openstack.org, nodeName: paper, source: {persistentVolumeName: " + volume + "}}\n")
	c.eventually(3*time.Minute, "the volume to be attached", func(out string) bool { return out == "true" }, "get", "volumeattachment", "one", "-o", "jsonpath={.status.attached}")
	c.do("delete", "volumeattachment", "one")
	c.do("delete", "pvc", "kept")
	testenv.Eventually(t, 2*time.Minute, "the volume to be gone", func() bool { return !strings.Contains(strings.Join(c.volumes(), " "), "hdd") })
}

// anImage is one of the simulated cloud's own.
func (w *wired) anImage() string {
	w.Helper()
	var out struct{ Images []map[string]any }
	if err := w.ask(w.compute, "GET", w.cloud.URL()+"/image/v2/images", nil, &out); err != nil || len(out.Images) == 0 {
		w.Fatal(err, out)
	}
	return id(out.Images[0])
}

// program runs one of the cache's until the end of the test.
func (b *bed) program(name string, args ...string) {
	b.Helper()
	log, err := os.Create(filepath.Join(b.ArtifactDir(), name+".log"))
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(cache(b.T).Program(binaries.Releases()[0], name), args...)
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = log, log, &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait(); _ = log.Close() })
}
