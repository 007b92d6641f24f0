package engine

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
)

// maintain sets when a cluster may do something by itself.
func (b *bed) maintain(id string, m ops.Maintenance) {
	b.t.Helper()
	err := b.store.ChangeCluster(b.t.Context(), id, func(s *db.Snapshot) error {
		s.Cluster.Maintenance = b.json(m)
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// TestAddonsFollowTheCloud: what somebody deletes of an add-on is put back, and classes of volumes come and go with the types
// that the project sees; a comparison that finds nothing writes nothing.
func TestAddonsFollowTheCloud(t *testing.T) {
	t.Parallel()
	b, _, w, id := watched(t, order{name: "dev", masters: 1, workers: 1, cluster: func(s *ops.ClusterSpec) {
		s.Addons = []string{ops.AddonCinderCSI, ops.AddonManilaCSI, ops.AddonMetricsServer}
	}})
	v := b.view(id)
	c, admin := b.clientset(v), b.person("admin")
	b.look(w)
	b.quiet(id, "a comparison of whole add-ons", func() { b.drift(w) })
	types := cinder + b.project + "/types"
	whole := b.addonObjects(v)
	if all := strings.Join(whole, " "); !strings.Contains(all, "class/manila-nfs=manila-csi") || strings.Contains(all, "manila-generic") {
		t.Errorf("objects %s", all)
	}
	login, err := c.CoreV1().Secrets("kube-system").Get(t.Context(), "manila-csi", metav1.GetOptions{})
	if err != nil || string(login.Data["os-region"]) != sim.Region { // which nobody has configured
		t.Errorf("Manila's plug-in logs in with %s, %v", login.Data, err)
	}
	for _, tc := range []struct {
		name, says string
		change     func() error
		want       []string
	}{
		{"a workload", "add-on metrics-server lacks Deployment metrics-server", func() error {
			return c.AppsV1().Deployments("kube-system").Delete(t.Context(), "metrics-server", metav1.DeleteOptions{})
		}, whole},
		{"a class", "add-on cinder-csi lacks StorageClass cinder-hdd", func() error {
			return c.StorageV1().StorageClasses().Delete(t.Context(), "cinder-hdd", metav1.DeleteOptions{})
		}, whole},
		{"a new type", "add-on cinder-csi lacks StorageClass cinder-nvme", func() error {
			admin.must(http.MethodPost, types, map[string]any{"volume_type": map[string]any{"name": "nvme"}}, nil)
			return nil
		}, append([]string{"class/cinder-nvme=cinder-csi"}, whole...)},
		{"a type that went", "add-on cinder-csi is to have no more StorageClass cinder-nvme", func() error {
			admin.must(http.MethodDelete, types+"/nvme", nil, nil)
			return nil
		}, whole},
	} {
		if err := tc.change(); err != nil {
			t.Fatal(tc.name, err)
		}
		b.drift(w)
		b.reaches(id, ops.UpdateComplete)
		if b.told(id, "drift", tc.says) != 1 {
			t.Errorf("%s is not told\n%s", tc.name, b.events(id))
		}
		slices.Sort(tc.want)
		if got := b.addonObjects(v); !slices.Equal(got, tc.want) {
			t.Errorf("after %s there are %v, want %v", tc.name, got, tc.want)
		}
		b.quiet(id, "the comparison after "+tc.name, func() { b.drift(w) })
	}
	if n := len(b.operations(id, ops.ClusterRepair)); n != 0 {
		t.Errorf("%d repairs of the cloud", n)
	}

	// it waits for a window
	if err := c.StorageV1().StorageClasses().Delete(t.Context(), "cinder-ssd", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	before := len(b.operations(id, ops.ClusterUpdate))
	later := time.Now().UTC().Add(2 * time.Hour).Format("15:04")
	b.maintain(id, ops.Maintenance{Windows: []ops.Window{{Weekly: ops.Weekly{Time: later}, Duration: 60}}})
	b.drift(w)
	if n := len(b.operations(id, ops.ClusterUpdate)); n != before {
		t.Errorf("%d updates outside of the window", n-before)
	}
	b.maintain(id, ops.Maintenance{})
	b.drift(w)
	b.reaches(id, ops.UpdateComplete)
	if got := strings.Join(b.addonObjects(v), " "); !strings.Contains(got, "cinder-ssd") {
		t.Errorf("after the window opened: %s", got)
	}
	b.deleted(id)
}
