package api

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/jeroboam-cloud/jeroboam/api/patch"
	"github.com/jeroboam-cloud/jeroboam/api/wire"
	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
)

// commonInternal are attributes that no patch may touch.
func commonInternal() []string {
	return []string{"/created_at", "/id", "/links", "/updated_at", "/uuid", "/project_id", "/user_id"}
}

func clusterRules() patch.Rules {
	return patch.Rules{Internal: append(commonInternal(), "/api_address", "/node_addresses", "/master_addresses", "/stack_id", "/cluster_id", "/ca_cert_ref",
		"/magnum_cert_ref", "/etcd_ca_cert_ref", "/front_proxy_ca_cert_ref"), NonRemovable: []string{"/cluster_template_id"},
		Literal: []string{"/labels", "/health_status_reason"}}
}

// viewMap is a view as the generic document that patches apply to.
func viewMap(v any) (map[string]any, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encoding for a patch: %w", err)
	}
	m := map[string]any{}
	return m, json.Unmarshal(raw, &m)
}

func (s *Server) updateCluster(c echo.Context) error {
	if err := rollbackOnly(c); err != nil {
		return err
	}
	body, err := readBody(c)
	if err != nil {
		return err
	}
	operations, err := patch.Parse(body, clusterRules())
	if err != nil {
		return err
	}
	v, err := s.cluster(c, c.Param("id"))
	if err != nil {
		return err
	}
	if err := s.allowTarget(c, "cluster:update", "cluster:update_all_projects", v.ProjectID, v.UserID); err != nil {
		return err
	}
	who := callerOf(c)
	if err := s.allow(c, "cluster:update_health_status", who.ProjectID, who.UserID); err != nil {
		return err
	}
	worker := defaultWorker(v.NodeGroups)
	before, err := viewMap(wire.NewCluster(v, s.base(c), maxMinor, false))
	if err != nil {
		return err
	}
	if worker != nil {
		before["node_count"] = worker.NodeCount // what a patch of node_count means
	}
	delete(before, "faults")
	after, err := patch.Apply(before, operations, clusterRules())
	if err != nil {
		return err
	}
	ch, err := readClusterChange(before, after, minor(c))
	if err != nil {
		return err
	}
	if ch.nodeCount != nil {
		if err := s.hasRoom(c, v, worker, *ch.nodeCount); err != nil {
			return err
		}
	}
	if ch.labels != nil {
		if err := s.checkLabels(c, v, ch.labels); err != nil {
			return err
		}
	}
	return s.applyClusterChange(c, v, ch)
}

// rollbackOnly: rollback came with 1.3. It is read, and has no effect: it only meant something to Heat.
func rollbackOnly(c echo.Context) error {
	if minor(c) < 3 {
		return onlyQuery(c)
	}
	if v := c.QueryParam("rollback"); v != "" {
		if _, ok := ops.ParseBool(v); !ok {
			return badRequest("Invalid input for field/attribute rollback. Value: '%s'. Wrong type. Expected boolean.", v)
		}
	}
	return onlyQuery(c, "rollback")
}

func defaultWorker(groups []*db.NodeGroup) *db.NodeGroup {
	i := slices.IndexFunc(groups, func(g *db.NodeGroup) bool { return g.IsDefault && g.Role != db.RoleMaster })
	if i < 0 {
		return nil
	}
	return groups[i]
}

// clusterChange is what a patch comes to.
type clusterChange struct {
	nodeCount    *int
	labels       db.Strings // nil: they stay
	health       *string
	healthReason db.Strings
}

func readClusterChange(before, after map[string]any, minor int) (clusterChange, error) {
	var ch clusterChange
	raw, err := json.Marshal(after)
	if err != nil {
		return ch, fmt.Errorf("encoding a patched cluster: %w", err)
	}
	f, err := parseForm(raw, "cluster")
	if err != nil {
		return ch, err
	}
	var wrong []string
	for _, name := range changed(before, after) {
		switch name {
		case "node_count":
			n := or(f.Int(name, 0, maxNodes), 1) // removed: back to the default
			ch.nodeCount = &n
		case "labels":
			if ch.labels = f.Strings(name); ch.labels == nil {
				ch.labels = db.Strings{}
			}
		case "health_status":
			f.Required(name)
			ch.health = f.Choice(name, "HEALTHY", "UNHEALTHY", "UNKNOWN")
		case "health_status_reason":
			f.Required(name)
			ch.healthReason = f.Strings(name)
		default:
			wrong = append(wrong, name)
		}
	}
	switch {
	case len(wrong) > 0:
		return ch, badRequest("cannot change cluster property(ies) %s.", strings.Join(wrong, ", "))
	case f.err != nil:
		return ch, f.err
	case ch.nodeCount != nil && *ch.nodeCount == 0 && minor < 10:
		return ch, badRequest("Setting node_count to zero is not supported in the provided microversion; it needs 1.10.")
	}
	return ch, nil
}

// changed names the attributes that a patch changes.
func changed(before, after map[string]any) []string {
	var l []string
	for name := range union(before, after) {
		if fmt.Sprint(before[name]) != fmt.Sprint(after[name]) {
			l = append(l, name)
		}
	}
	slices.Sort(l)
	return l
}

func union(a, b map[string]any) map[string]any {
	out := map[string]any{}
	for k := range a {
		out[k] = nil
	}
	for k := range b {
		out[k] = nil
	}
	return out
}

func (s *Server) applyClusterChange(c echo.Context, v *db.ClusterView, ch clusterChange) error {
	_, err := s.change(c, v.UUID, func(sn *db.Snapshot) ([]*db.Operation, error) {
		if ch.health != nil {
			sn.Cluster.HealthStatus = ch.health
		}
		if ch.healthReason != nil {
			sn.Cluster.HealthStatusReason = ch.healthReason
		}
		var l []*db.Operation
		if ch.labels != nil {
			updated, err := s.requestLabels(c, sn, v.Labels, ch.labels)
			if err != nil {
				return nil, err
			}
			l = updated
		}
		if ch.nodeCount == nil {
			return l, nil
		}
		g := defaultWorker(sn.NodeGroups)
		if g == nil {
			return nil, badRequest("The cluster has no default worker group.")
		}
		resized, err := s.requestResize(c, sn, g, *ch.nodeCount, nil)
		return append(l, resized...), err
	})
	if err != nil {
		return err
	}
	return accepted(c, v.UUID)
}

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
		want := serverID(name)
		i := slices.IndexFunc(sn.Nodes, func(n *db.Node) bool {
			return n.NodeGroupUUID == g.UUID && (n.HostID == want || n.Name == want || n.UUID == want || slices.Contains(n.Addresses, want))
		})
		if want == "" || i < 0 {
			return badRequest("Invalid input for field/attribute nodes_to_remove. Value: '%s'. Node group %s has no such node.", name, g.Name)
		}
		n := sn.Nodes[i]
		if n.State == db.NodeRemoving {
			continue
		}
		n.State = db.NodeRemoving
		for _, x := range sn.Nodes {
			if x.Replaces == n.UUID { // the place is given up, and who was to take it in an upgrade with it
				x.State = db.NodeRemoving
			}
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
