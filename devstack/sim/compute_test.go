package sim

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/attachinterfaces"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/availabilityzones"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/flavors"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/keypairs"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/limits"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/quotasets"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servergroups"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/tags"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/security/groups"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/ports"
)

func (a *actor) order(t *testing.T, name, port string) servers.CreateOpts {
	t.Helper()
	return servers.CreateOpts{Name: name, FlavorRef: a.flavorID(t, "m1.small"), ImageRef: a.imageID(t, "cirros"), Networks: []servers.Network{{Port: port}}}
}

func (a *actor) server(t *testing.T, id string) *servers.Server {
	t.Helper()
	return must[*servers.Server](t)(servers.Get(t.Context(), a.compute, id).Extract())
}

func (a *actor) awaitStatus(t *testing.T, id, status string) *servers.Server {
	t.Helper()
	var s *servers.Server
	eventually(t, "server "+status, func() bool {
		s = a.server(t, id)
		return s.Status == status
	})
	return s
}

func (a *actor) awaitGone(t *testing.T, id string) {
	t.Helper()
	eventually(t, "server gone", func() bool { return servers.Get(t.Context(), a.compute, id).Err != nil })
	refused(t, servers.Get(t.Context(), a.compute, id).Err, 404, "itemNotFound.*could not be found")
}

func TestServerLifeCycle(t *testing.T) {
	c := start(t, Options{Speed: math.Inf(1)})
	a, other, ctx := login(t, c, "demo", "demo"), login(t, c, "alt_demo", "alt_demo"), t.Context()
	l := a.lan(t, "n", "10.0.0.0/24")
	p := a.port(t, l, "10.0.0.7")
	group := must[*servergroups.ServerGroup](t)(servergroups.Create(ctx, a.compute, servergroups.CreateOpts{Name: "g", Policy: "soft-anti-affinity"}).Extract())
	o := a.order(t, "s1", p.ID)
	drive := true
	o.UserData, o.Metadata, o.Tags, o.ConfigDrive, o.AvailabilityZone = []byte("#cloud-config\n{}\n"), map[string]string{"jeroboam-cluster": "x"}, []string{"jeroboam-cluster=x"}, &drive, "az2"
	made := must[*servers.Server](t)(servers.Create(ctx, a.compute, o, servers.SchedulerHintOpts{Group: group.ID}).Extract())
	s := a.awaitStatus(t, made.ID, "ACTIVE")
	list, _ := s.Addresses["n"].([]any)
	if len(list) != 1 || (*s.Tags)[0] != "jeroboam-cluster=x" || s.Metadata["jeroboam-cluster"] != "x" || s.AvailabilityZone != "az2" {
		t.Errorf("server: %+v", s)
	}
	if g := must[*servergroups.ServerGroup](t)(servergroups.Get(ctx, a.compute, group.ID).Extract()); len(g.Members) != 1 {
		t.Errorf("group: %+v", g)
	}
	if p := must[*ports.Port](t)(ports.Get(ctx, a.network, p.ID).Extract()); p.DeviceID != s.ID || p.DeviceOwner != "compute:az2" || p.Status != "ACTIVE" {
		t.Errorf("port: %+v", p)
	}
	refused(t, servers.Create(ctx, a.compute, o, nil).Err, 409, "still in use")
	refused(t, servers.Get(ctx, other.compute, s.ID).Err, 404, "itemNotFound")
	for _, test := range []struct {
		name string
		opts servers.ListOpts
		want int
	}{
		{"name is a pattern", servers.ListOpts{Name: "^s"}, 1}, {"other name", servers.ListOpts{Name: "^1"}, 0}, {"tag", servers.ListOpts{Tags: "jeroboam-cluster=x"}, 1},
		{"other tag", servers.ListOpts{Tags: "y"}, 0}, {"status", servers.ListOpts{Status: "ACTIVE"}, 1}, {"future", servers.ListOpts{ChangesSince: "2199-01-01T00:00:00Z"}, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			if l := must[[]servers.Server](t)(servers.ExtractServers(pages(t, servers.List(a.compute, test.opts)))); len(l) != test.want {
				t.Errorf("got %d", len(l))
			}
		})
	}
	ok(t, servers.Stop(ctx, a.compute, s.ID).ExtractErr())
	a.awaitStatus(t, s.ID, "SHUTOFF")
	refused(t, servers.Stop(ctx, a.compute, s.ID).Err, 409, "while it is in vm_state stopped")
	ok(t, servers.Start(ctx, a.compute, s.ID).ExtractErr())
	a.awaitStatus(t, s.ID, "ACTIVE")
	eventually(t, "console", func() bool {
		out, err := servers.ShowConsoleOutput(ctx, a.compute, s.ID, servers.ShowConsoleOutputOpts{}).Extract()
		return err == nil && strings.TrimSpace(out) != ""
	})
	ok(t, tags.Add(ctx, a.compute, s.ID, "more").ExtractErr())
	if l := must[[]attachinterfaces.Interface](t)(attachinterfaces.ExtractInterfaces(pages(t, attachinterfaces.List(a.compute, s.ID)))); len(l) != 1 || l[0].PortID != p.ID {
		t.Errorf("interfaces: %+v", l)
	}
	ok(t, servers.Delete(ctx, a.compute, s.ID).ExtractErr())
	a.awaitGone(t, s.ID)
	refused(t, servers.Delete(ctx, a.compute, s.ID).Err, 404, "could not be found")
	if p := must[*ports.Port](t)(ports.Get(ctx, a.network, p.ID).Extract()); p.DeviceID != "" {
		t.Errorf("a port of one's own stays: %+v", p)
	}
	ok(t, servergroups.Delete(ctx, a.compute, group.ID).ExtractErr())
	if left := c.Resources(a.project); len(left["server"])+len(left["server_group"]) > 0 {
		t.Errorf("left: %v", left)
	}
}

