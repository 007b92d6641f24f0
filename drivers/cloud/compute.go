package cloud

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/availabilityzones"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/flavors"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/keypairs"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/quotasets"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servergroups"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
)

const compute = "compute"

// MaxUserData is Nova's limit on user data, in bytes of base64.
const MaxUserData = 65535

// Compute is Nova for one actor.
type Compute struct {
	c *gophercloud.ServiceClient
	// foreign is the project whose objects are meant when it is not the actor's own: lists name it.
	foreign string
}

// Flavor is a flavour.
type Flavor struct {
	ID, Name         string
	VCPUs, RAM, Disk int // RAM in MiB, Disk in GiB
	// ExtraSpecs are empty, too, where the cloud does not tell them to the actor.
	ExtraSpecs map[string]string
}

// Flavor finds one by id or name; nil when there is none.
func (n *Compute) Flavor(ctx context.Context, nameOrID string) (*Flavor, error) {
	l, err := n.Flavors(ctx)
	if err != nil {
		return nil, err
	}
	for _, same := range []func(Flavor) bool{func(f Flavor) bool { return f.ID == nameOrID }, func(f Flavor) bool { return f.Name == nameOrID }} {
		if i := slices.IndexFunc(l, same); i >= 0 {
			return &l[i], nil
		}
	}
	return nil, nil
}

// Flavors lists what the actor may use.
func (n *Compute) Flavors(ctx context.Context) ([]Flavor, error) {
	pages, err := flavors.ListDetail(n.c, flavors.ListOpts{}).AllPages(ctx)
	if err != nil {
		return nil, wrap(compute, err, "listing flavors")
	}
	l, err := flavors.ExtractFlavors(pages)
	return mapSlice(l, func(f flavors.Flavor) Flavor {
		return Flavor{ID: f.ID, Name: f.Name, VCPUs: f.VCPUs, RAM: f.RAM, Disk: f.Disk, ExtraSpecs: f.ExtraSpecs}
	}), wrap(compute, err, "reading flavors")
}

// Machine is what a flavour says of bare metal, in the words that Nova passes on to Placement.
func (f Flavor) Machine() (Machine, error) {
	var m Machine
	for _, key := range slices.Sorted(maps.Keys(f.ExtraSpecs)) {
		value := strings.TrimSpace(f.ExtraSpecs[key])
		class, isClass := strings.CutPrefix(key, "resources:")
		trait, isTrait := strings.CutPrefix(key, "trait:")
		switch {
		case isClass && strings.HasPrefix(class, "CUSTOM_") && value == "1" && m.ResourceClass == "":
			m.ResourceClass = class
		case isClass && strings.HasPrefix(class, "CUSTOM_"):
			return Machine{}, fmt.Errorf("extra spec %s=%s: one resource class is expected, once", key, value)
		case isTrait && value == "required":
			m.Traits = append(m.Traits, trait)
		case isTrait:
			return Machine{}, fmt.Errorf("extra spec %s=%s: only required traits are known", key, value)
		}
	}
	if m.ResourceClass == "" {
		return Machine{}, errors.New("it has no extra spec resources:CUSTOM_…=1")
	}
	return m, nil
}

// PublicKey reads the caller's key pair.
func (n *Compute) PublicKey(ctx context.Context, keypair string) (string, error) {
	k, err := keypairs.Get(ctx, n.c, url.PathEscape(keypair), nil).Extract()
	switch {
	case err != nil:
		return "", wrap(compute, err, "reading keypair %q", keypair)
	case k == nil || k.Name != keypair: // «..» asks for something else
		return "", &Error{Service: compute, Action: fmt.Sprintf("reading keypair %q", keypair), Status: http.StatusNotFound, Message: "there is no such key pair"}
	}
	return k.PublicKey, nil
}

// AvailabilityZones lists the zones that are available.
func (n *Compute) AvailabilityZones(ctx context.Context) ([]string, error) {
	pages, err := availabilityzones.List(n.c).AllPages(ctx)
	if err != nil {
		return nil, wrap(compute, err, "listing availability zones")
	}
	l, err := availabilityzones.ExtractAvailabilityZones(pages)
	var names []string
	for _, z := range l {
		if z.ZoneState.Available {
			names = append(names, z.ZoneName)
		}
	}
	return names, wrap(compute, err, "reading availability zones")
}

