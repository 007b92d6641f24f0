package api

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/jeroboam-cloud/jeroboam/api/wire"
	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
)

// ironicDriver makes the hosts of node groups of server_type bm.
const ironicDriver = "ironic"

// serverType of a node group: its label, or that of its cluster's template.
func (l *labels) serverType(role, fallback string) string {
	name := "server_type"
	if role == db.RoleMaster {
		name = "master_server_type"
	}
	if fallback == "" {
		fallback = "vm"
	}
	return l.choice(name, fallback, "vm", "bm")
}

// setDriver names the driver of a node group's machines.
func (s *Server) setDriver(g *db.NodeGroup, templates string) error {
	l := &labels{m: g.Labels}
	kind := l.serverType(g.Role, templates)
	if l.err != nil {
		return l.err
	}
	var err error
	g.Driver, err = s.groupDriver(kind)
	return err
}

// machineSpec fills what a bare-metal group is made of. The flavour says it as it does to Nova, by resource class and
// required traits. Volumes and availability zones are Cinder's and Nova's, and mean nothing there.
func machineSpec(g *db.NodeGroup, spec *ops.GroupSpec, f cloud.Flavor, field string, image cloud.ImageInfo, l *labels) error {
	spec.BootVolumeSize, spec.BootVolumeType, spec.DockerVolumeType, spec.AvailabilityZones, g.DockerVolumeSize = 0, "", "", nil, nil
	var err error
	if spec.RootDevice, err = rootDevice(l.text("root_device_hints", "")); err != nil {
		l.fail("root_device_hints", err.Error())
	}
	found := l.err
	m, err := f.Machine()
	if err != nil {
		found = errors.Join(found, about(field, badRequest("Flavor %s (%s) is not for bare metal: %s.", g.FlavorID, field, err)))
	}
	spec.ResourceClass, spec.Traits = m.ResourceClass, m.Traits
	if image.ID != "" && image.Checksum == "" && image.Properties["os_hash_value"] == "" {
		found = errors.Join(found, about("image_id", badRequest("Image %s has no checksum, without which it cannot be deployed on bare metal.", image.Name)))
	}
	return found
}

// hintNames are the hints at a disk that Ironic knows.
var hintNames = []string{"model", "vendor", "serial", "size", "wwn", "wwn_with_extension", "wwn_vendor_extension", "rotational", "hctl", "by_path", "name"}

// rootDevice reads hints such as `size=>= 100,rotational=false`.
func rootDevice(text string) (map[string]string, error) {
	if text == "" {
		return nil, nil
	}
	out := map[string]string{}
	for pair := range strings.SplitSeq(text, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(pair), "=")
		if !ok || value == "" || !slices.Contains(hintNames, name) {
			return nil, fmt.Errorf("pairs NAME=VALUE are expected, with names among %s", strings.Join(hintNames, ", "))
		}
		out[name] = value
	}
	return out, nil
}

// machineNeed is so many machines of a kind, for an image.
type machineNeed struct {
	cloud.Machine
	imageID string
	count   int
}

// room compares a demand with quotas and with the machines that there are.
func (s *Server) room(k *checks, d demand) error {
	var short findings
	if fatal := short.add(k.quotas(d)); fatal != nil {
		return fatal
	}
	if fatal := short.add(s.machines(k, d.machines)); fatal != nil {
		return fatal
	}
	return short.err
}

// machines looks for the nodes that a request needs. Who asks has no rights on Ironic: the service looks itself.
func (s *Server) machines(k *checks, needs []machineNeed) error {
	needs = slices.DeleteFunc(slices.Clone(needs), func(n machineNeed) bool { return n.count == 0 || n.ResourceClass == "" })
	if len(needs) == 0 {
		return nil
	}
	var short findings
	if fatal := short.add(s.machineQuota(k, needs)); fatal != nil {
		return fatal
	}
	nodes, err := s.available(k)
	if err != nil {
		return errors.Join(short.err, err)
	}
	now := s.Now()
	slices.SortStableFunc(needs, func(a, b machineNeed) int { return len(b.Traits) - len(a.Traits) }) // who is picky chooses first
	for _, n := range needs {
		usable := func(x cloud.BaremetalNode) bool { return n.Fits(x) && x.Unusable(now) == "" }
		unfit, lack, err := k.unfit(n, slices.DeleteFunc(slices.Clone(nodes), func(x cloud.BaremetalNode) bool { return !usable(x) }))
		if fatal := short.add(about("image_id", err)); fatal != nil {
			return fatal
		}
		have := 0
		nodes = slices.DeleteFunc(nodes, func(x cloud.BaremetalNode) bool {
			if have < n.count && usable(x) && !unfit[x.ID] {
				have++
				return true
			}
			return false
		})
		switch {
		case have < n.count && have+len(unfit) >= n.count:
			_ = short.add(about("image_id", lack)) // never fatal
		case have < n.count:
			_ = short.add(about("node_count", fail(http.StatusConflict, "There is not enough bare metal: %d nodes of resource class %s%s are needed, and %d are available.",
				n.count, n.ResourceClass, withTraits(n.Traits), have))) // never fatal
		}
	}
	return short.err
}

