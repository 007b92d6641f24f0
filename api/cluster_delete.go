package api

import (
	"encoding/json"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
)

func (s *Server) deleteCluster(c echo.Context) error {
	if err := onlyQuery(c); err != nil {
		return err
	}
	v, err := s.cluster(c, c.Param("id"))
	if err != nil {
		return err
	}
	if err := s.allowTarget(c, "cluster:delete", "cluster:delete_all_projects", v.ProjectID, v.UserID); err != nil {
		return err
	}
	_, err = s.change(c, v.UUID, func(sn *db.Snapshot) ([]*db.Operation, error) { return s.requestDelete(c, sn, false) })
	if err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

// deleteClusterBy is the same with a word on how, and tells the operation. By force the cluster's row goes whatever the
// cloud says: what is left there then is somebody's work, so it is not for everybody to ask.
func (s *Server) deleteClusterBy(c echo.Context) error {
	if err := onlyQuery(c); err != nil {
		return err
	}
	f, err := newForm(c, "cluster_delete_req")
	if err != nil {
		return err
	}
	force := or(f.Bool("force"), false)
	if err := f.done(); err != nil {
		return err
	}
	v, err := s.cluster(c, c.Param("id"))
	if err != nil {
		return err
	}
	if err := s.allowTarget(c, "cluster:delete", "cluster:delete_all_projects", v.ProjectID, v.UserID); err != nil {
		return err
	}
	if force {
		if err := s.allow(c, "cluster:force_delete", v.ProjectID, v.UserID); err != nil {
			return err
		}
	}
	uuid := ""
	_, err = s.change(c, v.UUID, func(sn *db.Snapshot) ([]*db.Operation, error) {
		rings, err := s.requestDelete(c, sn, force)
		for _, o := range sn.Operations { // the last one is under way when there was one already
			if ops.Kind(o.Kind) == ops.ClusterDelete {
				uuid = o.UUID
			}
		}
		return rings, err
	})
	if err != nil {
		return err
	}
	return accepted(c, uuid)
}

// requestDelete cancels what is under way and puts the delete behind it. A second request changes nothing, unless it is the
// first one by force.
func (s *Server) requestDelete(c echo.Context, sn *db.Snapshot, force bool) ([]*db.Operation, error) {
	for _, o := range sn.Operations {
		if ops.Kind(o.Kind) == ops.ClusterDelete && (!force || forced(o)) {
			return nil, nil
		}
	}
	var ring []*db.Operation
	for _, o := range sn.Operations {
		o.CancelRequested = true
		sn.Wake(o)
		ring = append(ring, o)
	}
	op, err := ops.New(s.NewUUID(), ops.ClusterDelete, sn.Cluster, nil, ops.Delete{Force: force})
	if err != nil {
		return nil, err
	}
	s.sign(c, op)
	sn.Operations = append(sn.Operations, op)
	sn.Cluster.Status, sn.Cluster.StatusReason = ops.DeleteInProgress, nil
	for _, g := range sn.NodeGroups {
		g.Status, g.StatusReason = ops.DeleteInProgress, nil
	}
	return append(ring, op), nil
}

func forced(o *db.Operation) bool {
	var p ops.Delete
	return json.Unmarshal(o.Params, &p) == nil && p.Force
}
