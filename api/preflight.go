package api

import (
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"github.com/jeroboam-cloud/jeroboam/api/wire"
	"github.com/jeroboam-cloud/jeroboam/db"
)

// preflightCluster does everything that a create does but the storing, and answers all that is wrong at once.
func (s *Server) preflightCluster(c echo.Context) error {
	if err := onlyQuery(c); err != nil {
		return err
	}
	f, err := newForm(c, "cluster")
	if err != nil {
		return err
	}
	r, err := readCluster(f, minor(c))
	found := findings{err}
	notes := []wire.Problem{}
	if r.templateID != "" {
		plan, err := s.planCluster(c, r)
		if plan != nil {
			notes = append(notes, plan.notes...)
		}
		if fatal := found.add(err); fatal != nil {
			return fatal
		}
	}
	limit, used, err := s.Store.ClusterQuota(c.Request().Context(), callerOf(c).ProjectID, s.Defaults.MaxClusters)
	if err != nil {
		return err
	}
	if used >= limit {
		_ = found.add(&db.QuotaError{Limit: limit}) // never fatal
	}
	out := []wire.Problem{}
	for _, p := range problems(found.err, "") {
		if !slices.Contains(out, p) { // both default node groups have the cluster's labels
			out = append(out, p)
		}
	}
	return c.JSON(http.StatusOK, map[string]any{"problems": out, "notes": notes})
}
