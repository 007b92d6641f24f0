package api

import (
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/jeroboam-cloud/jeroboam/api/wire"
	"github.com/jeroboam-cloud/jeroboam/db"
)

func (s *Server) visibility(c echo.Context) db.Visibility {
	who := callerOf(c)
	return db.Visibility{ProjectID: who.ProjectID, All: who.admin}
}

// template finds one that the caller may see.
func (s *Server) template(c echo.Context, ident string) (*db.ClusterTemplate, error) {
	t, err := s.Store.Template(c.Request().Context(), ident, s.visibility(c))
	switch {
	case errors.Is(err, db.ErrNotFound):
		return nil, notFound("ClusterTemplate", ident)
	case errors.Is(err, db.ErrAmbiguous):
		return nil, fail(http.StatusConflict, "Multiple clustertemplates exist with same name. Please use the clustertemplate uuid instead.")
	}
	return t, err
}

func (s *Server) listTemplates(path string) echo.HandlerFunc {
	return func(c echo.Context) error {
		if err := onlyQuery(c, pageQuery...); err != nil {
			return err
		}
		p, err := s.page(c)
		if err != nil {
			return err
		}
		if p.Marker != "" { // others' templates are no place to go on from
			if _, err := s.template(c, p.Marker); err != nil {
				return err
			}
		}
		rows, err := s.Store.Templates(c.Request().Context(), p, s.visibility(c))
		if err != nil {
			return listError(err, p)
		}
		base, out := s.base(c), []wire.Template{}
		for _, t := range rows {
			out = append(out, wire.NewTemplate(t, base))
		}
		return writeList(c, "clustertemplates", out, base, path, p, func(t wire.Template) string { return t.UUID })
	}
}

// writeList answers a page.
func writeList[T any](c echo.Context, name string, items []T, base, path string, p db.Page, id func(T) string) error {
	doc := map[string]any{name: items}
	if n := len(items); n > 0 {
		if url := next(c, base, path, p, n, id(items[n-1])); url != "" {
			doc["next"] = url
		}
	}
	return c.JSON(http.StatusOK, doc)
}

func listError(err error, p db.Page) error {
	switch {
	case errors.Is(err, db.ErrBadMarker):
		return fail(http.StatusNotFound, "Marker %s could not be found.", p.Marker)
	case errors.Is(err, db.ErrBadSortKey):
		return badRequest("The sort_key value %q is an invalid field for sorting", p.SortKey)
	}
	return err
}

func (s *Server) getTemplate(c echo.Context) error {
	if err := onlyQuery(c); err != nil {
		return err
	}
	t, err := s.template(c, c.Param("id"))
	if err != nil {
		return err
	}
	if !t.Public { // a public template is for everybody
		who, projectID, userID := callerOf(c), t.ProjectID, t.UserID
		if !who.admin && projectID != who.ProjectID { // a cluster of the caller's project was made from it
			projectID, userID = who.ProjectID, who.UserID
		}
		if err := s.allowTarget(c, "clustertemplate:get", "clustertemplate:get_one_all_projects", projectID, userID); err != nil {
			return err
		}
	}
	return c.JSON(http.StatusOK, wire.NewTemplate(t, s.base(c)))
}

func (s *Server) createTemplate(c echo.Context) error {
	if err := onlyQuery(c); err != nil {
		return err
	}
	f, err := newForm(c, "cluster_template")
	if err != nil {
		return err
	}
	t, err := readTemplate(f)
	if err != nil {
		return err
	}
	who := callerOf(c)
	t.ProjectID, t.UserID, t.CreatedAt = who.ProjectID, who.UserID, s.Now()
	if t.UUID == "" {
		t.UUID = s.NewUUID()
	}
	if t.Name == "" {
		t.Name = s.randomName("template")
	}
	if err := s.settleTemplate(c, t); err != nil {
		return err
	}
	if t.Public || t.Hidden {
		if err := s.allow(c, "clustertemplate:publish", who.ProjectID, who.UserID); err != nil {
			return err
		}
	}
	if err := s.Store.CreateTemplate(c.Request().Context(), t); err != nil {
		if errors.Is(err, db.ErrDuplicate) {
			return fail(http.StatusConflict, "A ClusterTemplate with UUID %s already exists.", t.UUID)
		}
		return err
	}
	v := wire.NewTemplate(t, s.base(c))
	c.Response().Header().Set("Location", v.Links[0].HREF)
	return c.JSON(http.StatusCreated, v)
}

func (s *Server) deleteTemplate(c echo.Context) error {
	if err := onlyQuery(c); err != nil {
		return err
	}
	t, err := s.template(c, c.Param("id"))
	if err != nil {
		return err
	}
	if err := s.allowTarget(c, "clustertemplate:delete", "clustertemplate:delete_all_projects", t.ProjectID, t.UserID); err != nil {
		return err
	}
	err = s.Store.DeleteTemplate(c.Request().Context(), t.UUID)
	switch {
	case errors.Is(err, db.ErrInUse):
		return badRequest("ClusterTemplate %s is referenced by one or multiple clusters.", t.UUID)
	case errors.Is(err, db.ErrNotFound):
		return notFound("ClusterTemplate", t.UUID)
	case err != nil:
		return err
	}
	return c.NoContent(http.StatusNoContent)
}