// Quotas reads the project's, by Nova's names.
func (n *Compute) Quotas(ctx context.Context, projectID string) (map[string]Quota, error) {
	q, err := quotasets.GetDetail(ctx, n.c, projectID).Extract()
	if err != nil {
		return nil, wrap(compute, err, "reading quotas")
	}
	d := func(x quotasets.QuotaDetail) Quota { return Quota{x.Limit, x.InUse + x.Reserved} }
	return map[string]Quota{"instances": d(q.Instances), "cores": d(q.Cores), "ram": d(q.RAM), "server_groups": d(q.ServerGroups)}, nil
}

// FindServerGroups lists the project's groups of this name.
func (n *Compute) FindServerGroups(ctx context.Context, name string) ([]string, error) {
	l, err := n.ServerGroups(ctx)
	var ids []string
	for _, g := range l {
		if g.Name == name {
			ids = append(ids, g.ID)
		}
	}
	return ids, err
}

// Named is an object by its name.
type Named struct{ ID, Name string }

// ServerGroups lists the project's groups.
func (n *Compute) ServerGroups(ctx context.Context) ([]Named, error) {
	pages, err := servergroups.List(n.c, servergroups.ListOpts{AllProjects: n.foreign != ""}).AllPages(ctx)
	if err != nil {
		return nil, wrap(compute, err, "listing server groups")
	}
	l, err := servergroups.ExtractServerGroups(pages)
	var out []Named
	for _, g := range l {
		if n.foreign == "" || g.ProjectID == n.foreign {
			out = append(out, Named{g.ID, g.Name})
		}
	}
	return out, wrap(compute, err, "reading server groups")
}

// CreateServerGroup makes a group with one policy.
func (n *Compute) CreateServerGroup(ctx context.Context, name, policy string) (string, error) {
	g, err := servergroups.Create(ctx, n.c, servergroups.CreateOpts{Name: name, Policy: policy}).Extract()
	if err != nil {
		return "", wrap(compute, err, "creating server group %s", name)
	}
	return g.ID, nil
}

// ServerGroupName reads the name of a group.
func (n *Compute) ServerGroupName(ctx context.Context, id string) (string, error) {
	g, err := servergroups.Get(ctx, n.c, id).Extract()
	if err != nil {
		return "", wrap(compute, err, "reading server group %s", id)
	}
	return g.Name, nil
}

// DeleteServerGroup deletes a group.
func (n *Compute) DeleteServerGroup(ctx context.Context, id string) error {
	return wrap(compute, servergroups.Delete(ctx, n.c, id).ExtractErr(), "deleting server group %s", id)
}

// Server is a server.
type Server struct {
	ID, Name, Status, Fault string
	Tags                    []string
	Addresses               []string // fixed first
	Deleting                bool     // somebody has asked for its end
	Reclaimable             bool     // it is deleted, and kept for a while with all that it has
}

// deleting: the last that Nova writes of a server before its row goes is DELETED, without a task.
func deleting(s servers.Server) bool {
	return s.TaskState == "deleting" || s.TaskState == "soft-deleting" || s.Status == "DELETED"
}

func serverInfo(s servers.Server) Server {
	i := Server{ID: s.ID, Name: s.Name, Status: s.Status, Fault: s.Fault.Message, Addresses: addresses(s.Addresses), Deleting: deleting(s), Reclaimable: s.Status == "SOFT_DELETED" && !deleting(s)}
	if s.Tags != nil {
		i.Tags = *s.Tags
	}
	return i
}

func addresses(networks map[string]any) []string {
	var fixed, floating []string
	for _, l := range networks {
		list, _ := l.([]any)
		for _, a := range list {
			m, _ := a.(map[string]any)
			ip, _ := m["addr"].(string)
			if m["OS-EXT-IPS:type"] == "floating" {
				floating = append(floating, ip)
			} else if ip != "" {
				fixed = append(fixed, ip)
			}
		}
	}
	slices.Sort(fixed)
	slices.Sort(floating)
	return append(fixed, floating...)
}

// Servers lists the project's servers that carry the tag: one call for a whole cluster.
func (n *Compute) Servers(ctx context.Context, tag string) ([]Server, error) {
	return n.servers(ctx, servers.ListOpts{Tags: tag})
}

// ServersNamed lists the servers with exactly this name and the tag.
func (n *Compute) ServersNamed(ctx context.Context, name, tag string) ([]Server, error) {
	return n.servers(ctx, servers.ListOpts{Tags: tag, Name: "^" + regexp.QuoteMeta(name) + "$"})
}

