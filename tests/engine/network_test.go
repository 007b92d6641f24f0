package engine

import (
	"hash/fnv"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
	"github.com/jeroboam-cloud/jeroboam/drivers"
)

// TestTheCallersNetwork: nothing of it is made by us, and nothing of the caller's goes with the cluster.
func TestTheCallersNetwork(t *testing.T) {
	for _, tc := range []struct {
		name         string
		loadBalancer bool
		prepare      func(b *bed, s *ops.ClusterSpec) (stays []string)
		floating     bool
	}{
		{"a shared network that is reachable directly, behind a load balancer", true, onLAN, false},
		{"a shared network that is reachable directly, one control plane", false, onLAN, false},
		{"a network of the tenant's with a floating IP", true, tenantNetwork, true},
		{"a network of the tenant's, its subnet is looked up", false, func(b *bed, s *ops.ClusterSpec) []string {
			stays := tenantNetwork(b, s)
			s.SubnetID = ""
			return stays
		}, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, sim.Options{})
			b.run(b.conductor("one"))
			var stays []string
			id := b.completed(order{name: "dev", masters: 1, workers: 1, loadBalancer: tc.loadBalancer, cluster: func(s *ops.ClusterSpec) { stays = tc.prepare(b, s) }})
			for _, kind := range []string{drivers.KindNetwork, drivers.KindSubnet, drivers.KindRouter, drivers.KindRouterPort} {
				if l := b.recorded(id, kind); len(l) > 0 {
					t.Errorf("a %s was made in a network of the caller's", kind)
				}
			}
			if n := len(b.recorded(id, drivers.KindFloatingIP)); n > 0 != tc.floating {
				t.Errorf("%d floating IPs, wanted: %t", n, tc.floating)
			}
			b.deleted(id, stays...)
			for _, x := range stays {
				if !strings.Contains(all(b.cloud.Resources("")), x) {
					t.Errorf("%s of the caller's went with the cluster", x)
				}
			}
		})
	}
}

func all(resources map[string][]string) string {
	out := ""
	for _, l := range resources {
		out += strings.Join(l, "\n") + "\n"
	}
	return out
}

func onLAN(b *bed, s *ops.ClusterSpec) []string {
	s.NetworkID, s.ExternalNetworkID, s.APIFloatingIP, s.SubnetCIDR = b.network("lan"), "", false, ""
	return nil
}

// tenantNetwork makes one as a user does, and gives the ids that are to stay.
func tenantNetwork(b *bed, s *ops.ClusterSpec) []string {
	b.t.Helper()
	p := b.person("demo")
	s.NetworkID = p.make(neutron+"networks", "network", map[string]any{"name": "mine"})
	s.SubnetID = p.make(neutron+"subnets", "subnet", map[string]any{"name": "mine", "network_id": s.NetworkID, "ip_version": 4, "cidr": "10.7.0.0/24"})
	router := p.make(neutron+"routers", "router", map[string]any{"name": "mine", "external_gateway_info": map[string]any{"network_id": s.ExternalNetworkID}})
	p.must(http.MethodPut, neutron+"routers/"+router+"/add_router_interface", map[string]any{"subnet_id": s.SubnetID}, nil)
	s.SubnetCIDR = ""
	var ports struct{ Ports []struct{ ID string } }
	p.must(http.MethodGet, neutron+"ports?device_id="+router, nil, &ports)
	stays := []string{s.NetworkID, s.SubnetID, router}
	for _, x := range ports.Ports {
		stays = append(stays, x.ID)
	}
	return stays
}