// TestAServerThatBootsIsPluggedIn, however late its ports are: a host without an address never joins anything.
func TestAServerThatBootsIsPluggedIn(t *testing.T) {
	c := start(t, Options{Speed: 1, Latency: Latency{Port: time.Hour, ServerBuild: time.Millisecond}})
	a := login(t, c, "demo", "demo")
	p := a.port(t, a.lan(t, "n", "10.0.0.0/24"), "10.0.0.7")
	made := must[*servers.Server](t)(servers.Create(t.Context(), a.compute, a.order(t, "s1", p.ID), nil).Extract())
	if s := a.awaitStatus(t, made.ID, "ACTIVE"); len(s.Addresses) != 1 {
		t.Errorf("its addresses are %v", s.Addresses)
	}
}

func TestServerRefusals(t *testing.T) {
	c := start(t, Options{Quotas: map[string]int{"instances": 1, "cores": 3}})
	a, ctx := login(t, c, "demo", "demo"), t.Context()
	l := a.lan(t, "n", "10.0.0.0/24")
	free := a.port(t, l, "").ID
	for _, test := range []struct {
		name, words string
		status      int
		change      func(o *servers.CreateOpts)
	}{
		{"flavour", "badRequest.*Flavor 99 could not be found", 400, func(o *servers.CreateOpts) { o.FlavorRef = "99" }},
		{"image", "Image .* could not be found", 400, func(o *servers.CreateOpts) { o.ImageRef = free }},
		{"image that is none", "Invalid imageRef provided", 400, func(o *servers.CreateOpts) { o.ImageRef = "x" }},
		{"port", "Port id .* could not be found", 400, func(o *servers.CreateOpts) { o.Networks = []servers.Network{{Port: l.network.ID}} }},
		{"no networks", "networks", 400, func(o *servers.CreateOpts) { o.Networks = nil }},
		{"zone", "availability zone", 400, func(o *servers.CreateOpts) { o.AvailabilityZone = "mars" }},
		{"user data", "too long", 400, func(o *servers.CreateOpts) { o.UserData = []byte(strings.Repeat("#", 50000)) }},
		{"zero disk", "volume-backed", 403, func(o *servers.CreateOpts) { o.FlavorRef = a.flavorID(t, "c.tiny") }},
		{"cores", "Quota exceeded for cores: Requested 4, but already used 0 of 3 cores", 403, func(o *servers.CreateOpts) { o.FlavorRef = a.flavorID(t, "m1.large") }},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := a.order(t, "s", free)
			test.change(&o)
			refused(t, servers.Create(ctx, a.compute, o, nil).Err, test.status, test.words)
		})
	}
	must[*servers.Server](t)(servers.Create(ctx, a.compute, a.order(t, "s", free), nil).Extract())
	refused(t, servers.Create(ctx, a.compute, a.order(t, "s2", a.port(t, l, "").ID), nil).Err, 403,
		"Quota exceeded for cores, instances: Requested 2, 1, but already used 2, 1 of 3, 1 cores, instances")
	q := must[quotasets.QuotaDetailSet](t)(quotasets.GetDetail(ctx, a.compute, a.project).Extract())
	if q.Instances.InUse != 1 || q.Instances.Limit != 1 || q.Cores.InUse != 2 {
		t.Errorf("quota: %+v", q)
	}
	if lim := must[*limits.Limits](t)(limits.Get(ctx, a.compute, nil).Extract()); lim.Absolute.TotalInstancesUsed != 1 {
		t.Errorf("limits: %+v", lim)
	}
}

