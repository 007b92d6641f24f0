package openstack

import (
	"context"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/listeners"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/monitors"
	"github.com/gophercloud/gophercloud/v2/openstack/loadbalancer/v2/pools"
	"github.com/gophercloud/gophercloud/v2/openstack/placement/v1/usages"

	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

// services have these kinds of things for a project.
var services = []struct {
	name  string
	kinds []string
}{
	{"identity", []string{"user"}}, {"compute", []string{"server", "server group"}}, {"placement", []string{"allocation"}}, {"image", []string{"image"}},
	{"network", []string{"port", "network", "subnet", "router", "floating IP", "security group"}}, {"volume", []string{"volume"}}, {"key-manager", []string{"secret"}},
	{"load-balancer", []string{"load balancer", "listener", "pool", "member", "health monitor"}},
}

// nothingLeft asks it of each service.
func nothingLeft(t *testing.T, left inventory) {
	for _, s := range services {
		t.Run("nothing is left in "+s.name, func(t *testing.T) {
			for _, kind := range s.kinds {
				if len(left[kind]) != 0 {
					t.Errorf("left of kind %s: %q", kind, left[kind])
				}
				delete(left, kind)
			}
		})
	}
	if len(left) != 0 {
		t.Errorf("of kinds that belong to no service: %q", left)
	}
}

// parts adds what is behind a project's load balancers and servers, and images of its own.
func (c *cloud) parts(i inventory, projectID string) {
	c.t.Helper()
	for _, x := range list(c.t, listeners.List(c.balancer, listeners.ListOpts{ProjectID: projectID}), listeners.ExtractListeners) {
		i.add("listener", "%s %s", x.Name, x.ProvisioningStatus)
	}
	for _, x := range list(c.t, pools.List(c.balancer, pools.ListOpts{ProjectID: projectID}), pools.ExtractPools) {
		i.add("pool", "%s %s", x.Name, x.ProvisioningStatus)
		for _, m := range list(c.t, pools.ListMembers(c.balancer, x.ID, pools.ListMembersOpts{}), pools.ExtractMembers) {
			i.add("member", "%s %s", m.Address, m.ProvisioningStatus)
		}
	}
	for _, x := range list(c.t, monitors.List(c.balancer, monitors.ListOpts{ProjectID: projectID}), monitors.ExtractMonitors) {
		i.add("health monitor", "%s %s", x.Name, x.ProvisioningStatus)
	}
	admin, eo := testenv.KeystoneAdmin(c.t), gophercloud.EndpointOpts{Region: testenv.Region}
	glance, err := openstack.NewImageV2(admin, eo)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, x := range list(c.t, images.List(glance, images.ListOpts{Owner: projectID}), images.ExtractImages) {
		i.add("image", "%s %s", x.Name, x.Status)
	}
	placement, err := openstack.NewPlacementV1(admin, eo)
	if err != nil {
		c.t.Fatal(err)
	}
	placement.Microversion = "1.38"
	used, err := usages.Get(context.Background(), placement, usages.GetOpts{ProjectID: projectID}).Extract()
	if err != nil {
		c.t.Fatal(err)
	}
	for consumer, classes := range used.Usages {
		i.add("allocation", "%s %v", consumer, classes)
	}
}
