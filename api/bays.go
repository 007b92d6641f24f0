package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
)

// lastBay is the last microversion in which clusters and their templates may be called bays and baymodels. Newer Magnums
// have dropped the names; tests and tools of old times still use them.
const lastBay = 10

// bayRoutes are the old names for cluster templates and clusters.
func (s *Server) bayRoutes() []route {
	var l []route
	for _, r := range s.currentRoutes() {
		for _, old := range []struct{ from, to string }{{"/v1/clustertemplates", "/v1/baymodels"}, {"/v1/clusters", "/v1/bays"}} {
			rest, ok := strings.CutPrefix(r.path, old.from)
			if !ok || (rest != "" && rest != "/detail" && rest != "/:id") {
				continue
			}
			alias := r
			alias.path, alias.until, alias.handler = old.to+rest, lastBay, asBay(r.handler)
			l = append(l, alias)
		}
	}
	return l
}

// asBay lets a handler work for a client that uses the old names: they are put in place of the new ones in the body of
// the request, and the other way round in the answer.
func asBay(handler echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if err := renameRequest(c); err != nil {
			return err
		}
		out := &held{ResponseWriter: c.Response().Writer}
		c.Response().Writer = out
		err := handler(c)
		c.Response().Writer = out.ResponseWriter
		if err != nil || !c.Response().Committed {
			return err
		}
		return out.release()
	}
}

func renameRequest(c echo.Context) error {
	body, err := readBody(c)
	if err != nil || body == nil {
		return err
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) == nil { // what is no object is a patch, or the handler's to refuse
		for old, name := range map[string]string{"baymodel_id": "cluster_template_id", "bay_create_timeout": "create_timeout"} {
			v, ok := fields[old]
			if !ok {
				continue
			}
			if _, both := fields[name]; both {
				return badRequest("%s is the old name of %s: only one of them can be given.", old, name)
			}
			delete(fields, old)
			fields[name] = v
		}
		if body, err = json.Marshal(fields); err != nil {
			return fmt.Errorf("renaming the attributes of a bay: %w", err)
		}
	}
	c.Request().Body = io.NopCloser(bytes.NewReader(body))
	return nil
}

// held keeps an answer back until it was renamed.
type held struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

// WriteHeader notes the status.
func (h *held) WriteHeader(status int) { h.status = status }

// Write keeps the body.
func (h *held) Write(p []byte) (int, error) { return h.body.Write(p) }

func (h *held) release() error {
	body := h.body.Bytes()
	var doc any
	if json.Unmarshal(body, &doc) == nil {
		var err error
		if body, err = json.Marshal(renamed(doc)); err != nil {
			return fmt.Errorf("renaming the answer about a bay: %w", err)
		}
	}
	h.ResponseWriter.WriteHeader(h.status)
	_, err := h.ResponseWriter.Write(body)
	return err
}

// renamed is a document with the old names in its keys and links.
func renamed(v any) any {
	keys := map[string]string{"clustertemplates": "baymodels", "clusters": "bays", "cluster_template_id": "baymodel_id", "create_timeout": "bay_create_timeout"}
	switch x := v.(type) {
	case []any:
		for i := range x {
			x[i] = renamed(x[i])
		}
	case map[string]any:
		for old, name := range keys {
			if value, ok := x[old]; ok {
				delete(x, old)
				x[name] = value
			}
		}
		for key, value := range x {
			if text, ok := value.(string); ok && (key == "href" || key == "next") {
				x[key] = strings.NewReplacer("/clustertemplates", "/baymodels", "/clusters", "/bays").Replace(text)
				continue
			}
			if list, ok := value.([]any); ok { // but not into labels: their names are the user's
				x[key] = renamed(list)
			}
		}
	}
	return v
}