func (n *Compute) servers(ctx context.Context, o servers.ListOpts) ([]Server, error) {
	if n.foreign != "" {
		o.AllTenants, o.TenantID = true, n.foreign
	}
	pages, err := servers.List(n.c, o).AllPages(ctx)
	if err != nil {
		return nil, wrap(compute, err, "listing servers")
	}
	l, err := servers.ExtractServers(pages)
	slices.SortFunc(l, func(a, b servers.Server) int { return a.Created.Compare(b.Created) })
	return mapSlice(l, serverInfo), wrap(compute, err, "reading servers")
}

// ServerSpec is a server to be made. Its address is its port's.
type ServerSpec struct {
	Name, FlavorID, ImageID, PortID, AvailabilityZone string
	ServerGroupID                                     string
	UserData                                          []byte
	Tags                                              []string
	Metadata                                          map[string]string
	BootVolumeSize                                    int // GiB; 0: the flavour's own disk
	BootVolumeType                                    string
	DataVolumeSize                                    int // GiB of an extra volume; 0: none
	DataVolumeType                                    string
}

// CreateServer asks for a server. Volumes are made by Nova and go with the server, so a crash leaves none behind.
func (n *Compute) CreateServer(ctx context.Context, s ServerSpec) (string, error) {
	drive := true
	o := servers.CreateOpts{Name: s.Name, FlavorRef: s.FlavorID, ImageRef: s.ImageID, AvailabilityZone: s.AvailabilityZone, UserData: s.UserData,
		ConfigDrive: &drive, Tags: s.Tags, Metadata: s.Metadata, Networks: []servers.Network{{Port: s.PortID}}}
	if s.BootVolumeSize > 0 {
		o.ImageRef = ""
		o.BlockDevice = append(o.BlockDevice, servers.BlockDevice{SourceType: servers.SourceImage, UUID: s.ImageID, DestinationType: servers.DestinationVolume,
			VolumeSize: s.BootVolumeSize, VolumeType: s.BootVolumeType, DeleteOnTermination: true})
	}
	if s.DataVolumeSize > 0 {
		if s.BootVolumeSize == 0 {
			o.BlockDevice = append(o.BlockDevice, servers.BlockDevice{SourceType: servers.SourceImage, UUID: s.ImageID, DestinationType: servers.DestinationLocal, DeleteOnTermination: true})
		}
		o.BlockDevice = append(o.BlockDevice, servers.BlockDevice{SourceType: servers.SourceBlank, DestinationType: servers.DestinationVolume,
			BootIndex: -1, VolumeSize: s.DataVolumeSize, VolumeType: s.DataVolumeType, DeleteOnTermination: true})
	}
	var hints servers.SchedulerHintOptsBuilder
	if s.ServerGroupID != "" {
		hints = servers.SchedulerHintOpts{Group: s.ServerGroupID}
	}
	x, err := servers.Create(ctx, n.c, o, hints).Extract()
	if err != nil {
		return "", wrap(compute, err, "creating server %s", s.Name)
	}
	return x.ID, nil
}

// Server reads one, with its fault.
func (n *Compute) Server(ctx context.Context, id string) (Server, error) {
	x, err := servers.Get(ctx, n.c, id).Extract()
	if err != nil {
		return Server{}, wrap(compute, err, "reading server %s", id)
	}
	return serverInfo(*x), nil
}

// RebootServer starts it again; hard also when it is off or in ERROR. A conflict: it cannot be now.
func (n *Compute) RebootServer(ctx context.Context, id string, hard bool) error {
	method := servers.SoftReboot
	if hard {
		method = servers.HardReboot
	}
	return wrap(compute, servers.Reboot(ctx, n.c, id, servers.RebootOpts{Type: method}).ExtractErr(), "rebooting server %s", id)
}

// DeleteServer asks for its end.
func (n *Compute) DeleteServer(ctx context.Context, id string) error {
	return wrap(compute, servers.Delete(ctx, n.c, id).ExtractErr(), "deleting server %s", id)
}

// ForceDeleteServer is for one that Nova keeps for its reclaim_instance_interval.
func (n *Compute) ForceDeleteServer(ctx context.Context, id string) error {
	return wrap(compute, servers.ForceDelete(ctx, n.c, id).ExtractErr(), "deleting server %s at once", id)
}

// NoCapacity tells whether a server's fault says that the cloud is full.
func NoCapacity(fault string) bool { return strings.Contains(fault, "No valid host") }
