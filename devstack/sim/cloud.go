package sim

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// Region is the cloud's only one.
const Region = "RegionOne"

// Cloud is a simulated cloud.
type Cloud struct {
	options  Options
	clock    Clock
	log      *slog.Logger
	services []*service
	fabric   *fabric
	outside  *keystoneClient // nil: the simulated Keystone is in charge
	// life ends with Close; what runs on behalf of nobody's request is bound to it
	life context.Context //nolint:containedctx // the cloud's own, not a request's
	end  context.CancelFunc

	mu sync.Mutex
	store
	tokens     map[string]*token
	endpoints  []Endpoint
	quotas     map[string]map[string]int // by project, what differs from the default
	rules      []*rule
	calls      map[string]map[string]int
	addresses  map[string]map[netip.Addr]string // by subnet, what has it
	nodes      map[string]Guest                 // by server
	server     *http.Server
	url        string
	closed     bool
	background sync.WaitGroup
}

// Endpoint is an entry of the catalogue.
type Endpoint struct{ Type, Name, URL string }

// New makes a cloud. Nothing listens before Start.
func New(o Options) (*Cloud, error) {
	o = withDefaults(o)
	c := &Cloud{
		options: o, clock: NewClock(o.Speed), log: o.Log, services: services(), tokens: map[string]*token{},
		quotas: map[string]map[string]int{}, calls: map[string]map[string]int{}, nodes: map[string]Guest{},
		addresses: map[string]map[netip.Addr]string{},
	}
	c.life, c.end = context.WithCancel(context.Background())
	c.fabric = newFabric(c)
	if o.Keystone != nil {
		c.outside = newKeystoneClient(*o.Keystone)
	}
	if o.ContainerInfraURL != "" {
		c.endpoints = append(c.endpoints, Endpoint{"container-infra", "magnum", o.ContainerInfraURL})
	}
	if err := c.seed(); err != nil {
		return nil, err
	}
	return c, nil
}

func withDefaults(o Options) Options {
	o.Latency = o.Latency.withDefaults()
	if o.Hosts == 0 {
		o.Hosts = 1000
	}
	if o.Flavors == nil {
		o.Flavors = defaultFlavors()
	}
	if o.Images == nil {
		o.Images = defaultImages()
	}
	if o.Metal == nil {
		o.Metal = MetalNodes(8)
	}
	for _, f := range []struct {
		set *string
		def string
	}{{&o.Password, "secret"}, {&o.PublicCIDR, "127.64.0.0/16"}, {&o.LANCIDR, "127.65.0.0/16"}} {
		if *f.set == "" {
			*f.set = f.def
		}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// seed makes what is there from the start.
func (c *Cloud) seed() error {
	c.seedIdentity()
	c.seedCompute()
	c.seedImages()
	c.seedVolumes()
	c.seedShares()
	c.seedMetal()
	if err := c.seedNetworks(); err != nil {
		return err
	}
	for _, t := range c.tables {
		for _, o := range t.order {
			o.seeded = true
		}
	}
	return nil
}

// Start listens on addr, which should be on loopback; port 0 takes a free one.
func (c *Cloud) Start(addr string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.server != nil || c.closed {
		return errors.New("start simulated cloud: it was started before")
	}
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("start simulated cloud: %w", err)
	}
	c.url = "http://" + listener.Addr().String()
	c.server = &http.Server{Handler: c.handler(), ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(c.log.Handler(), slog.LevelDebug)}
	server := c.server
	c.background.Go(func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			c.log.Error("simulated cloud stopped serving", "error", err)
		}
	})
	if c.options.Hypervisor != nil {
		c.background.Go(c.connect)
	}
	return nil
}

// URL is the root of all services.
func (c *Cloud) URL() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.url
}

// AuthURL is Keystone's, the real one if there is one.
func (c *Cloud) AuthURL() string {
	if c.options.Keystone != nil {
		return c.options.Keystone.URL
	}
	return c.URL() + "/identity/v3"
}

