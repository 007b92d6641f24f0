package horizon

import (
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/endpoints"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/services"

	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
	"github.com/jeroboam-cloud/jeroboam/tests/stack"
)

const (
	uwsgi     = "/usr/bin/uwsgi_python3"
	static    = "/var/lib/openstack-dashboard/static" // made when the package is installed
	upTimeout = time.Minute
)

//go:embed settings.py
var settings string

// dashboard starts Debian's Horizon with settings of its own, as one process that the end of the test ends, and gives its
// address.
func dashboard(t *testing.T, s *stack.Stack) string {
	t.Helper()
	for _, path := range []string{uwsgi, chromium, "/usr/lib/python3/dist-packages/openstack_dashboard/settings.py",
		"/usr/lib/python3/dist-packages/magnum_ui/__init__.py", filepath.Join(static, "dashboard", "manifest.json")} {
		if _, err := os.Stat(path); err != nil {
			t.Fatalf("%v: `devstack/debian/services install --clients` installs it", err)
		}
	}
	// Horizon imports «local.local_settings»: the first in the path wins, and what is below /etc is left alone.
	local := filepath.Join(s.Dir, "horizon", "local")
	if err := os.MkdirAll(local, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{"__init__.py": "", "local_settings.py": settings} {
		if err := os.WriteFile(filepath.Join(local, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	address := fmt.Sprintf("127.0.0.1:%d", testenv.FreePort(t))
	log := filepath.Join(s.Dir, "horizon.log")
	cmd := exec.Command(uwsgi, "--http-socket", address, "--module", "django.core.wsgi:get_wsgi_application()", "--need-app", "--single-interpreter",
		"--threads", "4", "--die-on-term", "--buffer-size", "65535", "--static-map", "/static="+static)
	cmd.Dir = filepath.Dir(local)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + s.Dir, "LC_ALL=C.UTF-8", "PYTHONPATH=" + filepath.Dir(local), "PYTHONDONTWRITEBYTECODE=1",
		"DJANGO_SETTINGS_MODULE=openstack_dashboard.settings", "HORIZON_SECRET_KEY=" + rand.Text(),
		"HORIZON_KEYSTONE_URL=" + testenv.Require(t, testenv.KeystoneURL)}
	ended := run(t, cmd, log)
	testenv.Eventually(t, upTimeout, "Horizon to answer", every(200*time.Millisecond, func() bool {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/auth/login/", nil)
		if err != nil {
			t.Fatal(err)
		}
		select {
		case <-ended:
			t.Fatalf("Horizon has ended:\n%s", tail(log))
		default:
		}
		response, err := (&http.Client{Timeout: upTimeout}).Do(r)
		if err != nil {
			return false
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusOK {
			t.Fatalf("Horizon's login page: %s\n%s", response.Status, tail(log))
		}
		return true
	}))
	return "http://" + address
}

// run starts a program that logs to a file and goes with the test. The channel is closed when it has ended.
func run(t *testing.T, cmd *exec.Cmd, log string) <-chan struct{} {
	t.Helper()
	f, err := os.Create(log)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = f, f
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // it is killed in the end
		close(ended)
	}()
	t.Cleanup(func() {
		if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Errorf("ending %s: %v", cmd.Path, err)
		}
		<-ended
		_ = f.Close()
		if t.Failed() {
			t.Logf("--- the end of %s:\n%s", log, tail(log))
		}
	})
	return ended
}

// tail is the end of a log.
func tail(path string) string {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	return string(raw[max(0, len(raw)-6000):])
}

// orchestration puts into the region what magnum-ui 11 wants to hear before it opens its form for a new size: the name of
// the cluster's stack, from Heat. Our clusters have none, and without a Heat that says otherwise this one form stays shut
// (README); later versions of it ask for the node groups instead.
func orchestration(t *testing.T, s *stack.Stack) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(map[string]any{"stack": map[string]any{"id": name, "stack_name": name}}); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	identity, err := openstack.NewIdentityV3(testenv.KeystoneAdmin(t), gophercloud.EndpointOpts{Region: testenv.Region})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	service, err := services.Create(ctx, identity, services.CreateOpts{Type: "orchestration", Extra: map[string]any{"name": "heat"}}).Extract()
	if err != nil {
		t.Fatalf("register orchestration: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := services.Delete(ctx, identity, service.ID).ExtractErr(); err != nil { // and with it the endpoint
			t.Errorf("delete the service orchestration: %v", err)
		}
	})
	opts := endpoints.CreateOpts{Availability: gophercloud.AvailabilityPublic, Name: "heat", Region: s.Region, ServiceID: service.ID, URL: server.URL + "/v1"}
	if _, err := endpoints.Create(ctx, identity, opts).Extract(); err != nil {
		t.Fatalf("register the endpoint of orchestration: %v", err)
	}
}
