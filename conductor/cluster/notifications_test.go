package cluster

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
)

var update = flag.Bool("update", false, "write the golden files")

// TestCADF: every key of the payload, with all that can be known and with as little as possible.
func TestCADF(t *testing.T) {
	for _, tc := range []struct {
		name    string
		op      db.Operation
		change  func(*db.Cluster)
		outcome string
	}{
		{"create begins", db.Operation{Kind: string(ops.ClusterCreate), UserID: "owner", ProjectID: "project"}, nil, outcomePending},
		{"update by somebody else", db.Operation{Kind: string(ops.NodeGroupResize), UserID: "admin", ProjectID: "project"}, full, outcomeSuccess},
		{"repair by itself", db.Operation{Kind: string(ops.ClusterRepair), ProjectID: "project"}, full, outcomeFailure},
		{"delete ends", db.Operation{Kind: string(ops.ClusterDelete), UserID: "owner", ProjectID: "project"}, full, outcomeSuccess},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := snapshot(3, 2)
			s.NodeGroups = append(s.NodeGroups, &db.NodeGroup{Role: "gpu", NodeCount: 4, NodeAddresses: db.List{"10.0.0.9"}})
			c := s.Cluster
			c.ProjectID, c.UserID, c.Name, c.ClusterTemplateID, c.Status = "project", "owner", "dev", "template", "CREATE_IN_PROGRESS"
			c.CreatedAt = time.Date(2026, 11, 25, 22, 0, 0, 123456000, time.UTC)
			if tc.change != nil {
				tc.change(c)
				s.NodeGroups[0].NodeAddresses, s.NodeGroups[1].NodeAddresses = db.List{"10.0.0.1", "10.0.0.2", "10.0.0.3"}, db.List{"10.0.0.4", "10.0.0.5"}
			}
			ids := 0
			payload := cadf(&tc.op, s, tc.outcome, func() string { ids++; return fmt.Sprint("id-", ids) })
			got, err := json.MarshalIndent(payload, "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden(t, tc.name, append(got, '\n'))
		})
	}
}

// full gives a cluster every attribute.
func full(c *db.Cluster) {
	text := func(s string) *string { return &s }
	number := func(n int) *int { return &n }
	updated := c.CreatedAt.Add(time.Hour)
	c.Status, c.StatusReason, c.UpdatedAt, c.Keypair, c.DockerVolumeSize = "UPDATE_FAILED", text("no valid host"), &updated, text("key"), number(5)
	c.Labels, c.MasterFlavorID, c.FlavorID, c.HealthStatus = db.Strings{"kube_tag": "v1.37.2"}, text("m1.small"), text("m1.large"), text("HEALTHY")
	c.CreateTimeout, c.APIAddress, c.DiscoveryURL = number(60), text("https://192.0.2.1:6443"), text("https://discovery.example.org/x")
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := "testdata/notifications/" + name + ".json"
	if *update {
		if err := os.MkdirAll("testdata/notifications", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, got) {
		t.Errorf("(-want +got):\n%s", cmp.Diff(string(want), string(got)))
	}
}

// TestWhatIsTold: which operations are told of at their begin and their end, as what.
func TestWhatIsTold(t *testing.T) {
	for _, tc := range []struct {
		kind         ops.Kind
		begins, ends bool
		event        string
	}{
		{ops.ClusterCreate, true, true, "create"}, {ops.ClusterDelete, true, true, "delete"}, {ops.NodeGroupResize, true, true, "update"},
		{ops.ClusterUpgrade, true, true, "update"}, {ops.NodeGroupUpgrade, true, true, "update"}, {ops.ClusterHibernate, true, true, "update"}, {ops.ClusterResume, true, true, "update"},
		{ops.NodeGroupCreate, false, true, "update"}, {ops.NodeGroupDelete, false, true, "update"}, {ops.NodeGroupUpdate, false, true, "update"}, {ops.NodeGroupHeal, false, true, "update"},
		{ops.ClusterRotateCA, false, true, "update"}, {ops.ClusterRenewCertificates, false, true, "update"}, {ops.ClusterRepair, false, true, "update"},
		{ops.ClusterRotateCredential, false, false, ""},
	} {
		t.Run(string(tc.kind), func(t *testing.T) {
			for _, on := range []bool{true, false} {
				e, op, s := &Executor{}, &db.Operation{Kind: string(tc.kind), RequestID: "req-1"}, snapshot(1, 1)
				if on {
					e.Publisher = "container-infra.here"
				}
				told := func(tell func(*db.Operation, *db.Snapshot) error, want bool, outcome, priority string) {
					t.Helper()
					s.Notifications = nil
					if err := tell(op, s); err != nil {
						t.Fatal(err)
					}
					if !want || !on {
						if len(s.Notifications) > 0 {
							t.Errorf("%s is told: %s", outcome, s.Notifications[0].Payload)
						}
						return
					}
					if len(s.Notifications) != 1 {
						t.Fatalf("%s is told %d times", outcome, len(s.Notifications))
					}
					n := s.Notifications[0]
					var p struct{ Action, Outcome string }
					if err := json.Unmarshal(n.Payload, &p); err != nil {
						t.Fatal(err)
					}
					if n.EventType != "magnum.cluster."+tc.event || n.Priority != priority || p.Action != tc.event || p.Outcome != outcome ||
						n.PublisherID != "container-infra.here" || n.UUID == "" || n.Context["request_id"] != "req-1" || len(n.Context) != 1 {
						t.Errorf("%s is told as %+v", outcome, n)
					}
				}
				told(e.announce, tc.begins, outcomePending, "INFO")
				for status, as := range map[string][2]string{db.OpComplete: {outcomeSuccess, "INFO"}, db.OpFailed: {outcomeFailure, "ERROR"}, db.OpCancelled: {outcomeFailure, "ERROR"}} {
					op.Status = status
					told(e.tell, tc.ends, as[0], as[1])
				}
			}
		})
	}
}
