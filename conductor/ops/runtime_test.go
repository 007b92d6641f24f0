package ops

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jeroboam-cloud/jeroboam/db"
)

func TestDress(t *testing.T) {
	own := db.Taint{Key: "gpu", Effect: "NoSchedule"}
	for _, tc := range []struct {
		name, role, spec string
		sandbox          string
		labels           map[string]string
		taints           []db.Taint
	}{
		{"usual", db.RoleWorker, `{}`, "", map[string]string{NodeGroupLabel: "pool", "a": "b"}, []db.Taint{own}},
		{"Kata", db.RoleWorker, `{"runtime":"kata"}`, "kata", map[string]string{NodeGroupLabel: "pool", "a": "b", RuntimeLabel: "kata"}, []db.Taint{own, {Key: RuntimeLabel, Value: "kata", Effect: "NoSchedule"}}},
		{"the control plane", db.RoleMaster, `{"runtime":"kata"}`, "", map[string]string{NodeGroupLabel: "pool", "a": "b"}, []db.Taint{own}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := &db.NodeGroup{Name: "pool", Role: tc.role, Spec: db.RawJSON(tc.spec), NodeLabels: db.Strings{"a": "b"}, NodeTaints: db.Taints{own}}
			labels, taints := Dress(g)
			if d := cmp.Diff(tc.labels, labels); d != "" {
				t.Errorf("labels (-want +got):\n%s", d)
			}
			if d := cmp.Diff(tc.taints, taints); d != "" {
				t.Errorf("taints (-want +got):\n%s", d)
			}
			if got := SandboxOf(g); got != tc.sandbox {
				t.Errorf("runtime %q, want %q", got, tc.sandbox)
			}
			if lacking := WithoutRuntime([]*db.NodeGroup{g}, []string{"runc", "gvisor"}); (lacking != nil) != (tc.sandbox != "") {
				t.Errorf("an image of gVisor lacks the runtime of %v", lacking)
			}
		})
	}
}
