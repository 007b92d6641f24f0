package api

import (
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
)

func (s *Server) resizeCluster(c echo.Context) error {
	if err := onlyQuery(c); err != nil {
		return err
	}
	f, err := newForm(c, "cluster_resize_req")
	if err != nil {
		return err
	}
	f.Required("node_count")
	count, remove, group := f.Int("node_count", 0, maxNodes), f.List("nodes_to_remove"), f.ident("nodegroup")
	expected := f.Int("expected_node_count", 0, maxNodes)
	if err := f.done(); err != nil {
		return err
	}
	if *count == 0 && minor(c) < 10 {
		return badRequest("Resizing a cluster to zero is not supported in the provided microversion; it needs 1.10.")
	}
	v, err := s.ownCluster(c, c.Param("id"))
	if err != nil {
		return err
	}
	if err := s.allow(c, "cluster:resize", v.ProjectID, v.UserID); err != nil {
		return err
	}
	target := defaultWorker(v.NodeGroups)
	if group != "" {
		if target, err = s.nodeGroup(c, v.UUID, group); err != nil {
			return err
		}
	}
	if target == nil {
		return badRequest("The cluster has no default worker group: name a nodegroup.")
	}
	if err := s.hasRoom(c, v, target, *count); err != nil {
		return err
	}
	_, err = s.change(c, v.UUID, func(sn *db.Snapshot) ([]*db.Operation, error) {
		i := slices.IndexFunc(sn.NodeGroups, func(g *db.NodeGroup) bool { return g.UUID == target.UUID })
		if i < 0 {
			return nil, notFound("Nodegroup", target.Name)
		}
		if err := asExpected(sn, sn.NodeGroups[i], expected, remove); err != nil {
			return nil, err
		}
		return s.requestResize(c, sn, sn.NodeGroups[i], *count, remove)
	})
	if err != nil {
		return err
	}
	return accepted(c, v.UUID)
}

// hasRoom tells whether the caller's project has room for the nodes that a group gets. Otherwise it would get as many as fit,
// and nobody else in the project any.
func (s *Server) hasRoom(c echo.Context, v *db.ClusterView, g *db.NodeGroup, count int) error {
	if g == nil || count <= g.NodeCount || v.ProjectID != callerOf(c).ProjectID {
		return nil
	}
	if err := inBounds(g, count); err != nil { // rather than what the project lacks for it
		return err
	}
	k, err := s.checks(c)
	if err != nil {
		return err
	}
	f, err := k.flavor("node_count", g.FlavorID)
	if err != nil {
		return err
	}
	var d demand
	d.hosts(count-g.NodeCount, f, g)
	return s.room(k, d)
}

// requestResize decides on a node group's new size.
func (s *Server) requestResize(c echo.Context, sn *db.Snapshot, g *db.NodeGroup, count int, remove []string) ([]*db.Operation, error) {
	if err := ops.Allowed(ops.NodeGroupResize, sn.Cluster.Status); err != nil {
		return nil, err
	}
	if err := ops.AllowedInGroup(ops.NodeGroupResize, g.Status); err != nil {
		return nil, err
	}
	if err := ops.Awake(sn, ops.NodeGroupResize); err != nil {
		return nil, err
	}
	if g.Role == db.RoleMaster {
		if err := controlPlaneSize(sn.Cluster, count, remove); err != nil {
			return nil, err
		}
	}
	if err := inBounds(g, count); err != nil {
		return nil, err
	}
	if err := giveUp(sn, g, remove); err != nil {
		return nil, err
	}
	g.NodeCount = count
	g.Status, g.StatusReason = ops.UpdateInProgress, nil
	sn.Cluster.Status, sn.Cluster.StatusReason = ops.UpdateInProgress, nil
	op, err := ops.New(s.NewUUID(), ops.NodeGroupResize, sn.Cluster, g, nil)
	if err != nil {
		return nil, err
	}
	s.sign(c, op)
	sn.Operations = append(sn.Operations, op)
	return []*db.Operation{op}, nil
}

