package openstack

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/volumes"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servergroups"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/users"
	"github.com/gophercloud/gophercloud/v2/openstack/keymanager/v1/secrets"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/loadbalancers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/routers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/groups"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"
	"github.com/gophercloud/gophercloud/v2/pagination"

	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
	"github.com/jeroboam-cloud/jeroboam/tests/stack"
)

// inventory is everything that every service has for one project: by kind, «name status».
type inventory map[string][]string

func (i inventory) add(kind, format string, args ...any) {
	i[kind] = append(i[kind], fmt.Sprintf(format, args...))
}

// cloud is the administrator's view of it; keys are the service's.
type cloud struct {
	t                                                  testing.TB
	compute, network, balancer, volume, identity, keys *gophercloud.ServiceClient
}

// administrator sees everything. A nil stack is one without a service of the cloud's: there are no keys.
func administrator(t testing.TB, s *stack.Stack) *cloud {
	t.Helper()
	c, admin, eo := &cloud{t: t}, testenv.KeystoneAdmin(t), gophercloud.EndpointOpts{Region: testenv.Region}
	keeper := admin
	if s != nil {
		keeper = s.Service.Provider()
	}
	for _, x := range []struct {
		to   **gophercloud.ServiceClient
		make func(*gophercloud.ProviderClient, gophercloud.EndpointOpts) (*gophercloud.ServiceClient, error)
		as   *gophercloud.ProviderClient
	}{{&c.compute, openstack.NewComputeV2, admin}, {&c.network, openstack.NewNetworkV2, admin}, {&c.balancer, openstack.NewLoadBalancerV2, admin},
		{&c.volume, openstack.NewBlockStorageV3, admin}, {&c.identity, openstack.NewIdentityV3, admin}, {&c.keys, openstack.NewKeyManagerV1, keeper}} {
		var err error
		if *x.to, err = x.make(x.as, eo); err != nil {
			t.Fatal(err)
		}
	}
	c.compute.Microversion = "2.73"
	return c
}

// list reads all pages.
func list[T any](t testing.TB, p pagination.Pager, extract func(pagination.Page) ([]T, error)) []T {
	t.Helper()
	pages, err := p.AllPages(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	l, err := extract(pages)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// of a project, and of the domain in which the service makes its users if there is one.
func (c *cloud) of(projectID, domainID string) inventory {
	c.t.Helper()
	i := inventory{}
	for _, x := range list(c.t, servers.List(c.compute, servers.ListOpts{AllTenants: true, TenantID: projectID}), servers.ExtractServers) {
		i.add("server", "%s %s", x.Name, x.Status)
	}
	for _, x := range list(c.t, servergroups.List(c.compute, servergroups.ListOpts{AllProjects: true}), servergroups.ExtractServerGroups) {
		if x.ProjectID == projectID {
			i.add("server group", "%s %s", x.Name, *x.Policy)
		}
	}
	for _, x := range list(c.t, ports.List(c.network, ports.ListOpts{ProjectID: projectID}), ports.ExtractPorts) {
		i.add("port", "%s %s", x.Name, x.Status)
	}
	for _, x := range list(c.t, networks.List(c.network, networks.ListOpts{ProjectID: projectID}), networks.ExtractNetworks) {
		i.add("network", "%s %s", x.Name, x.Status)
	}
	for _, x := range list(c.t, subnets.List(c.network, subnets.ListOpts{ProjectID: projectID}), subnets.ExtractSubnets) {
		i.add("subnet", "%s", x.Name)
	}
	for _, x := range list(c.t, routers.List(c.network, routers.ListOpts{ProjectID: projectID}), routers.ExtractRouters) {
		i.add("router", "%s %s", x.Name, x.Status)
	}
	for _, x := range list(c.t, floatingips.List(c.network, floatingips.ListOpts{ProjectID: projectID}), floatingips.ExtractFloatingIPs) {
		i.add("floating IP", "%s %s", x.FloatingIP, x.Status)
	}
	for _, x := range list(c.t, groups.List(c.network, groups.ListOpts{ProjectID: projectID}), groups.ExtractGroups) {
		if x.Name != "default" { // Neutron's own
			i.add("security group", "%s", x.Name)
		}
	}
	for _, x := range list(c.t, loadbalancers.List(c.balancer, loadbalancers.ListOpts{ProjectID: projectID}), loadbalancers.ExtractLoadBalancers) {
		i.add("load balancer", "%s %s", x.Name, x.ProvisioningStatus)
	}
	for _, x := range list(c.t, volumes.List(c.volume, volumes.ListOpts{AllTenants: true, TenantID: projectID}), volumes.ExtractVolumes) {
		i.add("volume", "%s %s", x.Name, x.Status)
	}
	for _, x := range list(c.t, secrets.List(c.keys, secrets.ListOpts{}), secrets.ExtractSecrets) {
		i.add("secret", "%s %s", x.Name, x.Status)
	}
	if domainID == "" {
		return i
	}
	for _, x := range list(c.t, users.List(c.identity, users.ListOpts{DomainID: domainID}), users.ExtractUsers) {
		i.add("user", "%s", x.Name)
	}
	return i
}

// ending counts what of a kind ends in one of the words.
func (i inventory) ending(kind string, words ...string) int {
	n := 0
	for _, x := range i[kind] {
		if slices.ContainsFunc(words, func(w string) bool { return strings.HasSuffix(x, " "+w) }) {
			n++
		}
	}
	return n
}
