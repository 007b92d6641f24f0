// Package traffic counts what a program asks of a cloud, whatever the cloud is: a proxy stands in front of every service.
package traffic

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Call is one request to a service.
type Call struct {
	Service, Method string
	Path            string // with the query
	Status          int
	At              time.Time

	body [sha256.Size]byte
}

// Recorder stands between a program and the services of a cloud.
type Recorder struct {
	gate *httptest.Server

	mu      sync.Mutex
	targets map[string]*url.URL // by the first segment of the path: the service
	calls   []Call
}

// Record starts a recorder that ends with the test.
func Record(t testing.TB) *Recorder {
	r := &Recorder{targets: map[string]*url.URL{}}
	r.gate = httptest.NewServer(r)
	t.Cleanup(r.gate.Close)
	return r
}

// Via gives the address under which the service at this one is reached through the recorder.
func (r *Recorder) Via(t testing.TB, service, address string) string {
	t.Helper()
	// Keystone's templates are no escapes.
	scheme, rest, _ := strings.Cut(address, "://")
	host, path, _ := strings.Cut(rest, "/")
	target, err := url.Parse(scheme + "://" + host)
	if err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.targets[service] = target
	return strings.TrimSuffix(r.gate.URL+"/"+service+"/"+path, "/")
}

// Take gives the calls since it was last asked.
func (r *Recorder) Take() []Call {
	r.mu.Lock()
	defer r.mu.Unlock()
	calls := r.calls
	r.calls = nil
	return calls
}

// ServeHTTP hands a request on.
func (r *Recorder) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	service, path, _ := strings.Cut(strings.TrimPrefix(request.URL.EscapedPath(), "/"), "/")
	r.mu.Lock()
	target := r.targets[service]
	r.mu.Unlock()
	if target == nil {
		http.NotFound(w, request)
		return
	}
	body, err := io.ReadAll(request.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	call := Call{Service: service, Method: request.Method, Path: "/" + path, At: time.Now(), body: sha256.Sum256(body)}
	if request.URL.RawQuery != "" {
		call.Path += "?" + request.URL.RawQuery
	}
	request.Body = io.NopCloser(bytes.NewReader(body))
	proxy := &httputil.ReverseProxy{
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL.Scheme, p.Out.URL.Host, p.Out.Host = target.Scheme, target.Host, target.Host
			p.Out.URL.Path, p.Out.URL.RawPath = "/"+unescaped(path), "/"+path
			p.Out.Header.Del("Accept-Encoding") // for through
		},
		ModifyResponse: func(a *http.Response) error {
			// Services ask each other, too, and find us where the catalogue does not tell them which region to take.
			if call.Status = a.StatusCode; strings.Contains(request.UserAgent(), "gophercloud") {
				r.mu.Lock()
				r.calls = append(r.calls, call)
				r.mu.Unlock()
			}
			return r.through(a, service, target)
		},
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug), // whoever asked is told by a 502
	}
	proxy.ServeHTTP(w, request)
}

// through makes links in an answer, such as those to the next page, lead through the recorder.
func (r *Recorder) through(a *http.Response, service string, target *url.URL) error {
	body, err := io.ReadAll(a.Body)
	if err != nil {
		return fmt.Errorf("reading the answer of %s: %w", service, err)
	}
	body = bytes.ReplaceAll(body, []byte(target.String()), []byte(r.gate.URL+"/"+service))
	a.Body, a.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	a.Header.Set("Content-Length", strconv.Itoa(len(body)))
	return nil
}

func unescaped(path string) string {
	if plain, err := url.PathUnescape(path); err == nil {
		return plain
	}
	return path
}
