package openstack

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/routers"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/subnets"

	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
	"github.com/jeroboam-cloud/jeroboam/tests/stack"
)

// TestAllInOne: a person without any right beyond his own project serves himself.
func TestAllInOne(t *testing.T) {
	testenv.Require(t, testenv.OpenStack)
	s := stack.ServeAccount(t, "member")
	x, c := s.One, administrator(t, nil)
	boot(t)
	template(t, x, map[string]any{"master_lb_enabled": false})
	refused := x.Do(t, "POST", "/v1/clusters", map[string]any{"name": "balanced", "cluster_template_id": "k8s", "master_lb_enabled": true})
	if refused.Status != 403 || !strings.Contains(refused.Detail(t), "load-balancer_member") {
		t.Errorf("a member without Octavia's roles: %d %s", refused.Status, refused.Body)
	}
	own := network(t, x)
	before := c.of(x.ProjectID, "")
	t.Run("together", func(t *testing.T) {
		t.Run("a network of its own", func(t *testing.T) {
			t.Parallel()
			create(t, x, "alone", map[string]any{"node_count": 1})
			remove(t, x, "alone")
		})
		t.Run("the caller's network", func(t *testing.T) {
			t.Parallel()
			create(t, x, "guest", map[string]any{"node_count": 0, "fixed_network": own.network, "fixed_subnet": own.subnet})
			if made := c.of(x.ProjectID, ""); len(made["server"]) == 0 || made.ending("server", "ACTIVE") == 0 {
				t.Errorf("there is %q", made)
			}
			remove(t, x, "guest")
		})
	})
	if left := c.of(x.ProjectID, ""); !reflect.DeepEqual(left, before) {
		t.Errorf("in the cloud there is %v, and before there was %v", left, before)
	}
}

// lan is a network of the caller's own.
type lan struct{ network, subnet string }

// network makes one with a way out. It goes with the test.
func network(t *testing.T, x *stack.Tenant) lan {
	t.Helper()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	n, err := openstack.NewNetworkV2(x.Provider(), gophercloud.EndpointOpts{Region: testenv.Region})
	must(err)
	public := list(t, networks.List(n, networks.ListOpts{Name: "public"}), networks.ExtractNetworks)[0]
	net, err := networks.Create(ctx, n, networks.CreateOpts{Name: "mine"}).Extract()
	must(err)
	subnet, err := subnets.Create(ctx, n, subnets.CreateOpts{Name: "mine", NetworkID: net.ID, IPVersion: gophercloud.IPv4, CIDR: "192.168.77.0/24"}).Extract()
	must(err)
	router, err := routers.Create(ctx, n, routers.CreateOpts{Name: "mine", GatewayInfo: &routers.GatewayInfo{NetworkID: public.ID}}).Extract()
	must(err)
	_, err = routers.AddInterface(ctx, n, router.ID, routers.AddInterfaceOpts{SubnetID: subnet.ID}).Extract()
	must(err)
	t.Cleanup(func() {
		ctx := context.Background() // the test's is over
		_, err := routers.RemoveInterface(ctx, n, router.ID, routers.RemoveInterfaceOpts{SubnetID: subnet.ID}).Extract()
		if err := errors.Join(err, routers.Delete(ctx, n, router.ID).ExtractErr(), networks.Delete(ctx, n, net.ID).ExtractErr()); err != nil {
			t.Error(err)
		}
	})
	return lan{net.ID, subnet.ID}
}