// Close ends the cloud and all its hosts, and returns when nothing of it runs any more. It may be called again.
func (c *Cloud) Close() {
	c.mu.Lock()
	c.closed = true
	server, nodes := c.server, c.nodes
	c.nodes = map[string]Guest{}
	c.mu.Unlock()
	c.end()
	if server != nil {
		_ = server.Close()
	}
	for _, n := range nodes {
		n.Stop()
	}
	c.fabric.close()
	c.background.Wait()
	if c.options.Hypervisor != nil {
		c.options.Hypervisor.Close()
	}
}

// RegisterEndpoint puts a service into the catalogue, or replaces the one of the same type.
func (c *Cloud) RegisterEndpoint(kind, name, url string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.endpoints = slices.DeleteFunc(c.endpoints, func(e Endpoint) bool { return e.Type == kind })
	c.endpoints = append(c.endpoints, Endpoint{kind, name, url})
}

// Endpoints lists the catalogue; {project_id} in a URL stands for the project of the token.
func (c *Cloud) Endpoints() []Endpoint {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.catalogue(c.url)
}

// catalogue lists the services below a root.
func (c *Cloud) catalogue(root string) []Endpoint {
	var out []Endpoint
	for _, s := range c.services {
		url := root + s.prefix
		switch s.kind {
		case "identity", "network", "image", "load-balancer", "key-manager", "baremetal":
			url = url[:strings.LastIndex(url, "/")] // unversioned, as these projects register themselves
		}
		out = append(out, Endpoint{s.kind, s.name, url})
		if s.kind == "block-storage" {
			out = append(out, Endpoint{"volumev3", "cinderv3", url})
		}
	}
	return append(out, c.endpoints...)
}

// after runs f with c.mu held when d of the cloud's time is over, unless the cloud was closed.
func (c *Cloud) after(d time.Duration, f func()) {
	time.AfterFunc(c.clock.Wall(d), func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if !c.closed {
			f()
		}
	})
}

// plainNow is how Octavia and Barbican write the time.
func (c *Cloud) plainNow() string { return c.clock.Now().Format("2006-01-02T15:04:05") }

func (c *Cloud) now() string { return c.clock.Now().Format("2006-01-02T15:04:05Z") }

// quota is the limit of a project. c.mu is held.
func (c *Cloud) quota(project, name string) int {
	if limit, set := c.quotas[project][name]; set {
		return limit
	}
	if limit, set := c.options.Quotas[name]; set {
		return limit
	}
	if limit, known := defaultQuotas()[name]; known {
		return limit
	}
	return -1
}

// Resources lists what is left in a project, by kind: «id name». Every project with "". What was there from the start,
// or comes and goes by itself, is left out; but bare-metal nodes that are in use count.
func (c *Cloud) Resources(projectID string) map[string][]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := map[string][]string{}
	for kind, t := range c.tables {
		for _, o := range t.order {
			owner := o.project
			if kind == "node" && o.doc.has("instance_uuid") {
				owner = cmpOr(o.doc.str("lessee"), o.doc.sub("instance_info").str("project_id"))
			} else if o.seeded {
				continue
			}
			if projectID != "" && owner != projectID && o.doc.str("default_project_id") != projectID {
				continue
			}
			out[kind] = append(out[kind], strings.TrimSpace(o.id+" "+o.name()))
		}
	}
	return out
}

// Consoles gives the last lines that each host has written, by its name.
func (c *Cloud) Consoles() map[string][]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := map[string][]string{}
	for id, guest := range c.nodes {
		for _, kind := range []string{"server", "node"} {
			if o := c.get(kind, id); o != nil {
				out[o.name()] = guest.Console()
			}
		}
	}
	return out
}

// Calls counts the requests so far by service and call: Calls()["compute"]["POST /servers"].
func (c *Cloud) Calls() map[string]map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := map[string]map[string]int{}
	for service, calls := range c.calls {
		out[service] = map[string]int{}
		for call, n := range calls {
			out[service][call] = n
		}
	}
	return out
}

// Run serves a cloud until ctx is done. ready, when not nil, is called once it listens.
func Run(ctx context.Context, o Options, addr string, ready func(*Cloud)) error {
	c, err := New(o)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.Start(addr); err != nil {
		return err
	}
	if ready != nil {
		ready(c)
	}
	<-ctx.Done()
	return nil
}
