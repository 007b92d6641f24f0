package cloud

import (
	"context"
	"sync"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
)

// Microversions that we ask for, the lowest with what we need.
const (
	// computeMicroversion 2.73: tags in server create (2.52), server group rules (2.64), flavor in server (2.47), extra specs
	// in flavors (2.61).
	// Everything since Train has it.
	computeMicroversion = "2.73"
)

// Clients are the services of the cloud for one actor in one project. Each is looked up in the catalogue when it is first used.
type Clients struct {
	ProjectID string

	foreign  string // ProjectID, when it is not the actor's own
	provider *gophercloud.ProviderClient
	eo       gophercloud.EndpointOpts

	agreeing sync.Mutex // on Ironic's microversion
	mu       sync.Mutex
	services map[string]*gophercloud.ServiceClient
}

type constructor func(*gophercloud.ProviderClient, gophercloud.EndpointOpts) (*gophercloud.ServiceClient, error)

func (c *Clients) service(name string, make constructor) (*gophercloud.ServiceClient, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.services[name]; s != nil {
		return s, nil
	}
	s, err := make(c.provider, c.eo)
	if err != nil {
		return nil, wrap(name, err, "finding the service in the catalogue")
	}
	if name == "compute" {
		s.Microversion = computeMicroversion
	}
	if c.services == nil {
		c.services = map[string]*gophercloud.ServiceClient{}
	}
	c.services[name] = s
	return s, nil
}

// Identity is Keystone.
func (c *Clients) Identity() (*Identity, error) {
	s, err := c.service("identity", openstack.NewIdentityV3)
	return &Identity{s}, err
}

// Compute is Nova.
func (c *Clients) Compute() (*Compute, error) {
	s, err := c.service("compute", openstack.NewComputeV2)
	return &Compute{s, c.foreign}, err
}

// Network is Neutron.
func (c *Clients) Network() (*Network, error) {
	s, err := c.service("network", openstack.NewNetworkV2)
	return &Network{s, c.ProjectID}, err
}

// LoadBalancer is Octavia.
func (c *Clients) LoadBalancer() (*LoadBalancer, error) {
	s, err := c.service("load-balancer", openstack.NewLoadBalancerV2)
	return &LoadBalancer{s}, err
}

// Image is Glance.
func (c *Clients) Image() (*Image, error) {
	s, err := c.service("image", openstack.NewImageV2)
	return &Image{s}, err
}

// Volume is Cinder.
func (c *Clients) Volume() (*Volume, error) {
	s, err := c.service("block-storage", openstack.NewBlockStorageV3)
	return &Volume{s, c.foreign}, err
}

// KeyManager is Barbican.
func (c *Clients) KeyManager() (*KeyManager, error) {
	s, err := c.service("key-manager", openstack.NewKeyManagerV1)
	return &KeyManager{s}, err
}

// ForProject gives the same actor's clients for objects of another project, where its rights reach that far.
func (c *Clients) ForProject(projectID string) *Clients {
	return &Clients{ProjectID: projectID, foreign: projectID, provider: c.provider, eo: c.eo}
}

// Foreign tells that the objects are of another project than the actor's.
func (c *Clients) Foreign() bool { return c.foreign != "" }

// UserID of the actor.
func (c *Clients) UserID(ctx context.Context) (string, error) {
	if r, ok := c.provider.GetAuthResult().(tokens.CreateResult); ok {
		if u, err := r.ExtractUser(); err == nil {
			return u.ID, nil
		}
	}
	id, err := c.service("identity", openstack.NewIdentityV3)
	if err != nil {
		return "", err
	}
	u, err := tokens.Get(ctx, id, c.provider.Token()).ExtractUser()
	if err != nil {
		return "", wrap("identity", err, "reading the own token")
	}
	return u.ID, nil
}
