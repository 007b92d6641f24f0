package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/jeroboam-cloud/jeroboam/api/patch"
	"github.com/jeroboam-cloud/jeroboam/api/wire"
	"github.com/jeroboam-cloud/jeroboam/db"
)

// updateTemplate patches a template.
func (s *Server) updateTemplate(c echo.Context) error {
	if err := onlyQuery(c); err != nil {
		return err
	}
	body, err := readBody(c)
	if err != nil {
		return err
	}
	rules := patch.Rules{Internal: commonInternal(), Literal: []string{"/labels"},
		NonRemovable: []string{"/coe", "/image_id", "/external_network_id", "/network_driver", "/cluster_distro", "/registry_enabled", "/tls_disabled", "/public", "/hidden", "/server_type"}}
	operations, err := patch.Parse(body, rules)
	if err != nil {
		return err
	}
	for {
		err := s.patchTemplate(c, operations, rules)
		if !errors.Is(err, db.ErrChanged) { // somebody else was faster: what was read holds no more
			return err
		}
	}
}

// patchTemplate decides on the template as it is now. db.ErrChanged: it is not any more.
func (s *Server) patchTemplate(c echo.Context, operations []patch.Op, rules patch.Rules) error {
	t, err := s.template(c, c.Param("id"))
	if err != nil {
		return err
	}
	if err := s.allowTarget(c, "clustertemplate:update", "clustertemplate:update_all_projects", t.ProjectID, t.UserID); err != nil {
		return err
	}
	before, err := viewMap(wire.NewTemplate(t, s.base(c)))
	if err != nil {
		return err
	}
	after, err := patch.Apply(before, operations, rules)
	if err != nil {
		return err
	}
	return s.applyTemplateChange(c, t, before, after)
}

func (s *Server) applyTemplateChange(c echo.Context, t *db.ClusterTemplate, before, after map[string]any) error {
	for _, name := range []string{"links", "project_id", "user_id", "created_at", "updated_at", "uuid"} {
		delete(after, name)
	}
	raw, err := json.Marshal(after)
	if err != nil {
		return fmt.Errorf("encoding a patched template: %w", err)
	}
	f, err := parseForm(raw, "cluster_template")
	if err != nil {
		return err
	}
	n, err := readTemplate(f)
	if err != nil {
		return err
	}
	n.ID, n.Seq, n.UUID, n.ProjectID, n.UserID, n.CreatedAt, n.UpdatedAt = t.ID, t.Seq, t.UUID, t.ProjectID, t.UserID, t.CreatedAt, t.UpdatedAt
	if n.Name == "" {
		n.Name = t.Name
	}
	if after, err = viewMap(wire.NewTemplate(n, s.base(c))); err != nil { // "True" for true is no change
		return err
	}
	changes := changed(before, after)
	if len(changes) == 0 {
		return c.JSON(http.StatusOK, wire.NewTemplate(t, s.base(c)))
	}
	inUse, err := s.Store.TemplateInUse(c.Request().Context(), t.UUID)
	if err != nil {
		return err
	}
	if inUse && !harmless(changes, n) {
		return badRequest("ClusterTemplate %s is referenced by one or multiple clusters.", t.UUID)
	}
	if n.Public != t.Public || n.Hidden != t.Hidden {
		if err := s.allow(c, "clustertemplate:publish", t.ProjectID, t.UserID); err != nil {
			return err
		}
	}
	if !inUse {
		if err := s.settleTemplate(c, n); err != nil {
			return err
		}
	}
	if err := s.Store.UpdateTemplate(c.Request().Context(), n); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, wire.NewTemplate(n, s.base(c)))
}

// harmless is the one change that a template in use may take.
func harmless(changes []string, t *db.ClusterTemplate) bool {
	if len(changes) != 1 {
		return false
	}
	switch changes[0] {
	case "name", "hidden":
		return true
	case "tags":
		return t.Tags != nil
	case "public":
		return t.Public
	}
	return false
}
