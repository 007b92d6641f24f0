package api

import (
	"net/http"

	"github.com/labstack/echo/v4"
)

// Federations are in Magnum's API and never did anything. There are none, and none can be made.

func (s *Server) listFederations(c echo.Context) error {
	if err := onlyQuery(c, pageQuery...); err != nil {
		return err
	}
	if _, err := s.page(c); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, map[string]any{"federations": []any{}})
}

func (s *Server) noFederation(c echo.Context) error {
	if err := onlyQuery(c); err != nil {
		return err
	}
	return notFound("Federation", c.Param("id"))
}

func (s *Server) createFederation(c echo.Context) error {
	if err := onlyQuery(c); err != nil {
		return err
	}
	return badRequest("Federations are not supported.")
}
