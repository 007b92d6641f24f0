package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"github.com/jeroboam-cloud/jeroboam/api/patch"
	"github.com/jeroboam-cloud/jeroboam/api/wire"
	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
)

func nodeGroupRules() patch.Rules {
	return patch.Rules{Internal: append(commonInternal(), "/name", "/cluster_id", "/docker_volume_size", "/labels", "/flavor_id", "/image_id", "/node_addresses",
		"/node_count", "/role", "/is_default", "/stack_id", "/status", "/status_reason", "/version"),
		Literal: []string{"/node_labels", "/node_taints"}, Integers: []string{"/min_node_count", "/max_node_count"}}
}

// updateNodeGroup patches bounds, labels and taints. Labels and taints of live nodes follow by an operation, which there
// is also when only bounds change: clients wait for its end.
func (s *Server) updateNodeGroup(c echo.Context) error {
	if err := onlyQuery(c); err != nil {
		return err
	}
	body, err := readBody(c)
	if err != nil {
		return err
	}
	operations, err := patch.Parse(body, nodeGroupRules())
	if err != nil {
		return err
	}
	v, err := s.ownCluster(c, c.Param("id"))
	if err != nil {
		return err
	}
	g, err := s.nodeGroup(c, v.UUID, c.Param("ng"))
	if err != nil {
		return err
	}
	_, err = s.change(c, v.UUID, func(sn *db.Snapshot) ([]*db.Operation, error) {
		i := slices.IndexFunc(sn.NodeGroups, func(x *db.NodeGroup) bool { return x.UUID == g.UUID })
		if i < 0 {
			return nil, notFound("Nodegroup", g.Name)
		}
		return s.requestGroupUpdate(c, sn, sn.NodeGroups[i], operations)
	})
	if err != nil {
		return err
	}
	if g, err = s.nodeGroup(c, v.UUID, g.UUID); err != nil {
		return err
	}
	return c.JSON(http.StatusAccepted, wire.NewNodeGroup(g, &v.Cluster, s.base(c)))
}

func (s *Server) requestGroupUpdate(c echo.Context, sn *db.Snapshot, g *db.NodeGroup, operations []patch.Op) ([]*db.Operation, error) {
	before, err := viewMap(wire.NewNodeGroup(g, sn.Cluster, s.base(c)))
	if err != nil {
		return nil, err
	}
	after, err := patch.Apply(before, operations, nodeGroupRules())
	if err != nil {
		return nil, err
	}
	if err := changeNodeGroup(g, before, after); err != nil {
		return nil, err
	}
	if len(operations) == 0 {
		return nil, nil
	}
	if err := ops.Allowed(ops.NodeGroupUpdate, sn.Cluster.Status); err != nil {
		return nil, err
	}
	if err := ops.AllowedInGroup(ops.NodeGroupUpdate, g.Status); err != nil {
		return nil, err
	}
	op, err := ops.New(s.NewUUID(), ops.NodeGroupUpdate, sn.Cluster, g, nil)
	if err != nil {
		return nil, err
	}
	s.sign(c, op)
	g.Status, g.StatusReason = ops.UpdateInProgress, nil
	sn.Cluster.Status, sn.Cluster.StatusReason = ops.UpdateInProgress, nil
	sn.Operations = append(sn.Operations, op)
	return []*db.Operation{op}, nil
}

// changeNodeGroup reads what a patch made of the attributes that it may touch, by the rules for new node groups.
func changeNodeGroup(g *db.NodeGroup, before, after map[string]any) error {
	raw, err := json.Marshal(after)
	if err != nil {
		return fmt.Errorf("encoding a patched node group: %w", err)
	}
	f, err := parseForm(raw, "nodegroup")
	if err != nil {
		return err
	}
	for name := range union(before, after) {
		switch name {
		case "min_node_count", "max_node_count", "node_labels", "node_taints":
		default:
			if fmt.Sprint(before[name]) != fmt.Sprint(after[name]) {
				return badRequest("cannot change nodegroup property %s.", name)
			}
			f.Ignore(name)
		}
	}
	g.MinNodeCount, g.MaxNodeCount = or(f.Int("min_node_count", 0, maxNodes), 0), f.Int("max_node_count", 0, maxNodes)
	g.NodeLabels, g.NodeTaints = f.Strings("node_labels"), f.taints("node_taints")
	if err := f.done(); err != nil {
		return err
	}
	return checkNodeGroup(g)
}
