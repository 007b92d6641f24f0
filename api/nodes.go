package api

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/jeroboam-cloud/jeroboam/api/wire"
	"github.com/jeroboam-cloud/jeroboam/db"
)

// readable finds a cluster that the caller may read.
func (s *Server) readable(c echo.Context) (*db.ClusterView, error) {
	if err := onlyQuery(c); err != nil {
		return nil, err
	}
	v, err := s.cluster(c, c.Param("id"))
	if err != nil {
		return nil, err
	}
	return v, s.allowTarget(c, "cluster:get", "cluster:get_one_all_projects", v.ProjectID, v.UserID)
}

// listNodes answers the hosts of a cluster, those that are being made or given up among them.
func (s *Server) listNodes(c echo.Context) error {
	v, err := s.readable(c)
	if err != nil {
		return err
	}
	rows, err := s.Store.Nodes(c.Request().Context(), v.UUID)
	if err != nil {
		return err
	}
	groups := map[string]*db.NodeGroup{}
	for _, g := range v.NodeGroups {
		groups[g.UUID] = g
	}
	out := make([]wire.Node, 0, len(rows))
	for _, n := range rows {
		if g := groups[n.NodeGroupUUID]; g != nil { // its group was there a moment ago
			out = append(out, wire.NewNode(n, g))
		}
	}
	return c.JSON(http.StatusOK, map[string]any{"nodes": out})
}

// listResources answers the ledger: every cloud object that belongs to the cluster.
func (s *Server) listResources(c echo.Context) error {
	v, err := s.readable(c)
	if err != nil {
		return err
	}
	rows, err := s.Store.Resources(c.Request().Context(), v.UUID)
	if err != nil {
		return err
	}
	out := make([]wire.Resource, 0, len(rows))
	for _, r := range rows {
		out = append(out, wire.NewResource(r))
	}
	return c.JSON(http.StatusOK, map[string]any{"resources": out})
}
