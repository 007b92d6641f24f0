package engine

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
	"github.com/jeroboam-cloud/jeroboam/drivers/kube"
	"github.com/jeroboam-cloud/jeroboam/drivers/pki"
	"github.com/jeroboam-cloud/jeroboam/internal/certmanager"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

func (b *bed) view(id string) *db.ClusterView {
	b.t.Helper()
	v, err := b.store.Cluster(context.Background(), id, "")
	if err != nil {
		b.t.Fatal(err)
	}
	return v
}

// bundle reads one of a cluster's secrets.
func (b *bed) bundle(v *db.ClusterView, name string) pki.Bundle {
	b.t.Helper()
	x, err := b.rows().Get(context.Background(), owner(v), v.SecretRefs[name])
	if err != nil {
		b.t.Fatalf("%s: %v", name, err)
	}
	return x
}

// kubeconfig is a client as somebody has it who asks for authorities and a certificate now, as the API gives them.
func (b *bed) kubeconfig(id string) *kube.Client {
	b.t.Helper()
	c, err := kube.New(b.access(id))
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(c.Close)
	return c
}

func (b *bed) access(id string) kube.Access {
	b.t.Helper()
	v := b.view(id)
	var trust []byte
	for _, name := range ops.Trusted(v.SecretRefs, ops.SecretCA) {
		trust = append(trust, append(bytes.TrimSpace(b.bundle(v, name).Certificate), '\n')...)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.t.Fatal(err)
	}
	request := &x509.CertificateRequest{Subject: pkix.Name{CommonName: "somebody", Organization: []string{"system:masters"}}}
	csr, err := x509.CreateCertificateRequest(rand.Reader, request, key)
	if err != nil {
		b.t.Fatal(err)
	}
	cert, err := pki.SignCSR(b.bundle(v, ops.SecretCA), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr}),
		pki.Options{TermOfValidity: 24 * time.Hour, Source: pki.Source{Now: time.Now(), Rand: rand.Reader}})
	if err != nil {
		b.t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		b.t.Fatal(err)
	}
	return kube.Access{Endpoint: *v.APIAddress, CA: trust, ClientCert: cert, ClientKey: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})}
}

// watchdog asks the API again and again, as many times as it can, each time by a handshake of its own.
type watchdog struct {
	mu     sync.Mutex
	asked  int
	failed error
	stop   func()
}

func (b *bed) watchdog(c *kube.Client) *watchdog {
	ctx, cancel := context.WithCancel(context.Background())
	w := &watchdog{}
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			_, err := c.Version(ctx)
			for range 3 { // a server that ends cuts its connections; there are others
				if err != nil {
					c.Close()
					_, err = c.Version(ctx)
				}
			}
			c.Close()
			w.mu.Lock()
			w.asked++
			if err != nil && ctx.Err() == nil && w.failed == nil {
				w.failed = err
			}
			w.mu.Unlock()
		}
	})
	w.stop = func() { cancel(); wg.Wait() }
	b.t.Cleanup(w.stop)
	return w
}

func (w *watchdog) err() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.failed
}

// served collects the serial numbers of the certificates that the cluster's API shows, of all its servers.
func (b *bed) served(v *db.ClusterView) map[string]bool {
	b.t.Helper()
	out := map[string]bool{}
	for range 4 * v.MasterCount { // the load balancer goes round
		conn, err := (&tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}).DialContext(b.t.Context(), "tcp", strings.TrimPrefix(*v.APIAddress, "https://")) //nolint:gosec // only looked at
		if err != nil {
			b.t.Fatal(err)
		}
		out[conn.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.String()] = true //nolint:forcetypeassert // a tls.Dialer gives no other
		_ = conn.Close()
	}
	return out
}

// step waits until a step of an operation has the event.
func (b *bed) step(id, step, message string) {
	b.t.Helper()
	testenv.Eventually(b.t, eventually, step+" to be "+message, func() bool {
		l, err := b.store.Events(context.Background(), id, db.EventFilter{Limit: 5000})
		if err != nil {
			b.t.Fatal(err)
		}
		return slices.ContainsFunc(l, func(e *db.Event) bool { return strings.HasPrefix(e.Step, step) && e.Message == message })
	})
}