func TestBootFromVolume(t *testing.T) {
	c := start(t, Options{})
	a, ctx := login(t, c, "demo", "demo"), t.Context()
	l := a.lan(t, "n", "10.0.0.0/24")
	o := a.order(t, "s", a.port(t, l, "").ID)
	o.FlavorRef = a.flavorID(t, "c.tiny")
	o.BlockDevice = []servers.BlockDevice{{SourceType: servers.SourceImage, UUID: o.ImageRef, DestinationType: servers.DestinationVolume, VolumeSize: 20, VolumeType: "hdd", DeleteOnTermination: true}}
	o.ImageRef = ""
	s := must[*servers.Server](t)(servers.Create(ctx, a.compute, o, nil).Extract())
	s = a.awaitStatus(t, s.ID, "ACTIVE")
	if len(s.AttachedVolumes) != 1 || len(c.Resources(a.project)["volume"]) != 1 {
		t.Errorf("volumes: %+v", s.AttachedVolumes)
	}
	ok(t, servers.Delete(ctx, a.compute, s.ID).ExtractErr())
	a.awaitGone(t, s.ID)
	if left := c.Resources(a.project)["volume"]; len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// Ports that Nova makes go with the server, and have the groups that the request names.
func TestServerOwnPorts(t *testing.T) {
	c := start(t, Options{})
	a, ctx := login(t, c, "demo", "demo"), t.Context()
	l := a.lan(t, "n", "10.0.0.0/24")
	group := must[*groups.SecGroup](t)(groups.Create(ctx, a.network, groups.CreateOpts{Name: "g"}).Extract())
	o := a.order(t, "s", "")
	o.Networks, o.SecurityGroups = []servers.Network{{UUID: l.network.ID, FixedIP: "10.0.0.50"}}, []string{"g"}
	s := must[*servers.Server](t)(servers.Create(ctx, a.compute, o, nil).Extract())
	a.awaitStatus(t, s.ID, "ACTIVE")
	found := must[[]ports.Port](t)(ports.ExtractPorts(pages(t, ports.List(a.network, ports.ListOpts{DeviceID: s.ID}))))
	if len(found) != 1 || found[0].FixedIPs[0].IPAddress != "10.0.0.50" || found[0].SecurityGroups[0] != group.ID {
		t.Errorf("ports: %+v", found)
	}
	o.SecurityGroups = []string{"none"}
	refused(t, servers.Create(ctx, a.compute, o, nil).Err, 400, "Security group none not found")
	ok(t, servers.Delete(ctx, a.compute, s.ID).ExtractErr())
	a.awaitGone(t, s.ID)
	if left := must[[]ports.Port](t)(ports.ExtractPorts(pages(t, ports.List(a.network, ports.ListOpts{DeviceID: s.ID})))); len(left) != 0 {
		t.Errorf("left: %+v", left)
	}
}

func TestServerFaults(t *testing.T) {
	c := start(t, Options{})
	a, ctx := login(t, c, "demo", "demo"), t.Context()
	l := a.lan(t, "n", "10.0.0.0/24")
	ok(t, c.Inject(Rule{Service: "compute", Method: "POST", PathRegexp: "/servers$", Name: "-full$", Action: Action{Fault: "No valid host was found. There are not enough hosts available."}}))
	ok(t, c.Inject(Rule{Service: "nova", Method: "POST", PathRegexp: "/servers$", Name: "-stuck$", Action: Action{Stuck: true}}))
	p := a.port(t, l, "")
	s := must[*servers.Server](t)(servers.Create(ctx, a.compute, a.order(t, "x-full", p.ID), nil).Extract())
	if s = a.awaitStatus(t, s.ID, "ERROR"); !strings.Contains(s.Fault.Message, "No valid host") {
		t.Errorf("fault: %+v", s.Fault)
	}
	stuck := must[*servers.Server](t)(servers.Create(ctx, a.compute, a.order(t, "x-stuck", a.port(t, l, "").ID), nil).Extract())
	good := must[*servers.Server](t)(servers.Create(ctx, a.compute, a.order(t, "x-good", a.port(t, l, "").ID), nil).Extract())
	a.awaitStatus(t, good.ID, "ACTIVE")
	if s := a.server(t, stuck.ID); s.Status != "BUILD" {
		t.Errorf("it is to be stuck: %s", s.Status)
	}
	for _, id := range []string{s.ID, stuck.ID, good.ID} {
		ok(t, servers.Delete(ctx, a.compute, id).ExtractErr())
		a.awaitGone(t, id)
	}
}

func TestKeypairsFlavorsZones(t *testing.T) {
	c := start(t, Options{Flavors: []Flavor{{ID: "7", Name: "gpu", VCPUs: 4, RAM: 1024, Disk: 10, ExtraSpecs: map[string]string{"hw:gpu": "1"}}}})
	a, other, ctx := login(t, c, "demo", "demo"), login(t, c, "alt_demo", "alt_demo"), t.Context()
	o := keypairs.CreateOpts{Name: "k", PublicKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0 me"}
	must[*keypairs.KeyPair](t)(keypairs.Create(ctx, a.compute, o).Extract())
	refused(t, keypairs.Create(ctx, a.compute, o).Err, 409, "already exists")
	refused(t, keypairs.Get(ctx, other.compute, "k", nil).Err, 404, "not found")
	if k := must[*keypairs.KeyPair](t)(keypairs.Get(ctx, a.compute, "k", nil).Extract()); k.PublicKey != o.PublicKey {
		t.Errorf("key: %+v", k)
	}
	ok(t, keypairs.Delete(ctx, a.compute, "k", nil).ExtractErr())
	if specs := must[map[string]string](t)(flavors.ListExtraSpecs(ctx, a.compute, "7").Extract()); specs["hw:gpu"] != "1" {
		t.Errorf("specs: %v", specs)
	}
	late := *a.compute
	late.Microversion = "2.999"
	refused(t, flavors.Get(ctx, &late, "7").Err, 406, "is not supported by the API")
	if l := must[[]availabilityzones.AvailabilityZone](t)(availabilityzones.ExtractAvailabilityZones(pages(t, availabilityzones.List(a.compute)))); len(l) != 2 {
		t.Errorf("zones: %+v", l)
	}
}
