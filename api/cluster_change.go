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
		if asText(before[name]) != asText(after[name]) {
			l = append(l, name)
		}
	}
	slices.Sort(l)
	return l
}

// asText is the same text for what is the same: 3 and 3.0, or a label 1 and "1". Texts in maps and lists are quoted, so
// that none looks like several.
func asText(v any) string {
	switch v.(type) {
	case map[string]any, []any:
		return fmt.Sprintf("%q", v)
	}
	return fmt.Sprint(v)
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
