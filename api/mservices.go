package api

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/jeroboam-cloud/jeroboam/api/wire"
)

func (s *Server) listServices(c echo.Context) error {
	if err := onlyQuery(c); err != nil {
		return err
	}
	ctx := c.Request().Context()
	rows, err := s.Store.Services(ctx)
	if err != nil {
		return err
	}
	now, err := s.Store.Now(ctx) // heartbeats are written by the database's clock
	if err != nil {
		return err
	}
	out := []wire.Service{}
	for _, r := range rows {
		out = append(out, wire.NewService(r, now, s.Defaults.ServiceDownTime))
	}
	return c.JSON(http.StatusOK, map[string]any{"mservices": out})
}
