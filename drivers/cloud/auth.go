package cloud

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
)

// Config is group [keystone_auth]: the service's own identity in Keystone.
type Config struct {
	AuthURL                     string        `opt:"auth_url" help:"URL of Keystone, with /v3"`
	AuthType                    string        `opt:"auth_type" default:"password" choices:"password,v3password,v3applicationcredential" help:"How the service authenticates"`
	Username                    string        `opt:"username" help:"User of the service"`
	Password                    string        `opt:"password" secret:"true" help:"Password of the user"`
	UserDomainName              string        `opt:"user_domain_name" default:"Default" help:"Name of the user's domain"`
	UserDomainID                string        `opt:"user_domain_id" help:"Id of the user's domain, instead of its name"`
	ProjectName                 string        `opt:"project_name" default:"service" help:"Project of the service"`
	ProjectDomainName           string        `opt:"project_domain_name" default:"Default" help:"Name of the project's domain"`
	ProjectDomainID             string        `opt:"project_domain_id" help:"Id of the project's domain, instead of its name"`
	ApplicationCredentialID     string        `opt:"application_credential_id" help:"Application credential, for auth_type v3applicationcredential"`
	ApplicationCredentialSecret string        `opt:"application_credential_secret" secret:"true" help:"Its secret"`
	RegionName                  string        `opt:"region_name" help:"Region whose endpoints are used; empty: the only one"`
	Interface                   string        `opt:"interface" default:"public" choices:"public,internal,admin" help:"Which endpoints of the catalogue the service uses"`
	CAFile                      string        `opt:"cafile" help:"CA certificates that Keystone and the services are verified with; empty: the system's"`
	CertFile                    string        `opt:"certfile" help:"Client certificate"`
	KeyFile                     string        `opt:"keyfile" help:"Key of the client certificate"`
	Insecure                    bool          `opt:"insecure" default:"false" help:"Do not verify certificates. Not for production"`
	Timeout                     time.Duration `opt:"timeout" default:"60" unit:"s" help:"Seconds after which a request to a service is given up"`

	// BaremetalScope is [ironic] system_scope: "all" when the service is to ask Ironic with a token for the whole system.
	BaremetalScope string
}

// authOptions is the service's own way in.
func (c Config) authOptions() gophercloud.AuthOptions {
	if c.AuthType == "v3applicationcredential" {
		return gophercloud.AuthOptions{IdentityEndpoint: c.AuthURL, ApplicationCredentialID: c.ApplicationCredentialID, ApplicationCredentialSecret: c.ApplicationCredentialSecret, AllowReauth: true}
	}
	o := gophercloud.AuthOptions{IdentityEndpoint: c.AuthURL, Username: c.Username, Password: c.Password, DomainName: c.UserDomainName, DomainID: c.UserDomainID, AllowReauth: true}
	scope := &gophercloud.AuthScope{ProjectName: c.ProjectName, DomainName: c.ProjectDomainName, DomainID: c.ProjectDomainID}
	if o.DomainID != "" {
		o.DomainName = ""
	}
	if scope.DomainID != "" {
		scope.DomainName = ""
	}
	o.Scope = scope
	return o
}

// User is who acts for a cluster: a user in Keystone with a role on the project.
type User struct {
	ID        string
	Password  string
	ProjectID string
}

// Factory makes clients and keeps them, so that one actor asks for one token, not one per cluster and call.
type Factory struct {
	cfg       Config
	own       gophercloud.AuthOptions
	base      *http.Transport
	transport http.RoundTripper // base, or what wraps it

	mu    sync.Mutex
	users map[actor]*entry
}

// actor is a user, or the service itself, which may act on the whole system instead of in its project.
type actor struct {
	User
	system bool
}

type entry struct {
	mu      sync.Mutex
	clients *Clients
}

// maxIdleUsers bounds how many users' tokens are kept.
const maxIdleUsers = 10_000

// NewFactory makes a Factory for the service's own identity in cfg.
func NewFactory(cfg Config) (*Factory, error) { return NewFactoryWith(cfg, cfg.authOptions(), nil) }

// NewFactoryWith makes a Factory whose own identity comes from elsewhere: clouds.yaml in the all-in-one. TLS, when it is
// not nil, is used instead of what cfg says.
func NewFactoryWith(cfg Config, own gophercloud.AuthOptions, tlsConfig *tls.Config) (*Factory, error) {
	t, err := transport(cfg)
	if err != nil {
		return nil, err
	}
	if tlsConfig != nil {
		t.TLSClientConfig = tlsConfig
	}
	own.AllowReauth = true
	return &Factory{cfg: cfg, own: own, base: t, transport: t, users: map[actor]*entry{}}, nil
}

func transport(cfg Config) (*http.Transport, error) {
	t := &http.Transport{Proxy: http.ProxyFromEnvironment, DialContext: (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		MaxIdleConns: 200, MaxIdleConnsPerHost: 32, IdleConnTimeout: 90 * time.Second, TLSHandshakeTimeout: 10 * time.Second, ForceAttemptHTTP2: true}
	t.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: cfg.Insecure} //nolint:gosec // the operator's word
	if cfg.CAFile != "" {
		pem, err := os.ReadFile(cfg.CAFile)
		if err != nil {
			return nil, fmt.Errorf("reading CA certificates: %w", err)
		}
		t.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !t.TLSClientConfig.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("no certificate in %s", cfg.CAFile)
		}
	}
	if cfg.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(cfg.CertFile, cfg.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("reading client certificate: %w", err)
		}
		t.TLSClientConfig.Certificates = []tls.Certificate{pair}
	}
	return t, nil
}