// maxControlPlanes is what etcd recommends at most: every write waits for more than half of them.
const maxControlPlanes = 7

// controlPlaneSize refuses what etcd gains nothing from, or dies of.
func controlPlaneSize(c *db.Cluster, count int, remove []string) error {
	switch {
	case count%2 == 0 || count > maxControlPlanes:
		return badRequest("Resizing the master node group to %d is not supported: etcd wants an odd number of members, from 1 to %d.", count, maxControlPlanes)
	case count > 1 && !c.MasterLBEnabled:
		return badRequest("Resizing the master node group to %d is not supported: several masters need a load balancer, which the cluster does not have.", count)
	case len(remove) > 0:
		return badRequest("nodes_to_remove is not supported for the master node group: the youngest masters leave.")
	}
	return nil
}

// inBounds refuses a size that the node group may not have.
func inBounds(g *db.NodeGroup, count int) error {
	most, text := or(g.MaxNodeCount, 0), "unlimited"
	if most > 0 {
		text = itoa(most)
	}
	if count < g.MinNodeCount || (most > 0 && count > most) {
		return badRequest("Resizing %s outside the allowed range: min_node_count = %d, max_node_count = %s.", g.Name, g.MinNodeCount, text)
	}
	return nil
}

// giveUp marks the named nodes as removed together with the new size: an operation of the group that is under way already
// would otherwise meet the size with others. Nodes are named by server id, provider id, name, address or UUID. One that we
// do not know is refused: taking another one instead would be worse than taking none.
func giveUp(sn *db.Snapshot, g *db.NodeGroup, names []string) error {
	for _, name := range names {
		n := named(sn, g, name)
		if n == nil {
			return badRequest("Invalid input for field/attribute nodes_to_remove. Value: '%s'. Node group %s has no such node.", name, g.Name)
		}
		if n.State == db.NodeRemoving {
			continue
		}
		n.State = db.NodeRemoving
		for _, x := range sn.Nodes {
			// The place is given up: who was to take it in an upgrade goes with it, and who was to leave it does, too. It would
			// stay as it was otherwise, in a group that has been upgraded.
			if x.Replaces == n.UUID || x.UUID == n.Replaces {
				x.State = db.NodeRemoving
			}
		}
	}
	return nil
}

// named finds a node of the group; nil: it has none of that name.
func named(sn *db.Snapshot, g *db.NodeGroup, name string) *db.Node {
	want := serverID(name)
	i := slices.IndexFunc(sn.Nodes, func(n *db.Node) bool {
		return n.NodeGroupUUID == g.UUID && (n.HostID == want || n.Name == want || n.UUID == want || slices.Contains(n.Addresses, want))
	})
	if want == "" || i < 0 {
		return nil
	}
	return sn.Nodes[i]
}

// asExpected refuses what was decided on a group that is not that any more: another one has resized it since, or has
// taken away a node that is named, so that the count would be lowered twice for it.
func asExpected(sn *db.Snapshot, g *db.NodeGroup, expected *int, remove []string) error {
	if expected == nil {
		return nil
	}
	if g.NodeCount != *expected {
		return fail(http.StatusConflict, "Node group %s has node_count %d, not %d as expected: it has been resized in between.", g.Name, g.NodeCount, *expected)
	}
	for _, name := range remove {
		if n := named(sn, g, name); n == nil || n.State == db.NodeRemoving {
			return fail(http.StatusConflict, "Node %s of node group %s has been given up in between.", name, g.Name)
		}
	}
	return nil
}

// serverID takes the server out of a provider id, openstack://[region]/server, or the instance out of ironic:///instance.
func serverID(name string) string {
	name = strings.TrimPrefix(name, ops.MachineScheme)
	if rest, ok := strings.CutPrefix(name, "openstack://"); ok {
		_, id, _ := strings.Cut(rest, "/")
		return id
	}
	return name
}
