package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/jeroboam-cloud/jeroboam/api/wire"
	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
)

// account is what operations and events hang on. They outlive their cluster: who deleted it wants to read how that went.
type account struct{ clusterUUID, projectID, userID string }

// account finds a cluster, or by its UUID one that is gone, and asks the rule for reading it.
func (s *Server) account(c echo.Context, ident string) (account, error) {
	var a account
	v, err := s.cluster(c, ident)
	var missing *Error
	switch {
	case err == nil:
		a = account{v.UUID, v.ProjectID, v.UserID}
	case errors.As(err, &missing) && missing.Status == http.StatusNotFound && uuidForm.MatchString(ident):
		l, listErr := s.Store.Operations(c.Request().Context(), ident, db.OperationFilter{ProjectID: callerOf(c).scope(), Limit: 1})
		if listErr != nil {
			return a, listErr
		}
		if len(l) == 0 {
			return a, err
		}
		a = account{l[0].ClusterUUID, l[0].ProjectID, l[0].UserID}
	default:
		return a, err
	}
	return a, s.allowTarget(c, "cluster:get", "cluster:get_one_all_projects", a.projectID, a.userID)
}

// number reads a whole number of the query, at least 0.
func number(c echo.Context, name string, fallback int64) (int64, error) {
	v := c.QueryParam(name)
	if v == "" {
		return fallback, nil
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < 0 {
		return 0, badRequest("Invalid input for field/attribute %s. Value: '%s'. A whole number is expected.", name, v)
	}
	return n, nil
}

// limit reads how many items a page of our own lists has.
func (s *Server) limit(c echo.Context) (int, error) {
	n, err := number(c, "limit", int64(s.cfg.MaxLimit))
	if err == nil && n == 0 {
		err = badRequest("Limit must be positive")
	}
	return int(min(n, int64(s.cfg.MaxLimit))), err
}

// writePage answers a page of our own lists; the one after it has the same query with another marker.
func (s *Server) writePage(c echo.Context, name string, items any, full bool, last string) error {
	doc := map[string]any{name: items}
	if full {
		q := url.Values{}
		for k, v := range c.QueryParams() {
			q[k] = slices.Clone(v)
		}
		q.Set("marker", last)
		doc["next"] = s.base(c) + c.Request().URL.Path + "?" + q.Encode()
	}
	return c.JSON(http.StatusOK, doc)
}

func (s *Server) listOperations(c echo.Context) error {
	if err := onlyQuery(c, "limit", "marker", "active"); err != nil {
		return err
	}
	f := db.OperationFilter{Marker: c.QueryParam("marker")}
	var ok bool
	if v := c.QueryParam("active"); v != "" {
		if f.Active, ok = ops.ParseBool(v); !ok {
			return badRequest("Invalid input for field/attribute active. Value: '%s'. Wrong type. Expected boolean.", v)
		}
	}
	var err error
	if f.Limit, err = s.limit(c); err != nil {
		return err
	}
	a, err := s.account(c, c.Param("id"))
	if err != nil {
		return err
	}
	rows, err := s.Store.Operations(c.Request().Context(), a.clusterUUID, f)
	if err != nil {
		return listError(err, db.Page{Marker: f.Marker})
	}
	out, last := make([]wire.Operation, 0, len(rows)), ""
	for _, o := range rows {
		out, last = append(out, wire.NewOperation(o, s.base(c))), o.UUID
	}
	return s.writePage(c, "operations", out, len(rows) == f.Limit, last)
}

// operation finds one of a cluster's.
func (s *Server) operation(c echo.Context, clusterUUID, uuid string) (*db.Operation, error) {
	o, err := s.Store.Operation(c.Request().Context(), uuid)
	if errors.Is(err, db.ErrNotFound) || (err == nil && o.ClusterUUID != clusterUUID) {
		return nil, notFound("Operation", uuid)
	}
	return o, err
}

func (s *Server) getOperation(c echo.Context) error {
	if err := onlyQuery(c); err != nil {
		return err
	}
	a, err := s.account(c, c.Param("id"))
	if err != nil {
		return err
	}
	o, err := s.operation(c, a.clusterUUID, c.Param("op"))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, wire.NewOperation(o, s.base(c)))
}

// operationOfLiving finds an operation that is to be acted on: its cluster must be there.
func (s *Server) operationOfLiving(c echo.Context) (*db.ClusterView, *db.Operation, error) {
	if err := onlyQuery(c); err != nil {
		return nil, nil, err
	}
	v, err := s.cluster(c, c.Param("id"))
	if err != nil {
		return nil, nil, err
	}
	o, err := s.operation(c, v.UUID, c.Param("op"))
	return v, o, err
}