// Wrap puts something between all clients and the cloud: tracing, or a test that loses answers. It is called before the
// first client is made.
func (f *Factory) Wrap(wrap func(http.RoundTripper) http.RoundTripper) {
	f.transport = wrap(f.transport)
}

// Close drops idle connections.
func (f *Factory) Close() {
	f.base.CloseIdleConnections()
}

func (f *Factory) provider() (*gophercloud.ProviderClient, error) {
	p, err := openstack.NewClient(f.own.IdentityEndpoint)
	if err != nil {
		return nil, fmt.Errorf("auth_url: %w", err)
	}
	timeout := f.cfg.Timeout
	if timeout == 0 {
		timeout = time.Minute
	}
	p.HTTPClient = http.Client{Transport: f.transport, Timeout: timeout}
	p.UserAgent.Prepend("jeroboam")
	p.UseTokenLock()
	return p, nil
}

// Service gives the service's own clients.
func (f *Factory) Service(ctx context.Context) (*Clients, error) {
	return f.cached(ctx, actor{}, f.own)
}

// Baremetal is Ironic for the service itself, in the scope that it has there.
func (f *Factory) Baremetal(ctx context.Context) (*Baremetal, error) {
	a, o := actor{}, f.own
	if f.cfg.BaremetalScope != "" {
		a.system, o.Scope = true, &gophercloud.AuthScope{System: true}
	}
	c, err := f.cached(ctx, a, o)
	if err != nil {
		return nil, err
	}
	return c.Baremetal(ctx)
}

// User gives the clients of a cluster's user. The token is asked for once and kept.
func (f *Factory) User(ctx context.Context, u User) (*Clients, error) {
	if u == (User{}) {
		return f.Service(ctx)
	}
	return f.cached(ctx, actor{User: u}, gophercloud.AuthOptions{
		IdentityEndpoint: f.own.IdentityEndpoint, UserID: u.ID, Password: u.Password, AllowReauth: true,
		Scope: &gophercloud.AuthScope{ProjectID: u.ProjectID},
	})
}

func (f *Factory) cached(ctx context.Context, a actor, o gophercloud.AuthOptions) (*Clients, error) {
	e := f.entry(a)
	e.mu.Lock() // one login per actor, however many ask
	defer e.mu.Unlock()
	if e.clients != nil {
		return e.clients, nil
	}
	p, err := f.provider()
	if err != nil {
		return nil, err
	}
	if err := openstack.Authenticate(ctx, p, o); err != nil {
		return nil, wrap("identity", err, "authenticating")
	}
	projectID := a.ProjectID
	if projectID == "" {
		projectID = ownProject(p)
	}
	if err := locate(p); err != nil {
		return nil, wrap("identity", err, "reading the catalogue")
	}
	f.dropWhenRefused(a, p)
	e.clients = f.clients(p, projectID)
	return e.clients, nil
}

// dropWhenRefused forgets an actor whom Keystone does not let in again: the next one to ask for its clients is told so by
// a login of its own, instead of by every service in turn.
func (f *Factory) dropWhenRefused(a actor, p *gophercloud.ProviderClient) {
	again := p.ReauthFunc
	p.ReauthFunc = func(ctx context.Context) error {
		err := again(ctx)
		if err != nil {
			f.forget(a)
		}
		return err
	}
}

func (f *Factory) entry(a actor) *entry {
	f.mu.Lock()
	defer f.mu.Unlock()
	e := f.users[a]
	if e == nil {
		if len(f.users) >= maxIdleUsers {
			for old := range f.users { // any: a dropped one only costs a login
				delete(f.users, old)
				break
			}
		}
		e = &entry{}
		f.users[a] = e
	}
	return e
}

// Forget drops what is kept of a user, whose password changed or who is gone.
func (f *Factory) Forget(u User) { f.forget(actor{User: u}) }

func (f *Factory) forget(a actor) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.users, a)
}

func ownProject(p *gophercloud.ProviderClient) string {
	r, ok := p.GetAuthResult().(tokens.CreateResult)
	if !ok {
		return ""
	}
	if project, err := r.ExtractProject(); err == nil && project != nil {
		return project.ID
	}
	return ""
}

// Token gives the clients of a caller from the token and catalogue of the request. Nothing of it is kept.
func (f *Factory) Token(token, projectID string, catalog []tokens.CatalogEntry) (*Clients, error) {
	p, err := f.provider()
	if err != nil {
		return nil, err
	}
	p.SetToken(token)
	p.EndpointLocator = locator(catalog)
	return f.clients(p, projectID), nil
}

func (f *Factory) clients(p *gophercloud.ProviderClient, projectID string) *Clients {
	availability := gophercloud.Availability(f.cfg.Interface)
	if availability == "" {
		availability = gophercloud.AvailabilityPublic
	}
	return &Clients{provider: p, ProjectID: projectID, eo: gophercloud.EndpointOpts{Region: f.cfg.RegionName, Availability: availability}}
}
