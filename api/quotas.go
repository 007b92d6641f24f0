package api

import (
	"errors"
	"math"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/jeroboam-cloud/jeroboam/api/wire"
	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
)

// defaultHardLimit is what a quota is set to by a request that names no limit: Magnum's.
const defaultHardLimit = 1

// notAuthorized is Magnum's answer to a look at another project's numbers.
func notAuthorized() error { return fail(http.StatusForbidden, "Not authorized.") }

func (s *Server) listQuotas(c echo.Context) error {
	if err := onlyQuery(c, append(pageQuery, "all_tenants")...); err != nil {
		return err
	}
	marker := c.QueryParam("marker")
	if _, err := strconv.ParseInt(marker, 10, 64); marker != "" && err != nil {
		return badRequest("Invalid input for field/attribute marker. Value: '%s'. Wrong type. Expected integer.", marker)
	}
	p, err := s.pageAfter(c, marker)
	if err != nil {
		return err
	}
	all := false
	if v := c.QueryParam("all_tenants"); v != "" {
		var ok bool
		if all, ok = ops.ParseBool(v); !ok {
			return badRequest("Invalid input for field/attribute all_tenants. Value: '%s'. Wrong type. Expected boolean.", v)
		}
	}
	project := callerOf(c).ProjectID
	if all {
		project = ""
	} else if project == "" { // an admin without a project has no quotas of its own
		return c.JSON(http.StatusOK, map[string]any{"quotas": []wire.Quota{}})
	}
	rows, err := s.Store.Quotas(c.Request().Context(), p, project)
	if err != nil {
		return listError(err, p)
	}
	out := make([]wire.Quota, 0, len(rows))
	for _, q := range rows {
		out = append(out, wire.NewQuota(q))
	}
	doc := map[string]any{"quotas": out}
	if n := len(out); n > 0 {
		if url := next(c, s.base(c), "quotas", p, n, strconv.FormatInt(*out[n-1].ID, 10)); url != "" {
			if all {
				url += "&all_tenants=True"
			}
			doc["next"] = url
		}
	}
	return c.JSON(http.StatusOK, doc)
}

func (s *Server) getQuota(c echo.Context) error {
	if err := onlyQuery(c); err != nil {
		return err
	}
	project, resource := c.Param("project"), c.Param("resource")
	if who := callerOf(c); !who.admin && project != who.ProjectID {
		return notAuthorized()
	}
	q, err := s.Store.Quota(c.Request().Context(), project, resource)
	if errors.Is(err, db.ErrNotFound) {
		limit := s.Defaults.MaxClusters
		if resource == db.QuotaBaremetal {
			limit = s.Defaults.MaxBaremetal
		}
		return c.JSON(http.StatusOK, wire.Quota{HardLimit: limit, ProjectID: project, Resource: resource})
	}
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, wire.NewQuota(q))
}

// quotaOfProject answers the path without a resource as Magnum does.
func (s *Server) quotaOfProject(echo.Context) error {
	return badRequest("Missing argument: \"resource\"")
}

// readQuota reads the body of a create or update: a plain object in both. Project and resource are those that it need not name.
func readQuota(c echo.Context, project, resource string) (*db.Quota, error) {
	f, err := newForm(c, "quota")
	if err != nil {
		return nil, err
	}
	f.ReadOnly("id", "created_at", "updated_at")
	if project == "" {
		f.Required("project_id")
	}
	q := &db.Quota{ProjectID: or(f.String("project_id", maxText), project), Resource: or(f.Choice("resource", db.QuotaResource, db.QuotaBaremetal), resource),
		HardLimit: or(f.Int("hard_limit", 0, math.MaxInt32), defaultHardLimit)}
	return q, f.done()
}

func (s *Server) createQuota(c echo.Context) error {
	if err := onlyQuery(c); err != nil {
		return err
	}
	q, err := readQuota(c, "", db.QuotaResource)
	if err != nil {
		return err
	}
	if err := s.projectExists(c, q.ProjectID); err != nil {
		return err
	}
	q.CreatedAt = s.Now()
	err = s.Store.CreateQuota(c.Request().Context(), q)
	if errors.Is(err, db.ErrDuplicate) {
		return fail(http.StatusConflict, "A quota for project %s with resource %s already exists.", q.ProjectID, q.Resource)
	}
	if err != nil {
		return err
	}
	return c.JSON(http.StatusCreated, wire.NewQuota(q))
}

// projectExists asks Keystone as the service, which may read all projects.
func (s *Server) projectExists(c echo.Context, id string) error {
	clients, err := s.Clouds.Service(c.Request().Context())
	if err != nil {
		return err
	}
	k, err := clients.Identity()
	if err != nil {
		return err
	}
	err = k.ProjectExists(c.Request().Context(), id)
	if cloud.IsNotFound(err) {
		return notFound("Project", id)
	}
	return err
}

func quotaNotFound(project, resource string) error {
	return fail(http.StatusNotFound, "Quota could not be found for project %s and resource %s.", project, resource)
}

func (s *Server) updateQuota(c echo.Context) error {
	if err := onlyQuery(c); err != nil {
		return err
	}
	project, resource := c.Param("project"), c.Param("resource")
	change, err := readQuota(c, project, resource)
	if err != nil {
		return err
	}
	if change.ProjectID != project {
		return badRequest("Invalid input for field/attribute project_id. Value: '%s'. It is not the project of the address.", change.ProjectID)
	}
	if change.Resource != resource {
		return badRequest("Invalid input for field/attribute resource. Value: '%s'. It is not the resource of the address.", change.Resource)
	}
	q, err := s.Store.UpdateQuota(c.Request().Context(), project, resource, change.HardLimit, s.Now())
	if errors.Is(err, db.ErrNotFound) {
		return quotaNotFound(project, resource)
	}
	if err != nil {
		return err
	}
	return c.JSON(http.StatusAccepted, wire.NewQuota(q))
}

func (s *Server) deleteQuota(c echo.Context) error {
	if err := onlyQuery(c); err != nil {
		return err
	}
	project, resource := c.Param("project"), c.Param("resource")
	err := s.Store.DeleteQuota(c.Request().Context(), project, resource)
	if errors.Is(err, db.ErrNotFound) {
		return quotaNotFound(project, resource)
	}
	if err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

// getStats counts clusters and nodes: a project's, or for admins, who name none, the whole cloud's.
func (s *Server) getStats(c echo.Context) error {
	if err := onlyQuery(c, "project_id", "type"); err != nil {
		return err
	}
	if kind := c.QueryParam("type"); kind != "" && kind != "cluster" {
		return badRequest("Invalid input for field/attribute type. Value: '%s'. Value should be: cluster.", kind)
	}
	who, project := callerOf(c), c.QueryParam("project_id")
	switch {
	case who.admin:
	case project == "":
		project = who.ProjectID
	case project != who.ProjectID:
		return notAuthorized()
	}
	clusters, nodes, err := s.Store.Stats(c.Request().Context(), project)
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, map[string]int{"clusters": clusters, "nodes": nodes})
}