// cancelOperation asks a conductor to stop after the step that it is at. What was reached stays.
func (s *Server) cancelOperation(c echo.Context) error {
	v, o, err := s.operationOfLiving(c)
	if err != nil {
		return err
	}
	if err := s.allowTarget(c, "cluster:update", "cluster:update_all_projects", v.ProjectID, v.UserID); err != nil {
		return err
	}
	if ops.Kind(o.Kind) == ops.ClusterDelete {
		return badRequest("Operation %s cannot be cancelled: a delete goes on to its end.", o.UUID)
	}
	_, err = s.change(c, v.UUID, func(sn *db.Snapshot) ([]*db.Operation, error) {
		i := slices.IndexFunc(sn.Operations, func(x *db.Operation) bool { return x.UUID == o.UUID })
		if i < 0 {
			return nil, badRequest("Operation %s cannot be cancelled: it has ended.", o.UUID)
		}
		sn.Operations[i].CancelRequested = true
		sn.Wake(sn.Operations[i])
		return sn.Operations[i : i+1], nil
	})
	if err != nil {
		return err
	}
	return accepted(c, o.UUID)
}

// retryOperation asks for the same once more, after it failed or was cancelled.
func (s *Server) retryOperation(c echo.Context) error {
	v, old, err := s.operationOfLiving(c)
	if err != nil {
		return err
	}
	rule := "cluster:update"
	if ops.Kind(old.Kind) == ops.ClusterDelete {
		rule = "cluster:delete"
	}
	if err := s.allowTarget(c, rule, rule+"_all_projects", v.ProjectID, v.UserID); err != nil {
		return err
	}
	if old.Status != db.OpFailed && old.Status != db.OpCancelled {
		return badRequest("Operation %s is %s: only what has failed or was cancelled can be retried.", old.UUID, old.Status)
	}
	rings, err := s.change(c, v.UUID, func(sn *db.Snapshot) ([]*db.Operation, error) { return s.requestRetry(c, sn, old) })
	if err != nil {
		return err
	}
	return accepted(c, rings[len(rings)-1])
}

// requestRetry asks for the same again, unless something else was asked for since: that is seen in the transaction that
// changes what it is about.
func (s *Server) requestRetry(c echo.Context, sn *db.Snapshot, old *db.Operation) ([]*db.Operation, error) {
	if err := notSuperseded(sn, old, "retried"); err != nil {
		return nil, err
	}
	params := old.Params
	switch ops.Kind(old.Kind) {
	case ops.ClusterDelete:
		l, err := s.requestDelete(c, sn, false)
		if err == nil && len(l) == 0 {
			err = badRequest("Operation %s cannot be retried: the cluster is being deleted.", old.UUID)
		}
		return l, err
	case ops.ClusterCreate:
		var err error
		if params, err = json.Marshal(ops.Create{Again: true}); err != nil {
			return nil, fmt.Errorf("encoding the parameters of a retry: %w", err)
		}
	}
	return s.requestAgain(c, sn, old, params)
}

func notSuperseded(sn *db.Snapshot, old *db.Operation, done string) error {
	newer, err := sn.Superseded(old)
	if err == nil && newer {
		err = badRequest("Operation %s cannot be %s: a newer operation was asked for since.", old.UUID, done)
	}
	return err
}

// requestAgain puts cluster and node groups back to where the request for the old operation had put them, and queues one
// of its kind.
func (s *Server) requestAgain(c echo.Context, sn *db.Snapshot, old *db.Operation, params db.RawJSON) ([]*db.Operation, error) {
	kind, group := ops.Kind(old.Kind), found(sn, old.NodeGroupUUID)
	if err := ops.AllowedAgain(kind, sn.Cluster.Status); err != nil {
		return nil, err
	}
	if group == nil && old.NodeGroupUUID != "" {
		return nil, badRequest("Operation %s cannot be repeated: its node group is gone.", old.UUID)
	}
	for _, g := range sn.NodeGroups {
		if kind.Concerns(g, old.NodeGroupUUID) {
			if g.Status != kind.GroupFailed() {
				return nil, badRequest("Operation %s cannot be repeated: node group %s is %s.", old.UUID, g.Name, g.Status)
			}
			g.Status, g.StatusReason = kind.GroupProgress(), nil
		}
	}
	op, err := ops.New(s.NewUUID(), kind, sn.Cluster, group, nil)
	if err != nil {
		return nil, err
	}
	op.Params = params
	s.sign(c, op)
	sn.Operations = append(sn.Operations, op)
	sn.Cluster.Status, sn.Cluster.StatusReason = kind.Progress(), nil
	return []*db.Operation{op}, nil
}

// found gives a node group of the snapshot; nil when there is none of that UUID.
func found(sn *db.Snapshot, uuid string) *db.NodeGroup {
	i := slices.IndexFunc(sn.NodeGroups, func(g *db.NodeGroup) bool { return g.UUID == uuid })
	if i < 0 {
		return nil
	}
	return sn.NodeGroups[i]
}
