package api

import (
	"iter"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/jeroboam-cloud/jeroboam/db"
)

func mapKeys[V any](m map[string]V) iter.Seq[string] { return maps.Keys(m) }

// noNUL refuses addresses with a NUL character. Nothing has one in its name, and no database can be asked for it.
func noNUL(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		u := c.Request().URL
		switch {
		case strings.ContainsRune(u.Path, 0):
			return fail(http.StatusNotFound, "Nothing has a NUL character in its name.")
		case strings.Contains(u.RawQuery, "%00"):
			return badRequest("A query parameter has a NUL character.")
		}
		return next(c)
	}
}

// onlyQuery refuses query parameters that the endpoint does not have.
func onlyQuery(c echo.Context, known ...string) error {
	if _, err := url.ParseQuery(c.Request().URL.RawQuery); err != nil { // what cannot be read would count as not given
		return badRequest("The query of the address cannot be read: %s.", err)
	}
	for _, name := range slices.Sorted(mapKeys(c.QueryParams())) {
		if !slices.Contains(known, name) {
			return badRequest("Unknown argument: %q", name)
		}
	}
	return nil
}

var pageQuery = []string{"limit", "marker", "sort_key", "sort_dir"}

// page reads the paging parameters. Markers are UUIDs.
func (s *Server) page(c echo.Context) (db.Page, error) {
	marker := c.QueryParam("marker")
	if marker != "" && !uuidForm.MatchString(marker) {
		return db.Page{}, badRequest("Invalid input for field/attribute marker. Value: '%s'. Expected a UUID.", marker)
	}
	return s.pageAfter(c, marker)
}

// pageAfter reads the other paging parameters.
func (s *Server) pageAfter(c echo.Context, marker string) (db.Page, error) {
	q := c.QueryParams()
	p := db.Page{Limit: s.cfg.MaxLimit, Marker: marker, SortKey: q.Get("sort_key"), SortDir: q.Get("sort_dir")}
	if q.Has("limit") {
		n, err := strconv.Atoi(q.Get("limit"))
		if err != nil {
			return p, badRequest("Invalid input for field/attribute limit. Value: '%s'. Wrong type. Expected integer.", q.Get("limit"))
		}
		if n <= 0 {
			return p, badRequest("Limit must be positive")
		}
		p.Limit = min(n, s.cfg.MaxLimit)
	}
	if p.SortKey == "" {
		p.SortKey = "id"
	}
	switch p.SortDir {
	case "":
		p.SortDir = "asc"
	case "asc", "desc":
	default:
		return p, badRequest("Invalid sort direction: %s. Acceptable values are 'asc' or 'desc'", p.SortDir)
	}
	return p, nil
}

// next is the address of the page after this one; "" when this one was not full.
func next(c echo.Context, base, path string, p db.Page, got int, last string) string {
	if got == 0 || got < p.Limit {
		return ""
	}
	q := "sort_key=" + url.QueryEscape(p.SortKey) + "&sort_dir=" + p.SortDir + "&limit=" + strconv.Itoa(p.Limit) + "&marker=" + url.QueryEscape(last)
	return base + "/v1/" + path + "?" + q
}
