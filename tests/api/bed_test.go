// Package api holds the HTTP service to its contract, request by request: the service runs in this process on SQLite and a
// simulated cloud, with conductors where a test wants clusters to come to life.
package api

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"go.uber.org/zap"

	"github.com/jeroboam-cloud/jeroboam/api"
	"github.com/jeroboam-cloud/jeroboam/api/keystone"
	"github.com/jeroboam-cloud/jeroboam/api/policy"
	"github.com/jeroboam-cloud/jeroboam/conductor"
	"github.com/jeroboam-cloud/jeroboam/conductor/cluster"
	"github.com/jeroboam-cloud/jeroboam/conductor/ops/queue"
	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
	"github.com/jeroboam-cloud/jeroboam/drivers/ironic"
	"github.com/jeroboam-cloud/jeroboam/drivers/pki"
	"github.com/jeroboam-cloud/jeroboam/drivers/vm"
	"github.com/jeroboam-cloud/jeroboam/internal/certmanager"
	"github.com/jeroboam-cloud/jeroboam/tests/rig"
)

// bed is the service with all it needs.
type bed struct {
	*rig.Rig
	t      testing.TB
	url    string
	server *api.Server
	queue  *queue.Memory

	one, other, admin *client // members of two projects, and an admin in a third
}

// mount is under which a proxy may pass requests on as they are.
const mount = "/container-infra"

// newBed starts the service. Its clouds, tokens and users are the simulator's.
func newBed(t testing.TB) *bed { return newBedAt(t, 1) }

// newBedAt is the same with conductors to whom the time of steps passes faster.
func newBedAt(t testing.TB, haste int) *bed {
	t.Helper()
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		t.Fatal(err)
	}
	keys := []string{base64.StdEncoding.EncodeToString(key)}
	b := &bed{Rig: rig.New(t, rig.Options{Sim: sim.Options{Speed: 50}, Keys: keys, Haste: haste}), t: t, queue: queue.NewMemory()}
	auth := keystone.Config{AuthURL: b.Cloud.AuthURL(), AuthType: "password", Username: "jeroboam", Password: "secret", UserDomainName: "Default",
		ProjectName: "service", ProjectDomainName: "Default", Interface: "public", TokenCacheTime: 5 * time.Minute}
	validator, err := keystone.New(auth)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(validator.Close)
	clouds, err := cloud.NewFactory(cloud.Config{AuthURL: b.Cloud.AuthURL(), AuthType: "password", Username: "jeroboam", Password: "secret", UserDomainName: "Default",
		ProjectName: "service", ProjectDomainName: "Default", Interface: "public", Timeout: 30 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(clouds.Close)
	rules, err := policy.New(policy.Config{Dir: t.TempDir(), PolicyFile: "policy.yaml", EnforceScope: true, EnforceNewDefaults: true}, func(string, ...any) {})
	if err != nil {
		t.Fatal(err)
	}
	secrets, err := certmanager.NewRows(b.Store, keys)
	if err != nil {
		t.Fatal(err)
	}
	b.server = api.New(api.Config{MaxLimit: 1000, PathPrefix: mount, ProxyHeaders: true}, api.Deps{Store: b.Store, Queue: b.queue, Policy: rules, Auth: validator, AuthWith: auth.Options(),
		Clouds: clouds, Secrets: secrets, X509: pki.Options{AllowedExtensions: []string{"keyUsage", "extendedKeyUsage", "subjectAltName", "basicConstraints", "subjectKeyIdentifier"},
			AllowedKeyUsage: []string{"Digital Signature", "Key Encipherment", "Non Repudiation"}, TermOfValidity: 24 * time.Hour},
		Defaults: api.Defaults{NetworkDriver: "flannel", NetworkDrivers: []string{"all"}, MaxClusters: 20, AffinityPolicy: "soft-anti-affinity", ServiceDownTime: 3 * time.Minute,
			ServiceUserRoles: []string{"member"}, EnabledDrivers: []string{vm.Name, ironic.Name}, MaxBaremetal: -1, UpgradesInPlace: true},
		CORS: api.CORS{AllowedOrigin: []string{"https://dashboard.example.org"}, AllowCredentials: true, AllowMethods: []string{"GET", "POST"}, AllowHeaders: []string{"X-Auth-Token"},
			ExposeHeaders: []string{"X-OpenStack-Request-ID"}, MaxAge: 3600},
		Log: zap.NewNop(), Now: time.Now, NewUUID: uuid.NewString})
	web := httptest.NewServer(b.server.Handler())
	t.Cleanup(web.Close)
	t.Cleanup(b.server.EndStreams)
	b.url = web.URL
	b.one, b.other, b.admin = b.login("demo"), b.login("alt_demo"), b.login("admin")
	return b
}

// login gives one of the simulator's users, in the project of the same name.
func (b *bed) login(name string) *client {
	b.t.Helper()
	p, err := openstack.AuthenticatedClient(b.t.Context(), gophercloud.AuthOptions{IdentityEndpoint: b.Cloud.AuthURL(), Username: name, Password: "secret", DomainName: "Default",
		Scope: &gophercloud.AuthScope{ProjectName: name, DomainName: "Default"}})
	if err != nil {
		b.t.Fatal(err)
	}
	c := &client{t: b.t, url: b.url, token: p.Token(), version: "container-infra latest"}
	c.project, c.user = c.whoami(p)
	return c
}

// work runs a conductor until the test ends or it is stopped.
func (b *bed) work() (stop func()) {
	b.t.Helper()
	return b.conduct(b.Conductor(b.t, rig.ConductorOptions{Owner: "c1", Queue: b.queue, Parallel: 8, Workers: 8, Poll: 50 * time.Millisecond}))
}

// hurried runs a conductor for which deadlines pass faster by a factor.
func (b *bed) hurried(factor int) (stop func()) {
	b.t.Helper()
	c := b.Conductor(b.t, rig.ConductorOptions{Owner: "hurried", Queue: b.queue, Parallel: 8, Workers: 8, Poll: 50 * time.Millisecond})
	e, ok := c.Executor.(*cluster.Executor)
	if !ok {
		b.t.Fatal("the conductor has another executor")
	}
	start := time.Now()
	e.Now = func() time.Time { return start.Add(time.Since(start) * time.Duration(factor)) }
	e.Runner.Clock = e.Now
	return b.conduct(c)
}

func (b *bed) conduct(c *conductor.Conductor) (stop func()) {
	b.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := c.Run(ctx); err != nil {
			b.t.Errorf("the conductor: %v", err)
		}
	})
	stop = func() { cancel(); wg.Wait() }
	b.t.Cleanup(stop)
	return stop
}