// rotated insists on what a finished rotation leaves: other authorities, nobody but those, all nodes well.
func (b *bed) rotated(id string, before *db.ClusterView, old map[string]pki.Bundle) {
	b.t.Helper()
	v := b.view(id)
	for _, name := range ops.Authorities() {
		if bytes.Equal(b.bundle(v, name).Certificate, old[name].Certificate) {
			b.t.Errorf("%s is the old one", name)
		}
		if l := ops.Trusted(v.SecretRefs, name); len(l) != 1 {
			b.t.Errorf("trusted are %v", l)
		}
		if _, err := b.rows().Get(context.Background(), owner(v), before.SecretRefs[name]); !errors.Is(err, certmanager.ErrNotFound) {
			b.t.Errorf("the key of the old %s is still there: %v", name, err)
		}
	}
	c := b.kubeconfig(id)
	nodes, err := c.Nodes(context.Background())
	if err != nil {
		b.t.Fatal(err)
	}
	for _, n := range nodes {
		if !n.Ready {
			b.t.Errorf("%s is not ready: %s", n.Name, n.Reason)
		}
	}
}

func (b *bed) authorities(id string) (*db.ClusterView, map[string]pki.Bundle) {
	b.t.Helper()
	v, out := b.view(id), map[string]pki.Bundle{}
	for _, name := range ops.Authorities() {
		out[name] = b.bundle(v, name)
	}
	return v, out
}

// TestAuthoritiesAreRotated: the API stays; a kubeconfig of before works until the last phase, one of the first phase works
// all the time, and nodes that come later know the new authorities.
func TestAuthoritiesAreRotated(t *testing.T) {
	t.Parallel()
	b := newBed(t, sim.Options{})
	b.run(b.conductor("one"), b.conductor("two"))
	id := b.create("dev", 3, 2, true)
	b.reaches(id, ops.CreateComplete)
	view, old := b.authorities(id)
	before := b.watchdog(b.kubeconfig(id))
	b.request(id, ops.ClusterRotateCA, "", nil)
	b.step(id, "both authorities on", "started")
	during := b.watchdog(b.kubeconfig(id))
	b.step(id, "the new authority signs", "done")
	signed := b.watchdog(b.kubeconfig(id))
	b.step(id, "the cluster's own pods know the new authority", "done")
	before.stop()
	during.stop()
	v := b.reaches(id, ops.UpdateComplete)
	if err := before.err(); err != nil {
		t.Errorf("a kubeconfig of before did not work until the last phase: %v", err)
	}
	if err := during.err(); err != nil {
		t.Errorf("a kubeconfig of the first phase: %v", err)
	}
	if err := signed.err(); err != nil {
		t.Errorf("a kubeconfig of the second phase: %v", err)
	}
	signed.stop()
	t.Logf("asked %d, %d and %d times", before.asked, during.asked, signed.asked)
	b.rotated(id, view, old)
	if v.HealthStatus == nil {
		t.Error("no health status")
	}
	b.request(id, ops.NodeGroupResize, "default-worker", func(g *db.NodeGroup) { g.NodeCount = 3 })
	b.reaches(id, ops.UpdateComplete)
	view, old = b.authorities(id)
	serving, last := b.served(view), b.watchdog(b.kubeconfig(id))
	b.request(id, ops.ClusterRenewCertificates, "", nil)
	v = b.reaches(id, ops.UpdateComplete)
	if err := last.err(); err != nil {
		t.Errorf("a kubeconfig of before the renewal: %v", err)
	}
	last.stop()
	now := b.served(v)
	for serial := range serving {
		if now[serial] {
			t.Errorf("after the renewal the API still shows certificate %s", serial)
		}
	}
	b.request(id, ops.ClusterRotateCA, "", nil)
	b.reaches(id, ops.UpdateComplete)
	b.rotated(id, view, old)
	b.deleted(id)
}

