package api

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/labstack/echo/v4"
	"golang.org/x/mod/semver"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
)

// rollbackOperation leads an upgrade that failed back to what there was before it.
func (s *Server) rollbackOperation(c echo.Context) error {
	v, old, err := s.operationOfLiving(c)
	if err != nil {
		return err
	}
	if err := s.allowTarget(c, "cluster:upgrade", "cluster:upgrade_all_projects", v.ProjectID, v.UserID); err != nil {
		return err
	}
	kind := ops.Kind(old.Kind)
	switch {
	case kind != ops.ClusterUpgrade && kind != ops.NodeGroupUpgrade:
		return badRequest("Operation %s cannot be rolled back: it is no upgrade.", old.UUID)
	case old.Status != db.OpFailed && old.Status != db.OpCancelled:
		return badRequest("Operation %s is %s: only what has failed or was cancelled can be rolled back.", old.UUID, old.Status)
	}
	rings, err := s.change(c, v.UUID, func(sn *db.Snapshot) ([]*db.Operation, error) { return s.requestRollback(c, sn, old) })
	if err != nil {
		return err
	}
	return accepted(c, rings[len(rings)-1])
}

func (s *Server) requestRollback(c echo.Context, sn *db.Snapshot, old *db.Operation) ([]*db.Operation, error) {
	if err := notSuperseded(sn, old, "rolled back"); err != nil {
		return nil, err
	}
	var p ops.Upgrade
	if err := json.Unmarshal(old.Params, &p); err != nil {
		return nil, fmt.Errorf("reading the parameters of an upgrade: %w", err)
	}
	if p.Back {
		return nil, badRequest("Operation %s cannot be rolled back: it is a rollback itself. It can be retried.", old.UUID)
	}
	if err := canGoBack(sn, p); err != nil {
		return nil, err
	}
	p.Back = true
	params, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("encoding the parameters of a rollback: %w", err)
	}
	return s.requestAgain(c, sn, old, params)
}

// canGoBack refuses what Kubernetes does not survive: once a control plane of the new minor version has written into etcd,
// an older one cannot read it. Workers may be behind.
func canGoBack(sn *db.Snapshot, p ops.Upgrade) error {
	for _, g := range sn.NodeGroups {
		from, concerned := p.From[g.UUID]
		if g.Role != db.RoleMaster || !concerned {
			continue
		}
		minor := semver.MajorMinor(from.KubernetesVersion)
		ahead := func(n *db.Node) bool {
			return n.NodeGroupUUID == g.UUID && semver.Compare(semver.MajorMinor(n.Version), minor) > 0
		}
		if i := slices.IndexFunc(sn.Nodes, ahead); i >= 0 {
			return badRequest("The upgrade cannot be rolled back: control plane %s runs Kubernetes %s already. It can be retried.", sn.Nodes[i].Name, sn.Nodes[i].Version)
		}
	}
	return nil
}
