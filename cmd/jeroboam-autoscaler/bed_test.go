package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/jeroboam-cloud/jeroboam/api/wire"
	"github.com/jeroboam-cloud/jeroboam/cmd/internal/containerinfra"
	osauth "github.com/jeroboam-cloud/jeroboam/cmd/internal/credentials"
	"github.com/jeroboam-cloud/jeroboam/cmd/internal/service"
	"github.com/jeroboam-cloud/jeroboam/conductor/ops/queue"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
	"github.com/jeroboam-cloud/jeroboam/tests/rig"
)

const patience = 90 * time.Second

// bed is the service with a simulated cloud, and a proxy in between that counts what the autoscaler asks of the API.
type bed struct {
	t     *testing.T
	cloud *sim.Cloud
	api   *containerinfra.Client // of the owner of the cluster
	proxy *proxy
}

// newBed starts the service. The OS_* variables are those of user demo.
func newBed(t *testing.T, o sim.Options) *bed {
	t.Helper()
	o.Speed, o.PublicCIDR = 50, rig.PublicCIDR(t)
	c, err := sim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if err := c.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	b := &bed{t: t, cloud: c}
	api := b.serve()
	b.proxy = newProxy(t, api)
	for k, v := range map[string]string{"OS_AUTH_URL": c.AuthURL(), "OS_USERNAME": "demo", "OS_PASSWORD": "secret", "OS_PROJECT_NAME": "demo", "OS_USER_DOMAIN_NAME": "Default",
		"OS_PROJECT_DOMAIN_NAME": "Default", "OS_REGION_NAME": sim.Region, "OS_CONTAINER_INFRA_ENDPOINT_OVERRIDE": b.proxy.url, "OS_CLOUD": "", "OS_CLIENT_CONFIG_FILE": ""} {
		t.Setenv(k, v)
	}
	who := osauth.Credentials{}
	p, endpoint, err := who.Provider(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if b.api, err = containerinfra.New(who, p, endpoint); err != nil {
		t.Fatal(err)
	}
	b.api.Service.Endpoint = api + "/"
	return b
}

// serve runs API and conductor in this process until the test ends.
func (b *bed) serve() (url string) {
	t := b.t
	t.Helper()
	cfg, err := service.Defaults()
	if err != nil {
		t.Fatal(err)
	}
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	dir := t.TempDir()
	cfg.Database.Connection = "sqlite:///" + filepath.Join(dir, "db.sqlite")
	cfg.Certificates.Type, cfg.Certificates.Keys = "x509keypair", []string{base64.StdEncoding.EncodeToString(key)}
	cfg.API.Host, cfg.API.Port, cfg.API.HealthFile = "127.0.0.1", 0, ""
	cfg.Policy.Dir = dir
	cfg.Conductor.PollInterval, cfg.Conductor.SweepInterval = 100*time.Millisecond, 100*time.Millisecond
	cfg.AuthToken.AuthURL, cfg.AuthToken.Username, cfg.AuthToken.Password = b.cloud.AuthURL(), "jeroboam", "secret"
	cfg.Cloud.AuthURL, cfg.Cloud.Username, cfg.Cloud.Password = b.cloud.AuthURL(), "jeroboam", "secret"
	tables, err := db.Open(t.Context(), cfg.Database)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tables.Upgrade(t.Context()); err != nil {
		t.Fatal(err)
	}
	_ = tables.Close()
	s, err := service.New(t.Context(), cfg, zap.NewNop(), service.Parts{Queue: queue.NewMemory()})
	if err != nil {
		t.Fatal(err)
	}
	conductor, err := s.Conductor()
	if err != nil {
		t.Fatal(err)
	}
	api, err := s.API(nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running errgroup.Group
	running.Go(func() error { return api.Run(ctx) })
	running.Go(func() error { return conductor.Run(ctx) })
	t.Cleanup(func() {
		cancel()
		if err := running.Wait(); err != nil {
			t.Errorf("the service: %v", err)
		}
		_ = s.Close()
	})
	return api.URL()
}

// proxy stands before the API.
type proxy struct {
	url string

	mu    sync.Mutex
	asked []string
	down  bool
	first func() // runs before the next resize is passed on, once
}

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	u, err := url.Parse(strings.TrimSuffix(target, "/v1"))
	if err != nil {
		t.Fatal(err)
	}
	p, forward := &proxy{}, httputil.NewSingleHostReverseProxy(u)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		p.asked = append(p.asked, r.Method+" "+r.URL.Path)
		down, first := p.down, func() {}
		if p.first != nil && strings.HasSuffix(r.URL.Path, "/actions/resize") {
			first, p.first = p.first, nil
		}
		p.mu.Unlock()
		first()
		if down {
			http.Error(w, "away", http.StatusServiceUnavailable)
			return
		}
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(web.Close)
	p.url = web.URL + "/v1"
	return p
}

// take gives what was asked since the last time.
func (p *proxy) take() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.asked
	p.asked = nil
	return l
}