func owner(v *db.ClusterView) certmanager.Owner {
	return certmanager.Owner{ClusterUUID: v.UUID, ProjectID: v.ProjectID}
}

// TestARotationGoesOn: one that was stopped in any phase is asked for again, and goes on there. In between a kubeconfig works
// that is made then, one of before works as long as the last phase has not begun, and no key lies about in the cluster.
func TestARotationGoesOn(t *testing.T) {
	for _, tc := range []struct {
		name, step string
		old        bool // a kubeconfig of before works
	}{
		{"before anything", "Kubernetes API", true},
		{"while both are made known", "control plane", true},
		{"while certificates are issued", "new certificates on", true},
		{"while kubelets ask", "new certificate of the kubelet", true},
		{"while the old one is dropped", "the new authority alone", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, sim.Options{})
			b.run(b.conductor("one"))
			id := b.completed(order{name: "dev", masters: 1, workers: 2, loadBalancer: true})
			view, old := b.authorities(id)
			before := b.kubeconfig(id)
			b.request(id, ops.ClusterRotateCA, "", nil)
			b.step(id, tc.step, "started")
			b.cancel(id)
			b.reaches(id, ops.UpdateFailed)
			now := b.kubeconfig(id)
			testenv.Eventually(t, eventually, "the API to answer", func() bool { return now.Ready(context.Background()) == nil })
			if err := before.Ready(context.Background()); tc.old && err != nil {
				t.Errorf("a kubeconfig of before: %v", err)
			}
			if n := b.hostSecrets(id); n > 0 {
				t.Errorf("%d secrets lie about in the cluster", n)
			}
			b.request(id, ops.NodeGroupResize, "default-worker", func(g *db.NodeGroup) { g.NodeCount = 3 })
			b.reaches(id, ops.UpdateComplete)
			b.request(id, ops.ClusterRotateCA, "", nil)
			b.reaches(id, ops.UpdateComplete)
			b.rotated(id, view, old)
			b.deleted(id)
		})
	}
}

// cancel ends what is under way.
func (b *bed) cancel(id string) {
	b.t.Helper()
	err := b.store.ChangeCluster(context.Background(), id, func(s *db.Snapshot) error {
		for _, o := range s.Operations {
			o.CancelRequested = true
			s.Wake(o)
		}
		return nil
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// hostSecrets counts what host commands have left.
func (b *bed) hostSecrets(id string) int {
	b.t.Helper()
	a := b.access(id)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(a.CA)
	pair, err := tls.X509KeyPair(a.ClientCert, a.ClientKey)
	if err != nil {
		b.t.Fatal(err)
	}
	client := &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}}}
	r, err := client.Get(a.Endpoint + "/api/v1/namespaces/kube-system/secrets?labelSelector=jeroboam.cloud/host-command") //nolint:noctx // a test's own server
	if err != nil {
		b.t.Fatal(err)
	}
	defer r.Body.Close()
	var list struct{ Items []json.RawMessage }
	if err := json.NewDecoder(r.Body).Decode(&list); err != nil || r.StatusCode != http.StatusOK {
		b.t.Fatalf("listing secrets: %s, %v", r.Status, err)
	}
	return len(list.Items)
}

// TestTheControlPlaneGrowsAfterARotation: what joins is given the authorities that are there now.
func TestTheControlPlaneGrowsAfterARotation(t *testing.T) {
	t.Parallel()
	b := newBed(t, sim.Options{})
	b.secrets = b.rows()
	b.run(b.conductor("one"))
	id := b.completed(order{name: "dev", masters: 1, workers: 0, loadBalancer: true})
	b.request(id, ops.ClusterRotateCA, "", nil)
	b.reaches(id, ops.UpdateComplete)
	b.request(id, ops.NodeGroupResize, "default-master", func(g *db.NodeGroup) { g.NodeCount = 3 })
	b.reaches(id, ops.UpdateComplete)
	b.soundControlPlane(id, 3)
	b.deleted(id)
}
