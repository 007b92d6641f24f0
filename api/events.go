package api

import (
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/jeroboam-cloud/jeroboam/api/wire"
	"github.com/jeroboam-cloud/jeroboam/db"
)

// levels of events, the least first.
func levels() []string { return []string{"info", "warning", "error"} }

// listEvents answers what happened to a cluster: a page of it, or, to whoever accepts text/event-stream, all of it as it
// happens.
func (s *Server) listEvents(c echo.Context) error {
	if err := onlyQuery(c, "limit", "marker", "operation", "level"); err != nil {
		return err
	}
	f, err := s.eventFilter(c)
	if err != nil {
		return err
	}
	a, err := s.account(c, c.Param("id"))
	if err != nil {
		return err
	}
	if acceptsStream(c.Request()) {
		return s.streamEvents(c, a, f)
	}
	rows, err := s.Store.Events(c.Request().Context(), a.clusterUUID, f)
	if err != nil {
		return err
	}
	out, last := make([]wire.Event, 0, len(rows)), int64(0)
	for _, e := range rows {
		out, last = append(out, wire.NewEvent(e)), e.ID
	}
	return s.writePage(c, "events", out, len(rows) == f.Limit, strconv.FormatInt(last, 10))
}

func (s *Server) eventFilter(c echo.Context) (db.EventFilter, error) {
	f := db.EventFilter{OperationUUID: c.QueryParam("operation")}
	if level := c.QueryParam("level"); level != "" {
		i := slices.Index(levels(), level)
		if i < 0 {
			return f, badRequest("Invalid input for field/attribute level. Value: '%s'. Value should be one of: %s.", level, strings.Join(levels(), ", "))
		}
		f.Levels = levels()[i:]
	}
	var err error
	if f.Limit, err = s.limit(c); err != nil {
		return f, err
	}
	f.After, err = number(c, "marker", 0)
	return f, err
}

func acceptsStream(r *http.Request) bool {
	for _, part := range strings.Split(r.Header.Get("Accept"), ",") {
		if kind, _, err := mime.ParseMediaType(part); err == nil && kind == "text/event-stream" {
			return true
		}
	}
	return false
}
