package kube_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/jeroboam-cloud/jeroboam/drivers/kube"
)

func TestReady(t *testing.T) {
	api, c := start(t)
	if err := c.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	if v, err := c.Version(t.Context()); err != nil || v != "v1.37.2" {
		t.Errorf("version %q, %v", v, err)
	}
	api.notReady = []string{"etcd", "poststarthook/rbac/bootstrap-roles"}
	err := c.Ready(t.Context())
	var notReady *kube.NotReadyError
	if !errors.As(err, &notReady) || !strings.Contains(err.Error(), "etcd, poststarthook/rbac/bootstrap-roles") || !kube.Transient(err) {
		t.Errorf("error %v", err)
	}
	api.status = http.StatusServiceUnavailable
	if err := c.Ready(t.Context()); !errors.As(err, &notReady) || notReady.Status != 503 {
		t.Errorf("error %v", err)
	}
}

func TestErrors(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	good := serve(t, newFakeAPI())
	stranger := newAuthority(t)
	strangerCert, strangerKey := stranger.issue(t)
	api := func(status int) kube.Access {
		f := newFakeAPI()
		f.status = status
		return serve(t, f)
	}
	with := func(change func(*kube.Access)) kube.Access {
		a := good
		change(&a)
		return a
	}
	hangUp := serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))

	tests := []struct {
		name      string
		access    kube.Access
		is        error
		transient bool
	}{
		{"nothing listens", with(func(a *kube.Access) { a.Endpoint = "https://127.0.0.1:1" }), kube.ErrUnreachable, true},
		{"no answer", with(func(a *kube.Access) { a.Endpoint, a.Timeout = "https://"+silent.Addr().String(), 50*time.Millisecond }), kube.ErrUnreachable, true},
		{"no TLS", with(func(a *kube.Access) { a.Endpoint = strings.Replace(plain.URL, "http:", "https:", 1) }), kube.ErrUnreachable, true},
		{"another authority's server", with(func(a *kube.Access) { a.CA = stranger.pem }), kube.ErrUnreachable, true},
		{"another authority's client", with(func(a *kube.Access) { a.ClientCert, a.ClientKey = strangerCert, strangerKey }), kube.ErrUnauthorized, false},
		{"hangs up", hangUp, kube.ErrUnreachable, true},
		{"dial fails", with(func(a *kube.Access) {
			a.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no route") }
		}), kube.ErrUnreachable, true},
		{"too many requests", api(429), nil, true},
		{"broken", api(500), nil, true},
		{"overloaded", api(503), nil, true},
		{"forbidden", api(403), nil, false},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			c := connect(t, tc.access)
			before := time.Now()
			_, nodes := c.Nodes(t.Context())
			apply := c.Apply(t.Context(), []byte("{apiVersion: v1, kind: Namespace, metadata: {name: a}}"), "test")
			for what, err := range map[string]error{"nodes": nodes, "ready": c.Ready(t.Context()), "apply": apply} {
				if err == nil || (tc.is != nil && !errors.Is(err, tc.is)) {
					t.Errorf("%s: error %v, want %v", what, err, tc.is)
				}
				if what != "ready" && kube.Transient(err) != tc.transient {
					t.Errorf("%s: transient is %v for %v", what, !tc.transient, err)
				}
				if tc.is == nil && (errors.Is(err, kube.ErrUnreachable) || errors.Is(err, kube.ErrUnauthorized)) {
					t.Errorf("%s: error %v", what, err)
				}
			}
			// client-go would repeat requests ten times after the 30 s that the server names.
			if took := time.Since(before); took > 15*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
}

func TestCallerGivesUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	api, c := start(t)
	api.before = func(r *http.Request) { cancel(); <-r.Context().Done() }
	_, err := c.Nodes(ctx)
	if !errors.Is(err, context.Canceled) || errors.Is(err, kube.ErrUnreachable) || kube.Transient(err) {
		t.Errorf("error %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	good := serve(t, newFakeAPI())
	_, otherKey := newAuthority(t).issue(t)
	tests := []struct {
		name   string
		change func(*kube.Access)
	}{
		{"no TLS", func(a *kube.Access) { a.Endpoint = strings.Replace(a.Endpoint, "https", "http", 1) }},
		{"no endpoint", func(a *kube.Access) { a.Endpoint = "" }},
		{"no authority", func(a *kube.Access) { a.CA = nil }},
		{"no certificate", func(a *kube.Access) { a.ClientCert = nil }},
		{"another key", func(a *kube.Access) { a.ClientKey = otherKey }},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			a := good
			tc.change(&a)
			if _, err := kube.New(a); err == nil || strings.Contains(err.Error(), "PRIVATE") {
				t.Errorf("error %v", err)
			}
		})
	}
	for _, verb := range []string{"%v", "%+v", "%#v"} {
		if out := fmt.Sprintf(verb, good); strings.Contains(out, "BEGIN") || strings.Contains(out, "45, 45") {
			t.Errorf("%s prints %.100s", verb, out)
		}
	}
}

// TestCloseLeavesNoConnection counts connections through the dialer.
func TestCloseLeavesNoConnection(t *testing.T) {
	a := serve(t, newFakeAPI())
	closed := make(chan struct{}, 10)
	dialed := 0
	a.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		dialed++
		conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
		return watched{conn, closed}, err
	}
	c := connect(t, a)
	for range 20 {
		if err := c.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if dialed != 1 {
		t.Errorf("%d connections for requests in a row", dialed)
	}
	c.Close()
	select {
	case <-closed:
	case <-time.After(10 * time.Second):
		t.Error("the connection is still open")
	}
}

// TestAFailingServerIsLeft: behind a load balancer the next connection finds another one.
func TestAFailingServerIsLeft(t *testing.T) {
	api := newFakeAPI()
	a := serve(t, api)
	dialed := 0
	a.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		dialed++
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	c := connect(t, a)
	api.status = http.StatusInternalServerError
	if _, err := c.Nodes(t.Context()); err == nil {
		t.Fatal("the server does not fail")
	}
	api.status = 0
	if _, err := c.Nodes(t.Context()); err != nil || dialed != 2 {
		t.Errorf("%d connections, want a second one after the failure; %v", dialed, err)
	}
}

type watched struct {
	net.Conn
	closed chan<- struct{}
}

func (w watched) Close() error {
	w.closed <- struct{}{}
	return w.Conn.Close()
}

// TestClientGoIsQuiet makes everything happen that client-go likes to log, with standard error caught.
func TestClientGoIsQuiet(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr := os.Stderr
	os.Stderr = w
	defer func() { os.Stderr = stderr }()
	api, c := start(t)
	var all sync.WaitGroup
	for range 180 { // so many over the burst that some wait for their turn for over a second
		all.Go(func() {
			if err := c.Ready(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	_ = c.Apply(t.Context(), []byte("{apiVersion: example.org/v1, kind: Widget, metadata: {name: a}}"), "test")
	api.status = 429
	_ = c.Cordon(t.Context(), "node-0")
	_ = w.Close()
	if said, _ := io.ReadAll(r); len(said) > 0 {
		t.Errorf("client-go said: %s", said)
	}
}

func TestKubeconfig(t *testing.T) {
	a := serve(t, newFakeAPI())
	out, err := kube.Kubeconfig("demo", a.Endpoint, a.CA, a.ClientCert, a.ClientKey)
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(out)
	if err != nil {
		t.Fatal(err)
	}
	c := connect(t, kube.Access{Endpoint: config.Host, CA: config.CAData, ClientCert: config.CertData, ClientKey: config.KeyData})
	if err := c.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	raw, err := clientcmd.Load(out)
	if err != nil {
		t.Fatal(err)
	}
	got := []string{raw.CurrentContext, raw.Contexts["default"].Cluster, raw.Contexts["default"].AuthInfo}
	if diff := cmp.Diff([]string{"default", "demo", "admin"}, got); diff != "" {
		t.Error(diff)
	}
}
