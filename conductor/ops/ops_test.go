package ops

import (
	"errors"
	"strings"
	"testing"

	"github.com/jeroboam-cloud/jeroboam/db"
)

func TestAllowed(t *testing.T) {
	for _, tc := range []struct {
		status string
		groups bool // node-group operations
	}{
		{CreateInProgress, false}, {CreateComplete, true}, {CreateFailed, false}, {UpdateInProgress, true}, {UpdateComplete, true},
		{UpdateFailed, true}, {DeleteInProgress, false}, {DeleteFailed, false},
	} {
		t.Run(tc.status, func(t *testing.T) {
			if err := Allowed(ClusterDelete, tc.status); err != nil {
				t.Errorf("delete: %v", err)
			}
			for _, k := range []Kind{NodeGroupCreate, NodeGroupResize, NodeGroupDelete} {
				err := Allowed(k, tc.status)
				var s *StatusError
				if (err == nil) != tc.groups || (err != nil && (!errors.As(err, &s) || !strings.Contains(err.Error(), tc.status))) {
					t.Errorf("%s: %v", k, err)
				}
			}
		})
	}
}

func TestNewTakesItsScope(t *testing.T) {
	c, g := &db.Cluster{UUID: "c", ProjectID: "p"}, &db.NodeGroup{UUID: "g"}
	for _, tc := range []struct {
		kind  Kind
		group *db.NodeGroup
		scope string
	}{{ClusterCreate, nil, db.ScopeCluster}, {ClusterDelete, nil, db.ScopeCluster}, {NodeGroupResize, g, "g"}, {NodeGroupCreate, g, "g"}, {NodeGroupDelete, g, "g"}} {
		o, err := New("id", tc.kind, c, tc.group, nil)
		if err != nil || o.Scope != tc.scope || o.ProjectID != "p" || !o.Active() {
			t.Errorf("%s: %+v, %v", tc.kind, o, err)
		}
	}
	if _, err := New("id", NodeGroupResize, c, nil, nil); err == nil {
		t.Error("an operation on no node group was made")
	}
}

func TestLabelAndSuffix(t *testing.T) {
	for name, want := range map[string]string{"My_Cluster.1": "my-cluster-1", "--x--": "x", "ünïcode": "n-code", strings.Repeat("a", 30): strings.Repeat("a", 20)} {
		if got := Label(name, 20); got != want {
			t.Errorf("%q became %q, want %q", name, got, want)
		}
	}
	if s := Suffix(strings.NewReader("abcde")); len(s) != 5 || Label(s, 5) != s {
		t.Errorf("suffix %q", s)
	}
}

// TestEveryKindIsKnown to the conductors of its own version.
func TestEveryKindIsKnown(t *testing.T) {
	for _, k := range []Kind{ClusterCreate, ClusterDelete, NodeGroupCreate, NodeGroupResize, NodeGroupDelete, NodeGroupUpdate, ClusterUpgrade,
		NodeGroupUpgrade, NodeGroupHeal, ClusterRotateCA, ClusterRenewCertificates, ClusterRotateCredential, ClusterUpdate, ClusterRepair,
		ClusterHibernate, ClusterResume} {
		if !k.Known() {
			t.Errorf("%s is not known", k)
		}
	}
	if Kind("cluster.paint").Known() {
		t.Error("what nobody has heard of is known")
	}
}