// unfit tells which of these nodes an image cannot be deployed on, and what it lacks for them.
func (k *checks) unfit(n machineNeed, nodes []cloud.BaremetalNode) (unfit map[string]bool, lack, err error) {
	nodes = slices.DeleteFunc(nodes, func(x cloud.BaremetalNode) bool { return len(x.Lacks(cloud.ImageInfo{})) == 0 })
	if len(nodes) == 0 || n.imageID == "" { // whatever the image; or there is none, which is told elsewhere
		return nil, nil, nil
	}
	image, err := k.image(n.imageID)
	if err != nil {
		return nil, nil, err
	}
	unfit = map[string]bool{}
	for _, x := range nodes {
		if missing := x.Lacks(image); len(missing) > 0 {
			unfit[x.ID] = true
			lack = lacking(image, missing, "the nodes of resource class "+n.ResourceClass+withTraits(n.Traits), x)
		}
	}
	return unfit, lack, nil
}

// lacking says what an image has not that machines need of it.
func lacking(image cloud.ImageInfo, missing []string, of string, machine cloud.BaremetalNode) error {
	return badRequest("Image %s has no %s, and the deploy interface of %s is %s: it boots the images that these properties name.",
		image.Name, strings.Join(missing, " and no "), of, machine.DeployInterface)
}

func withTraits(traits []string) string {
	if len(traits) == 0 {
		return ""
	}
	return " with " + strings.Join(traits, ", ")
}

// available lists the nodes of our part of Ironic that are.
func (s *Server) available(k *checks) ([]cloud.BaremetalNode, error) {
	b, err := s.Clouds.Baremetal(k.ctx)
	if cloud.IsNoEndpoint(err) {
		return nil, badRequest("The cloud has no bare metal service, which server_type bm asks for.")
	}
	if err != nil {
		return nil, err
	}
	return b.Nodes(k.ctx, cloud.NodeFilter{Pool: s.Defaults.Baremetal, State: "available"})
}

// nodeQuota is how many bare-metal nodes a project may have. It is held to when nodes are written, too: requests side by
// side all see what was there before them.
func (s *Server) nodeQuota() db.NodeQuota {
	return db.NodeQuota{Resource: db.QuotaBaremetal, Driver: ironicDriver, Default: s.Defaults.MaxBaremetal}
}

// machineQuota compares with how many bare-metal nodes the project may have.
func (s *Server) machineQuota(k *checks, needs []machineNeed) error {
	limit, used, err := s.Store.NodeQuota(k.ctx, k.clients.ProjectID, s.nodeQuota())
	if err != nil || limit < 0 {
		return err
	}
	want := 0
	for _, n := range needs {
		want += n.count
	}
	if used+want > limit {
		return about("node_count", &db.NodeQuotaError{Resource: db.QuotaBaremetal, Limit: limit, Used: used, More: want})
	}
	return nil
}

// onOneNetwork looks at the network that virtual machines and bare metal are to share, with the service's rights: nobody
// else sees its type. What is worth knowing and no problem is noted.
func (s *Server) onOneNetwork(k *checks, networkID string, groups []*db.NodeGroup) ([]wire.Problem, error) {
	metal, virtual := false, false
	for _, g := range groups {
		metal, virtual = metal || g.Driver == ironicDriver, virtual || g.Driver != ironicDriver
	}
	if !metal {
		return nil, nil
	}
	note := func(text string, args ...any) []wire.Problem {
		return []wire.Problem{{Field: "fixed_network", Severity: wire.SeverityInfo, Message: fmt.Sprintf(text, args...)}}
	}
	if networkID == "" {
		return note("All nodes are on one network, which is made for the cluster: bare-metal nodes need Ironic's network interface neutron to be put there."), nil
	}
	clients, err := s.Clouds.Service(k.ctx)
	if err != nil {
		return nil, err
	}
	n, err := clients.Network()
	if err != nil {
		return nil, err
	}
	l, err := n.Networks(k.ctx, networkID)
	if err != nil || len(l) == 0 {
		return nil, err
	}
	var notes []wire.Problem
	if virtual {
		notes = note("Virtual machines and bare metal are on one network: nothing is routed between them%s.", mtuWords(l[0].MTU))
	}
	if !l[0].PortSecurity {
		notes = append(notes, note("The network has port security off: its nodes get no security groups.")...)
	}
	if slices.Contains([]string{"vxlan", "gre", "geneve"}, l[0].Type) {
		nodes, err := s.available(k)
		if err != nil {
			return notes, err
		}
		if slices.ContainsFunc(nodes, func(n cloud.BaremetalNode) bool { return n.NetworkInterface != "neutron" }) {
			return notes, about("fixed_network", badRequest("Network %s is of type %s, and there are bare-metal nodes whose network interface is not neutron: they cannot be put on it.", l[0].Name, l[0].Type))
		}
	}
	return notes, nil
}

func mtuWords(mtu int) string {
	if mtu == 0 {
		return ""
	}
	return fmt.Sprintf(", and its MTU of %d is that of both", mtu)
}
