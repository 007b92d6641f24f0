package stack

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
	"github.com/jeroboam-cloud/jeroboam/tests/openapi"
)

// pollInterval of the API: a client would not ask more often, and the log stays readable.
const pollInterval = 200 * time.Millisecond

// every gives a function that is true once per interval, beginning at once.
func every(interval time.Duration) func() bool {
	var last time.Time
	return func() bool {
		if time.Since(last) < interval {
			return false
		}
		last = time.Now()
		return true
	}
}

// Latest asks for the newest microversion.
const Latest = "container-infra latest"

// Answer of the API.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// JSON decodes the body.
func (a Answer) JSON(t testing.TB) map[string]any {
	t.Helper()
	m := map[string]any{}
	if err := json.Unmarshal(a.Body, &m); err != nil {
		t.Fatalf("the answer (%d) is no JSON object: %v\n%s", a.Status, err, a.Body)
	}
	return m
}

// Detail is the sentence of an error.
func (a Answer) Detail(t testing.TB) string {
	t.Helper()
	var doc struct{ Errors []struct{ Detail string } }
	if err := json.Unmarshal(a.Body, &doc); err != nil || len(doc.Errors) != 1 {
		t.Fatalf("the answer (%d) is no error of ours: %s", a.Status, a.Body)
	}
	return doc.Errors[0].Detail
}

// Do sends a request as the tenant, at the newest microversion. Header are pairs that replace or add.
func (x *Tenant) Do(t testing.TB, method, path string, body any, header ...string) Answer {
	t.Helper()
	return x.stack.Do(t, method, path, body, append([]string{"X-Auth-Token", x.Token(), "OpenStack-API-Version", Latest}, header...)...)
}

// Do sends a request to the API. A body that is a string goes as it is, anything else as JSON. A header without value is
// left out.
func (s *Stack) Do(t testing.TB, method, path string, body any, header ...string) Answer {
	t.Helper()
	a, err := s.try(t, method, s.URL+path, body, header...)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

func (s *Stack) try(t testing.TB, method, address string, body any, header ...string) (Answer, error) {
	t.Helper()
	var raw []byte
	switch b := body.(type) {
	case nil:
	case string:
		raw = []byte(b)
	default:
		var err error
		if raw, err = json.Marshal(b); err != nil {
			t.Fatal(err)
		}
	}
	r, err := http.NewRequestWithContext(context.Background(), method, address, bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	if raw != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	for pair := range slices.Chunk(header, 2) {
		if pair[1] == "" {
			r.Header.Del(pair[0])
			continue
		}
		r.Header.Set(pair[0], pair[1])
	}
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(r)
	if err != nil {
		return Answer{}, err
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err == nil && strings.HasPrefix(address, s.URL) {
		openapi.Check(t, openapi.Exchange{Method: method, URL: address, Header: r.Header, Body: raw, Status: response.StatusCode, AnswerHeader: response.Header, Answer: content})
	}
	return Answer{response.StatusCode, response.Header, content}, err
}

// Want does the same and fails the test when the status is another one.
func (x *Tenant) Want(t testing.TB, status int, method, path string, body any, header ...string) Answer {
	t.Helper()
	a := x.Do(t, method, path, body, header...)
	if a.Status != status {
		t.Fatalf("%s %s: %d, want %d: %s", method, path, a.Status, status, a.Body)
	}
	return a
}

// Settled waits for the end of what is being done to a cluster and gives it; the status must be the one that is wanted.
func (x *Tenant) Settled(t testing.TB, ident, want string, timeout time.Duration) map[string]any {
	t.Helper()
	var c map[string]any
	due := every(pollInterval)
	testenv.Eventually(t, timeout, "cluster "+ident+" to be "+want, func() bool {
		if !due() {
			return false
		}
		a, err := x.stack.try(t, http.MethodGet, x.stack.URL+"/v1/clusters/"+ident, nil, "X-Auth-Token", x.Token(), "OpenStack-API-Version", Latest)
		if err != nil || a.Status >= http.StatusInternalServerError { // it may be down meanwhile
			return false
		}
		if a.Status != http.StatusOK {
			t.Fatalf("reading cluster %s: %d: %s", ident, a.Status, a.Body)
		}
		c = a.JSON(t)
		status, _ := c["status"].(string)
		if status != want && !strings.HasSuffix(status, "_IN_PROGRESS") {
			t.Fatalf("cluster %s is %s, want %s: %v", ident, status, want, c["status_reason"])
		}
		return status == want
	})
	return c
}

// Gone waits for the end of a cluster.
func (x *Tenant) Gone(t testing.TB, ident string, timeout time.Duration) {
	t.Helper()
	due := every(pollInterval)
	testenv.Eventually(t, timeout, "cluster "+ident+" to be gone", func() bool {
		if !due() {
			return false
		}
		a, err := x.stack.try(t, http.MethodGet, x.stack.URL+"/v1/clusters/"+ident, nil, "X-Auth-Token", x.Token(), "OpenStack-API-Version", Latest)
		if err == nil && a.Status == http.StatusOK && a.JSON(t)["status"] == "DELETE_FAILED" {
			t.Fatalf("cluster %s: %s", ident, a.Body)
		}
		return err == nil && a.Status == http.StatusNotFound
	})
}

// Left is what a project has in the simulated cloud: by kind, «id name».
func (s *Stack) Left(t testing.TB, projectID string) map[string][]string {
	t.Helper()
	left := map[string][]string{}
	s.simulator(t, http.MethodGet, "/_sim/resources?project="+projectID, nil, &left)
	return left
}

// Inject makes something go wrong in the simulated cloud from now on.
func (s *Stack) Inject(t testing.TB, rule sim.Rule) {
	t.Helper()
	s.simulator(t, http.MethodPost, "/_sim/faults", rule, nil)
}

// ClearFaults ends all that was injected, by whatever test.
func (s *Stack) ClearFaults(t testing.TB) {
	t.Helper()
	s.simulator(t, http.MethodDelete, "/_sim/faults", nil, nil)
}

func (s *Stack) simulator(t testing.TB, method, path string, body, into any) {
	t.Helper()
	a, err := s.try(t, method, s.SimURL+path, body)
	if err != nil || a.Status >= http.StatusBadRequest {
		t.Fatalf("simulator: %s %s: %d %v %s", method, path, a.Status, err, a.Body)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal(a.Body, into); err != nil {
		t.Fatalf("simulator: %s %s: %v: %s", method, path, err, a.Body)
	}
}
