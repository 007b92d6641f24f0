package functional

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
	"github.com/jeroboam-cloud/jeroboam/tests/stack"
)

const (
	versionHeader = "OpenStack-API-Version"
	requestHeader = "X-Openstack-Request-Id"
	longService   = "container-infrastructure-management"
)

// protocol holds the service to what clients read beside the bodies: statuses and headers.
func protocol(t *testing.T, s *stack.Stack) {
	t.Run("who has no token", func(t *testing.T) { unauthorised(t, s) })
	t.Run("discovery", func(t *testing.T) { discovery(t, s) })
	t.Run("microversions", func(t *testing.T) { microversions(t, s) })
	t.Run("request ids", func(t *testing.T) {
		own := "req-" + uuid.NewString()
		if got := s.One.Want(t, 200, "GET", "/v1/clusters", nil, requestHeader, own).Header.Get(requestHeader); got != own {
			t.Errorf("the client's request id %s came back as %q", own, got)
		}
		if got := s.One.Want(t, 200, "GET", "/v1/clusters", nil, requestHeader, "nonsense").Header.Get(requestHeader); !strings.HasPrefix(got, "req-") || len(got) != len(own) {
			t.Errorf("the request id is %q", got)
		}
		testenv.Eventually(t, settling, "the request in the log", func() bool { return strings.Contains(s.API.Log(t), own) })
		if strings.Contains(s.API.Log(t), s.One.Token()) {
			t.Error("a token is in the log")
		}
	})
	t.Run("an ordinary user does not see services", func(t *testing.T) {
		if d := s.One.Want(t, 403, "GET", "/v1/mservices", nil).Detail(t); !strings.Contains(d, "magnum-service:get_all") {
			t.Errorf("refused with %q", d)
		}
	})
}

func unauthorised(t *testing.T, s *stack.Stack) {
	for name, token := range map[string]string{"none": "", "a false one": "gAAAAABo" + strings.Repeat("x", 180)} {
		t.Run(name, func(t *testing.T) {
			a := s.Do(t, "GET", "/v1/clusters", nil, "X-Auth-Token", token)
			want := fmt.Sprintf("Keystone uri=%q", testenv.Require(t, testenv.KeystoneURL))
			if a.Status != http.StatusUnauthorized || a.Header.Get("WWW-Authenticate") != want {
				t.Errorf("%d, WWW-Authenticate: %s; want 401 and %s", a.Status, a.Header.Get("WWW-Authenticate"), want)
			}
			if a.Header.Get(versionHeader) != "" {
				t.Error("it has a microversion")
			}
			if e, _ := a.JSON(t)["error"].(map[string]any); e["code"] != 401.0 || e["title"] != "Unauthorized" {
				t.Errorf("the body is %s", a.Body)
			}
		})
	}
}

func discovery(t *testing.T, s *stack.Stack) {
	root := s.Do(t, "GET", "/", nil)
	versions, _ := root.JSON(t)["versions"].([]any)
	if root.Status != 200 || len(versions) != 1 {
		t.Fatalf("%d: %s", root.Status, root.Body)
	}
	v, _ := versions[0].(map[string]any)
	if v["id"] != "v1" || v["min_version"] != "1.1" || v["max_version"] != "1.14" || v["status"] != "CURRENT" {
		t.Errorf("the version is %v", v)
	}
	for _, path := range []string{"/v1", "/v1/"} {
		if a := s.Do(t, "GET", path, nil); a.Status != 200 || a.JSON(t)["id"] != "v1" || a.Header.Get(versionHeader) == "" {
			t.Errorf("%s: %d: %s", path, a.Status, a.Body)
		}
	}
	if a := s.Do(t, "GET", "/healthcheck", nil); a.Status != 200 || string(a.Body) != "OK" {
		t.Errorf("healthcheck: %d: %s", a.Status, a.Body)
	}
}

func microversions(t *testing.T, s *stack.Stack) {
	tests := []struct {
		name, header, path string
		status             int
		used, says         string
	}{
		{name: "none", path: "/v1/clusters", status: 200, used: "1.1"},
		{name: "latest", header: "container-infra latest", path: "/v1/clusters", status: 200, used: "1.14"},
		{name: "the long name", header: longService + " 1.9", path: "/v1/clusters", status: 200, used: "1.9"},
		{name: "an answer that is an error", header: "container-infra 1.12", path: "/v1/clusters/nowhere", status: 404, used: "1.12", says: "nowhere"},
		{name: "too new", header: "container-infra 1.99", path: "/v1/clusters", status: 406, says: "1.99"},
		{name: "another major", header: "container-infra 2.0", path: "/v1/clusters", status: 406, says: "mutually exclusive"},
		{name: "another service", header: "compute 2.1", path: "/v1/clusters", status: 406, says: "compute"},
		{name: "node groups before they were", header: "container-infra 1.8", path: "/v1/clusters/x/nodegroups", status: 406, says: "1.8"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			a := s.One.Want(t, test.status, "GET", test.path, nil, versionHeader, test.header)
			if !strings.Contains(string(a.Body), test.says) {
				t.Errorf("%q is not in %s", test.says, a.Body)
			}
			if test.used == "" {
				return
			}
			for header, version := range map[string]string{versionHeader: test.used, "OpenStack-API-Minimum-Version": "1.1", "OpenStack-API-Maximum-Version": "1.14"} {
				if got := a.Header.Get(header); got != longService+" "+version {
					t.Errorf("%s: %s, want %s", header, got, version)
				}
			}
			if a.Header.Get("Vary") != versionHeader {
				t.Errorf("Vary: %s", a.Header.Get("Vary"))
			}
		})
	}
}
