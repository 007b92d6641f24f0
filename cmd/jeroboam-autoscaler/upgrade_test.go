package main

import (
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/jeroboam-cloud/jeroboam/api/wire"
	"github.com/jeroboam-cloud/jeroboam/cmd/internal/containerinfra"
	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
	"github.com/jeroboam-cloud/jeroboam/internal/externalgrpc"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
	"github.com/jeroboam-cloud/jeroboam/tests/rig"
)

// TestDuringAnUpgrade: an old node and the one that takes its place are one to cluster-autoscaler, and whichever of the two
// is removed, the place is, while the upgrade goes on with the others.
func TestDuringAnUpgrade(t *testing.T) {
	b := newBed(t, sim.Options{})
	x := &session{bed: b}
	next := b.template("next", rig.ImageName)
	x.uuid = b.clusterOf(b.template("old", "ubuntu-24.04-kube-v1.36.6"), map[string]any{"name": pool, "node_count": 3, "min_node_count": 0, "max_node_count": 20, "flavor_id": rig.Flavor})
	ours := newAuthority(t, "ours")
	x.ca = dial(t, b.start(ours.files(), "--cluster", "dev"), ours, ours)
	if err := b.cloud.Inject(sim.Rule{Service: "compute", Method: "POST", PathRegexp: "/servers$", Name: pool, Times: 2, Action: sim.Action{Stuck: true}}); err != nil {
		t.Fatal(err)
	}
	old := b.nodes(x.uuid, pool)
	b.post(containerinfra.ClusterPath(x.uuid, "/actions/upgrade"), map[string]any{"cluster_template": next, "max_batch_size": 2}, nil)
	var coming []wire.Node
	testenv.Eventually(t, patience, "two successors to be asked for", func() bool {
		coming = nil
		for _, n := range b.nodes(x.uuid, pool) {
			if n.Replaces != nil && n.ServerID != nil {
				coming = append(coming, n)
			}
		}
		return len(coming) == 2
	})
	x.onlyOld(t, old, coming[0])

	if err := x.remove(t, node("openstack:///"+*old[0].ServerID, old[0].Name)); err != nil {
		t.Fatal(err)
	}
	x.is(t, 2)
	b.post(containerinfra.ClusterPath(x.uuid, "/actions/resize"), map[string]any{"nodegroup": pool, "node_count": 1, "nodes_to_remove": []string{coming[1].UUID}}, nil)
	x.settled(x.uuid, "UPDATE_COMPLETE")
	left := b.nodes(x.uuid, pool)
	if len(left) != 1 || !left[0].Ready || or(left[0].Version, "") != rig.Version || left[0].Replaces == nil || *left[0].Replaces != old[2].UUID {
		t.Errorf("what is left: %+v; expected the successor of %s", left, old[2].Name)
	}
	if n := x.instances(t); len(n) != 1 || n["openstack:///"+or(left[0].ServerID, "")] == nil {
		t.Errorf("instances: %v", n)
	}
	x.is(t, 1)
}

// onlyOld: the successors are nobody's while those are there whose places they take.
func (x *session) onlyOld(t *testing.T, old []wire.Node, successor wire.Node) {
	t.Helper()
	l := x.instances(t)
	for _, n := range old {
		if l["openstack:///"+*n.ServerID] == nil {
			t.Errorf("%s is not among %v", n.Name, l)
		}
	}
	if len(l) != len(old) {
		t.Errorf("instances: %v", l)
	}
	x.is(t, int32(len(old)))
	id := "openstack:///" + *successor.ServerID
	r, err := x.ca.NodeGroupForNode(t.Context(), &externalgrpc.NodeGroupForNodeRequest{Node: &externalgrpc.ExternalGrpcNode{ProviderID: id, Name: successor.Name}})
	if err != nil || r.GetNodeGroup().GetId() != "" {
		t.Errorf("the successor is of %v (%v)", r, err)
	}
	if err := x.remove(t, node(id, id)); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("removing the successor: %v", err)
	}
	x.is(t, int32(len(old)))
}