// beforeResize lets something happen between what the autoscaler decides on and the arrival of its request.
func (p *proxy) beforeResize(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.first = f
}

func (p *proxy) setDown(down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = down
}

// lines is what a program prints.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// cluster makes one with a control plane, a worker that is not autoscaled, and a node group with bounds.
func (b *bed) cluster(pool map[string]any) (uuid string) {
	b.t.Helper()
	return b.clusterOf(b.template("k8s", rig.ImageName), pool)
}

// template of clusters that can be upgraded.
func (b *bed) template(name, image string) (uuid string) {
	b.t.Helper()
	var made struct{ UUID string }
	b.post("clustertemplates", map[string]any{"name": name, "coe": "kubernetes", "image_id": image, "external_network_id": "public", "flavor_id": rig.Flavor,
		"master_flavor_id": rig.Flavor, "master_lb_enabled": true}, &made)
	return made.UUID
}

func (b *bed) clusterOf(template string, pool map[string]any) (uuid string) {
	b.t.Helper()
	var made struct{ UUID string }
	b.post("clusters", map[string]any{"name": "dev", "cluster_template_id": template}, &made)
	b.settled(made.UUID, "CREATE_COMPLETE")
	b.post(containerinfra.ClusterPath(made.UUID, "/nodegroups"), pool, nil)
	b.settled(made.UUID, "UPDATE_COMPLETE")
	return made.UUID
}

func (b *bed) post(path string, body, into any) {
	b.t.Helper()
	if _, err := b.api.Service.Post(b.t.Context(), b.api.Service.ServiceURL(path), body, into, b.api.Options(200, 201, 202)); err != nil { //nolint:bodyclose // read to its end
		b.t.Fatal(containerinfra.Told(err))
	}
}

func (b *bed) settled(cluster, status string) {
	b.t.Helper()
	testenv.Eventually(b.t, patience, "the cluster to be "+status, func() bool {
		var c struct {
			Status string
			Reason *string `json:"status_reason"`
		}
		if err := b.api.Get(b.t.Context(), containerinfra.ClusterPath(cluster, ""), nil, &c); err != nil {
			b.t.Fatal(err)
		}
		if strings.HasSuffix(c.Status, "_FAILED") && c.Status != status {
			b.t.Fatalf("the cluster is %s: %s", c.Status, or(c.Reason, ""))
		}
		return c.Status == status
	})
}

// nodes of a node group as the API has them.
func (b *bed) nodes(cluster, group string) []wire.Node {
	b.t.Helper()
	all, err := b.api.Nodes(b.t.Context(), cluster)
	if err != nil {
		b.t.Fatal(err)
	}
	var l []wire.Node
	for _, n := range all {
		if n.NodeGroup == group {
			l = append(l, n)
		}
	}
	return l
}

// start runs the program until the test ends, and gives where it listens.
func (b *bed) start(files tlsFiles, args ...string) (address string) {
	b.t.Helper()
	address = fmt.Sprintf("127.0.0.1:%d", testenv.FreePort(b.t))
	ctx, cancel := context.WithCancel(context.Background())
	var out lines
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, append([]string{"--listen", address, "--tls-cert", files.cert, "--tls-key", files.key, "--client-ca", files.clientCA}, args...), &out, &out)
	}()
	b.t.Cleanup(func() {
		cancel()
		if code := <-ended; code != 0 {
			b.t.Errorf("exit code %d\n%s", code, out.String())
		}
	})
	return address
}
