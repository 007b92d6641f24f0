package sim

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"
)

// maxBody is more than any of the services takes.
const maxBody = 4 << 20

// handler routes requests to the services.
func (c *Cloud) handler() http.Handler {
	mux := http.NewServeMux()
	for _, s := range c.services {
		root := s.prefix[:strings.LastIndex(s.prefix, "/v")+1]
		if s.kind == "placement" {
			root = "/placement/"
		}
		for _, rt := range s.routes {
			mux.HandleFunc(rt.method+" "+s.prefix+rt.path, func(w http.ResponseWriter, r *http.Request) { c.serve(w, r, s, rt) })
		}
		mux.HandleFunc(root, func(w http.ResponseWriter, r *http.Request) { c.discover(w, r, s, root) })
	}
	c.controlRoutes(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path := strings.TrimRight(r.URL.Path, "/")
		path = strings.Replace(path, "/load-balancer/v2.0", "/load-balancer/v2", 1)
		if strings.Count(path, "/") == 1 && path != "/_sim" {
			path += "/" // the root of a service
		}
		r.URL.Path, r.URL.RawPath = path, ""
		mux.ServeHTTP(w, r)
	})
}

// serve answers one request.
func (c *Cloud) serve(w http.ResponseWriter, r *http.Request, s *service, rt route) {
	q := &call{Cloud: c, svc: s, r: r, url: c.reachedAt(r), query: r.URL.Query(), header: http.Header{}, status: rt.code}
	if err := q.read(w); err != nil {
		q.answer(w, nil, err)
		return
	}
	c.mu.Lock()
	if c.calls[s.kind] == nil {
		c.calls[s.kind] = map[string]int{}
	}
	c.calls[s.kind][rt.method+" "+rt.path]++
	q.action = c.injected(q)
	c.mu.Unlock()
	if q.action.Delay > 0 && c.clock.Sleep(r.Context(), q.action.Delay) != nil {
		return
	}
	if q.action.Status != 0 {
		q.refuse(w)
		return
	}
	body, err := q.do(rt)
	if q.action.Lose != "" && err == nil {
		lose(w, q.action.Lose)
		return
	}
	q.answer(w, body, err)
}

// read takes the body in.
func (q *call) read(w http.ResponseWriter) error {
	raw, err := io.ReadAll(http.MaxBytesReader(w, q.r.Body, maxBody))
	if err != nil {
		return fail(http.StatusRequestEntityTooLarge, "RequestTooLarge", "Request is too large.")
	}
	q.raw = raw
	if len(bytes.TrimSpace(raw)) == 0 || !json.Valid(raw) {
		if len(raw) > 0 && strings.Contains(q.r.Header.Get("Content-Type"), "json") {
			return badRequest("Malformed request body")
		}
		return nil
	}
	_ = json.Unmarshal(raw, &q.body) // an array stays in raw
	return nil
}

// do authenticates and runs the handler; the answer is encoded while nobody else changes it.
func (q *call) do(rt route) ([]byte, error) {
	if !rt.public {
		t, err := q.authenticated(q.r.Context(), q.r.Header.Get("X-Auth-Token"))
		if err != nil {
			return nil, err
		}
		q.token = t
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.token != nil && !slices.Contains([]string{"identity", "placement", "baremetal"}, q.svc.kind) {
		if in := q.arg("project_id"); in != "" && in != q.project() && !q.admin() {
			return nil, fail(http.StatusBadRequest, "BadRequest", "Malformed request url")
		}
		if q.token.projectID == "" && !q.admin() {
			return nil, fail(http.StatusForbidden, "Forbidden", "The request you have made requires a project scope.")
		}
	}
	if q.svc.kind == "compute" && q.microversion() > maxMinor["compute"] {
		return nil, fail(http.StatusNotAcceptable, "", "Version %s is not supported by the API. Minimum is 2.1 and maximum is %s.", version(q.microversion()), version(maxMinor["compute"]))
	}
	if q.svc.kind == "baremetal" {
		if _, err := q.ironicVersion(); err != nil {
			return nil, err
		}
	}
	out, err := rt.do(q)
	if err != nil {
		return nil, err
	}
	return encode(out)
}

func encode(v any) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case []byte:
		return v, nil
	}
	return json.Marshal(v)
}

// refuse sends an injected error.
func (q *call) refuse(w http.ResponseWriter) {
	if q.action.Body == "" {
		if q.svc.kind == "baremetal" && q.action.Status == http.StatusServiceUnavailable {
			q.answer(w, nil, conductorFull) // the only one that clients of Ironic get to see
			return
		}
		q.answer(w, nil, fail(q.action.Status, http.StatusText(q.action.Status), "%s", injectedMessage))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(q.action.Status)
	_, _ = io.WriteString(w, q.action.Body)
}

const injectedMessage = "The server is currently unable to handle the request (injected)."

// lose lets the answer get lost.
func lose(w http.ResponseWriter, how string) {
	if hijacker, ok := w.(http.Hijacker); ok && how == LoseDrop {
		if conn, _, err := hijacker.Hijack(); err == nil {
			_ = conn.Close()
			return
		}
	}
	w.Header().Set("Content-Type", "text/html")
	w.WriteHeader(http.StatusGatewayTimeout)
	_, _ = io.WriteString(w, "<html><body><h1>504 Gateway Time-out</h1>\nThe server didn't respond in time.\n</body></html>\n")
}

// answer sends what came out of a call.
func (q *call) answer(w http.ResponseWriter, body []byte, err error) {
	status := q.status
	if err != nil {
		var p *problem
		if !errors.As(err, &p) {
			p = &problem{status: http.StatusInternalServerError, kind: "HTTPInternalServerError", message: "An unexpected error prevented the server from fulfilling your request."}
			q.log.Error("request failed", "method", q.r.Method, "path", q.r.URL.Path, "error", err)
		}
		status = p.status
		shape := q.svc.shape
		if status == http.StatusUnauthorized {
			shape = keystoneShape // the same middleware stands in front of all services
			w.Header().Set("WWW-Authenticate", `Keystone uri="`+q.AuthURL()+`"`)
		}
		body, _ = encode(shape(p))
	}
	id := "req-" + uuid.NewString()
	w.Header().Set("X-Openstack-Request-Id", id)
	if q.svc.kind == "compute" {
		w.Header().Set("X-Compute-Request-Id", id)
		w.Header().Set("Openstack-Api-Version", "compute "+version(q.microversion()))
	}
	if q.svc.kind == "shared-file-system" {
		w.Header().Set(shareVersionHeader, version(q.microversion()))
	}
	if q.svc.kind == "baremetal" {
		q.ironicHeaders()
	}
	for key, values := range q.header {
		w.Header()[key] = values
	}
	if w.Header().Get("Content-Type") == "" && len(body) > 0 {
		kind := "application/json"
		if body[0] == '<' {
			kind = "text/html; charset=UTF-8"
		}
		w.Header().Set("Content-Type", kind)
	}
	w.WriteHeader(status)
	if q.r.Method != http.MethodHead {
		_, _ = w.Write(body)
	}
}