// TestAnAddressThatSomebodyHas: on a network that is shared nobody sees the ports of other projects. The load balancer takes
// another address then.
func TestAnAddressThatSomebodyHas(t *testing.T) {
	t.Parallel()
	b := newBed(t, sim.Options{})
	id := b.order(order{name: "dev", masters: 1, workers: 0, loadBalancer: true, cluster: func(s *ops.ClusterSpec) { onLAN(b, s) }})
	admin := b.person("admin")
	var l struct {
		Subnets []struct {
			ID    string
			Pools []struct{ End string } `json:"allocation_pools"`
		}
	}
	lan := b.network("lan")
	admin.must(http.MethodGet, neutron+"subnets?network_id="+lan, nil, &l)
	h := fnv.New32a()
	_, _ = h.Write([]byte(id))
	taken := netip.MustParseAddr(l.Subnets[0].Pools[0].End)
	for range h.Sum32() % 32 {
		taken = taken.Prev()
	}
	admin.make(neutron+"ports", "port", map[string]any{"network_id": lan, "fixed_ips": []any{map[string]any{"subnet_id": l.Subnets[0].ID, "ip_address": taken.String()}}})
	b.run(b.conductor("one"))
	b.reaches(id, ops.CreateComplete)
	if lb := b.recorded(id, drivers.KindLoadBalancer); len(lb) != 1 || lb[0].Attrs[drivers.AttrAddress] == taken.String() || !strings.Contains(b.events(id), "already allocated") {
		t.Errorf("load balancers %v, and %s is somebody's\n%s", lb, taken, b.events(id))
	}
	b.oneOfEach()
}

// TestVolumesZonesAndPolicy: what a node group asks of Nova and Cinder is what it gets, and all of it goes.
func TestVolumesZonesAndPolicy(t *testing.T) {
	t.Parallel()
	b := newBed(t, sim.Options{})
	b.run(b.conductor("one"))
	docker := 7
	id := b.completed(order{name: "dev", masters: 1, workers: 3, cluster: func(s *ops.ClusterSpec) { s.ServerGroupPolicy = "soft-affinity" },
		group: func(g *db.NodeGroup, s *ops.GroupSpec) {
			s.BootVolumeSize, s.BootVolumeType, s.DockerVolumeType = 20, "ssd", "hdd"
			g.DockerVolumeSize = &docker
			s.AvailabilityZones = []string{"nova", "az2"}
		}})
	p := b.person("demo")
	var servers struct {
		Servers []struct {
			ID, Name string
			Zone     string `json:"OS-EXT-AZ:availability_zone"`
		}
	}
	p.must(http.MethodGet, nova+"servers/detail", nil, &servers)
	zones := map[string]int{}
	for _, s := range servers.Servers {
		if strings.Contains(s.Name, "worker") {
			zones[s.Zone]++
		}
	}
	if len(servers.Servers) != 4 || zones["nova"] != 2 || zones["az2"] != 1 {
		t.Errorf("%d servers, workers by zone: %v", len(servers.Servers), zones)
	}
	var volumes struct {
		Volumes []struct {
			Size     int
			Type     string `json:"volume_type"`
			Bootable string
		}
	}
	p.must(http.MethodGet, "/volume/v3/"+b.project+"/volumes/detail", nil, &volumes)
	kinds := map[string]int{}
	for _, v := range volumes.Volumes {
		kinds[v.Type+" "+map[int]string{20: "boot", docker: "docker"}[v.Size]]++
	}
	if kinds["ssd boot"] != 4 || kinds["hdd docker"] != 4 || len(kinds) != 2 {
		t.Errorf("volumes: %v", kinds)
	}
	var groups struct {
		Groups []struct {
			Policy  string
			Members []string
		} `json:"server_groups"`
	}
	p.must(http.MethodGet, nova+"os-server-groups", nil, &groups)
	members := 0
	for _, g := range groups.Groups {
		members += len(g.Members)
		if g.Policy != "soft-affinity" {
			t.Errorf("a server group has policy %q", g.Policy)
		}
	}
	if len(groups.Groups) != 2 || members != 4 {
		t.Errorf("%d server groups with %d members", len(groups.Groups), members)
	}
	b.deleted(id)
}
