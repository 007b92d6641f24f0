package api

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/jeroboam-cloud/jeroboam/api/wire"
	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
	"github.com/jeroboam-cloud/jeroboam/drivers/userdata"
)

func hexByte(s string) uint64 {
	n, _ := strconv.ParseUint(s, 16, 8) // a UUID's digits
	return n
}

func itoa(n int) string { return strconv.Itoa(n) }

// clusterPlan is what a create request comes to.
type clusterPlan struct {
	cluster  *db.Cluster
	groups   []*db.NodeGroup
	warnings []wire.Problem // what is accepted, and better known before
}

// mergeLabels is Magnum's rule: nothing given → the parent's; given → exactly these; given with merge_labels → both.
func mergeLabels(parent, given db.Strings, merge bool) db.Strings {
	switch {
	case len(given) == 0:
		return maps.Clone(parent)
	case !merge:
		return given
	}
	out := maps.Clone(parent)
	if out == nil {
		out = db.Strings{}
	}
	maps.Copy(out, given)
	return out
}

func pick[T any](v, fallback *T) *T {
	if v != nil {
		return v
	}
	return fallback
}

// resolveCluster checks the request with the caller's rights and turns names into ids. Nothing is stored yet. Its error has
// all findings: a check that others depend on does not keep them from being made where they still mean something.
func (s *Server) resolveCluster(c echo.Context, r *clusterRequest, t *db.ClusterTemplate) (*clusterPlan, error) {
	who := callerOf(c)
	cl := &db.Cluster{UUID: s.NewUUID(), ProjectID: who.ProjectID, UserID: who.UserID, Name: r.name, ClusterTemplateID: t.UUID,
		Keypair: pick(r.keypair, t.KeypairID), DockerVolumeSize: pick(r.dockerVolumeSize, t.DockerVolumeSize), Labels: mergeLabels(t.Labels, r.labels, r.mergeLabels),
		MasterFlavorID: pick(pick(r.masterFlavor, t.MasterFlavorID), pick(r.flavor, t.FlavorID)), FlavorID: pick(r.flavor, t.FlavorID), CreateTimeout: r.createTimeout, DiscoveryURL: r.discoveryURL,
		FixedNetwork: pick(r.fixedNetwork, t.FixedNetwork), FixedSubnet: pick(r.fixedSubnet, t.FixedSubnet),
		FloatingIPEnabled: or(r.floatingIP, t.FloatingIPEnabled), MasterLBEnabled: or(r.masterLB, t.MasterLBEnabled), Status: ops.CreateInProgress, CreatedAt: s.Now()}
	if cl.Name == "" {
		cl.Name = s.randomName("cluster")
	}
	cl.StackID = stackID(cl.Name)
	k, err := s.checks(c)
	if err != nil {
		return nil, err
	}
	found := findings{volumeFits(cl.DockerVolumeSize, t.DockerStorageDriver)}
	if r.masters > 1 && !cl.MasterLBEnabled {
		_ = found.add(about("master_count", badRequest("Invalid input for field/attribute master_count. Value: '%d'. More than one master needs a load balancer: set master_lb_enabled.", r.masters))) // never fatal
	}
	image, err := k.image(t.ImageID)
	if fatal := found.add(about("cluster_template_id", err)); fatal != nil {
		return nil, fatal
	}
	spec, err := s.clusterSpec(k, cl, t, image)
	if fatal := found.add(err); fatal != nil {
		return nil, fatal
	}
	spec.ContainerInfraURL = s.publicURL(c.Request().Context(), who)
	warnings, err := s.addons(cl.Labels, spec, nil)
	if fatal := found.add(err); fatal != nil {
		return nil, fatal
	}
	if !spec.Has(ops.AddonKeystoneAuth) {
		spec.ContainerInfraURL = ""
	}
	if fatal := found.add(k.volumeType(ops.LabelDefaultVolumeType, spec.AddonSettings[ops.LabelDefaultVolumeType])); fatal != nil {
		return nil, fatal
	}
	if cl.MasterLBEnabled || spec.Has(ops.AddonCloudProvider) {
		if fatal := found.add(k.loadBalancerProvider("octavia_provider", spec.LBProvider)); fatal != nil {
			return nil, fatal
		}
	}
	spec.ServerType = t.ServerType
	spec.RoleNames, err = s.serviceUserRoles(who)
	if fatal := found.add(err); fatal != nil {
		return nil, fatal
	}
	if cl.Keypair != nil {
		key, err := k.publicKey(*cl.Keypair)
		if fatal := found.add(about("keypair", err)); fatal != nil {
			return nil, fatal
		}
		cl.SSHPublicKey = &key
	}
	if cl.Spec, err = json.Marshal(spec); err != nil {
		return nil, err
	}
	plan, err := s.defaultGroups(k, cl, r, t, spec, image)
	if fatal := found.add(err); fatal != nil {
		return nil, fatal
	}
	if plan != nil {
		plan.warnings = slices.Concat(plan.warnings, warnings, withoutEffect(t, spec))
	}
	return plan, found.err
}

// withoutEffect tells which attributes of a template, that every client of Magnum may set, nothing here reads.
func withoutEffect(t *db.ClusterTemplate, spec *ops.ClusterSpec) []wire.Problem {
	var out []wire.Problem
	for _, x := range []struct {
		set            bool
		field, instead string
	}{
		{t.RegistryEnabled, "registry_enabled", "no registry is made"},
		{t.InsecureRegistry != nil, "insecure_registry", "hosts trust registries by their certificates alone"},
		{t.VolumeDriver != nil && !spec.Has(ops.AddonCinderCSI), "volume_driver", "label cinder_csi_enabled gives volumes of Cinder"},
	} {
		if x.set {
			out = append(out, wire.Problem{Field: "cluster_template_id", Severity: wire.SeverityWarning, Message: "The " + x.field + " of the cluster template has no effect: " + x.instead + "."})
		}
	}
	return out
}

// serviceUserRoles are those of the configured roles that the caller holds: a cluster never gets more than its creator.
func (s *Server) serviceUserRoles(who caller) ([]string, error) {
	var held []string
	for _, role := range s.Defaults.ServiceUserRoles {
		if slices.Contains(who.Roles, role) {
			held = append(held, role)
		}
	}
	if len(held) == 0 && len(s.Defaults.ServiceUserRoles) > 0 {
		return nil, fail(http.StatusForbidden, "A cluster acts in the cloud with the roles %s of its creator, and you hold none of them in this project.", strings.Join(s.Defaults.ServiceUserRoles, ", "))
	}
	return held, nil
}

// stackID is the orchestrator's name of a cluster: what every cloud object's name starts with.
func stackID(name string) string {
	label := ops.Label(name, 20)
	if label == "" || label[0] < 'a' {
		label = strings.Trim("k-"+label, "-")
	}
	return label + "-" + ops.Suffix(rand.Reader)
}

func (s *Server) clusterSpec(k *checks, cl *db.Cluster, t *db.ClusterTemplate, image cloud.ImageInfo) (*ops.ClusterSpec, error) {
	l := &labels{m: cl.Labels}
	pods := map[string]string{"flannel": "flannel_network_cidr", "cilium": "cilium_ipv4pool"}[t.NetworkDriver]
	if pods == "" {
		pods = "calico_ipv4pool"
	}
	spec := &ops.ClusterSpec{KubernetesVersion: imageVersion(l, image), Distro: image.Properties["os_distro"],
		// What kubeadm takes: every node has a /24 of the pods' network, of which there may be 2^16.
		SubnetCIDR: l.cidr("fixed_subnet_cidr", "10.0.0.0/24", 1, 29), PodCIDR: l.cidr(pods, "10.100.0.0/16", 8, 24), ServiceCIDR: l.cidr("service_cluster_ip_range", "10.254.0.0/16", 12, 28),
		DNSDomain: l.domain("dns_cluster_domain", "cluster.local"), NetworkDriver: t.NetworkDriver, APIPort: or(t.APIServerPort, 6443),
		APIFloatingIP: cl.FloatingIPEnabled, APIAllowedCIDRs: l.cidrs("api_master_lb_allowed_cidrs"), APICertSANs: l.sans("api_server_cert_sans"),
		LBProvider: l.text("octavia_provider", ""), ServerGroupPolicy: l.choice("server_group_policies", s.Defaults.AffinityPolicy, "soft-anti-affinity", "anti-affinity", "soft-affinity", "affinity"),
		PodNetworkMode:     l.choice("pod_network_mode", ops.PodsOverlay, ops.PodsOverlay, ops.PodsRouted),
		VolumeDeletePolicy: l.choice("volume_delete_policy", ops.KeepVolumes, ops.KeepVolumes, ops.DeleteVolumes),
		HTTPProxy:          or(t.HTTPProxy, ""), HTTPSProxy: or(t.HTTPSProxy, ""), NoProxy: or(t.NoProxy, ""), ImageRepository: l.registry("container_infra_prefix"),
		NTPServers: l.hosts("ntp_servers")}
	if len(spec.APIAllowedCIDRs) == 0 {
		spec.APIAllowedCIDRs = l.cidrs("master_lb_allowed_cidrs")
	}
	if cl.MasterLBEnabled {
		spec.APIFloatingIP = l.flag("master_lb_floating_ip_enabled", cl.FloatingIPEnabled)
	}
	if t.DNSNameserver != nil {
		for _, a := range strings.Split(*t.DNSNameserver, ",") {
			spec.DNSNameservers = append(spec.DNSNameservers, strings.TrimSpace(a))
		}
	}
	l.flag("auto_healing_enabled", false)
	found := findings{errors.Join(l.err, proxies(t))}
	if !userdata.ValidAPIPort(spec.APIPort) {
		_ = found.add(about("cluster_template_id", badRequest("The apiserver_port of the cluster template, %d, is one that Kubernetes needs for something else.", spec.APIPort))) // never fatal
	}
	err := k.networks(cl, t, spec)
	if fatal := found.add(err); fatal != nil {
		return spec, fatal
	}
	if l.err == nil && err == nil {
		_ = found.add(overlap(cl, spec, pods)) // never fatal
	}
	if fatal := found.add(routable(spec)); fatal != nil {
		return spec, fatal
	}
	return spec, found.err
}

// imageVersion is the Kubernetes version of a cluster or node group; "" when there is no image to ask.
func imageVersion(l *labels, image cloud.ImageInfo) string {
	if image.ID == "" {
		return ""
	}
	return l.version(image.Properties["kube_version"])
}

// proxies refuses those of a template that no host could be told. A template itself may have any text there, as in Magnum.
func proxies(t *db.ClusterTemplate) error {
	var problems error
	refuse := func(field, expected string) { // the value is not repeated: it may hold a password
		problems = errors.Join(problems, about("cluster_template_id", badRequest("The %s of the cluster template is not %s.", field, expected)))
	}
	for _, x := range []struct {
		field string
		value *string
	}{{"http_proxy", t.HTTPProxy}, {"https_proxy", t.HTTPSProxy}} {
		if x.value != nil && !userdata.ValidProxy(*x.value) {
			refuse(x.field, "a URL of http or https, such as http://proxy.example.org:3128, with other characters percent-encoded")
		}
	}
	for exempt := range strings.SplitSeq(or(t.NoProxy, ""), ",") {
		if exempt = strings.TrimSpace(exempt); exempt != "" && !userdata.ValidExemption(exempt) {
			refuse("no_proxy", "a comma list of hosts, domains and networks")
			break
		}
	}
	return problems
}

// defaultGroups makes default-master and default-worker, and compares what all of it needs with the quotas.
func (s *Server) defaultGroups(k *checks, cl *db.Cluster, r *clusterRequest, t *db.ClusterTemplate, spec *ops.ClusterSpec, image cloud.ImageInfo) (*clusterPlan, error) {
	l := &labels{m: cl.Labels}
	var most *int
	least := l.number("min_node_count", 0, 0)
	if n := l.number("max_node_count", 0, 0); n > 0 { // those who autoscale on Magnum read the label
		most = &n
	}
	if most != nil && *most < least { // no size would ever be allowed
		l.fail("max_node_count", "less than min_node_count, "+itoa(least))
	}
	found := findings{l.err}
	plan, d := &clusterPlan{cluster: cl}, demand{secGroups: 2, serverGroups: 2}
	if spec.NetworkID == "" {
		d.networks, d.subnets = 1, 1
		if spec.ExternalNetworkID != "" {
			d.routers = 1
		}
	}
	if cl.MasterLBEnabled {
		d.ports++
		d.loadBalancers++
	}
	if spec.APIFloatingIP {
		d.floatingIPs++
	}
	for _, x := range []struct {
		name, role, field, zones string
		flavor                   *string
		count, least             int
		most                     *int
	}{{"default-master", db.RoleMaster, "master_flavor_id", "control_plane_availability_zones", cl.MasterFlavorID, r.masters, 0, nil},
		{"default-worker", db.RoleWorker, "flavor_id", "availability_zone", cl.FlavorID, r.nodes, least, most}} {
		g := &db.NodeGroup{UUID: s.NewUUID(), ClusterUUID: cl.UUID, ProjectID: cl.ProjectID, Name: x.name, Role: x.role, IsDefault: true,
			FlavorID: or(x.flavor, ""), ImageID: t.ImageID, DockerVolumeSize: cl.DockerVolumeSize, Labels: maps.Clone(cl.Labels), NodeCount: x.count, MinNodeCount: x.least, MaxNodeCount: x.most,
			Status: ops.CreateInProgress, CreatedAt: cl.CreatedAt}
		if x.flavor == nil {
			found.err = errors.Join(found.err, about(x.field, badRequest("%s is needed: neither the cluster nor its template names a flavor.", x.field)))
			continue
		}
		if err := s.setDriver(g, spec.ServerType); err != nil {
			_ = found.add(about("cluster_template_id", err)) // never fatal
			continue
		}
		f, err := s.groupSpec(k, g, x.field, x.zones, image)
		if fatal := found.add(err); fatal != nil {
			return nil, fatal
		}
		d.hosts(x.count, f, g)
		plan.groups = append(plan.groups, g)
		if text := unpinned(f, image); text != "" && f.ID != "" && g.Role != db.RoleMaster && g.Driver == vmDriver {
			plan.warnings = append(plan.warnings, wire.Problem{Field: x.field, Severity: wire.SeverityWarning, Message: text})
		}
	}
	if fatal := found.add(s.room(k, d)); fatal != nil {
		return nil, fatal
	}
	notes, err := s.onOneNetwork(k, spec.NetworkID, plan.groups)
	if fatal := found.add(err); fatal != nil {
		return nil, fatal
	}
	plan.warnings = append(plan.warnings, notes...)
	return plan, found.err
}

// groupSpec resolves a node group's flavour, image and labels. What is wrong with the volumes' size is told by the flavour.
func (s *Server) groupSpec(k *checks, g *db.NodeGroup, field, zonesLabel string, image cloud.ImageInfo) (cloud.Flavor, error) {
	l := &labels{m: g.Labels}
	spec := ops.GroupSpec{ImageID: image.ID, Distro: image.Properties["os_distro"], KubeVersion: imageVersion(l, image),
		BootVolumeSize: l.number("boot_volume_size", s.Defaults.BootVolumeSize, 0), BootVolumeType: l.text("boot_volume_type", s.Defaults.BootVolumeType),
		DockerVolumeType: l.text("docker_volume_type", s.Defaults.DockerVolumeType), AvailabilityZones: l.list(zonesLabel)}
	if len(spec.AvailabilityZones) == 0 {
		zonesLabel = "availability_zone"
		spec.AvailabilityZones = l.list(zonesLabel)
	}
	if g.Role != db.RoleMaster {
		spec.Runtime = l.runtime()
	}
	found := findings{l.err}
	f, err := k.flavor(field, g.FlavorID)
	if fatal := found.add(about(field, err)); fatal != nil {
		return f, fatal
	}
	if err == nil && g.Driver == ironicDriver {
		_ = found.add(machineSpec(g, &spec, f, field, image, &labels{m: g.Labels})) // never fatal
	}
	if err == nil && image.ID != "" {
		spec.FlavorID = f.ID
		// Never fatal: all is known.
		_ = found.add(about(field, fits(f, g, field, spec.BootVolumeSize, image)))
		_ = found.add(about("labels."+runtimeLabel, imageRuns(image, spec.Runtime)))
		_ = found.add(about(field, hostRuns("Flavor "+g.FlavorID, spec.Runtime, requiredTraits(f.ExtraSpecs), requiredTraits(image.Properties))))
	}
	if fatal := found.add(k.zones(zonesLabel, slices.Clone(spec.AvailabilityZones))); fatal != nil {
		return f, fatal
	}
	if spec.BootVolumeSize > 0 {
		if fatal := found.add(k.volumeType("boot_volume_type", spec.BootVolumeType)); fatal != nil {
			return f, fatal
		}
	}
	if g.DockerVolumeSize != nil {
		if fatal := found.add(k.volumeType("docker_volume_type", spec.DockerVolumeType)); fatal != nil {
			return f, fatal
		}
	}
	if g.Spec, err = json.Marshal(spec); err != nil {
		return f, err
	}
	return f, found.err
}

// fits refuses a flavour that the image cannot boot on.
func fits(f cloud.Flavor, g *db.NodeGroup, field string, boot int, image cloud.ImageInfo) error {
	disk, name := f.Disk, g.FlavorID
	if g.Driver == ironicDriver && (disk == 0 || f.RAM == 0) { // nothing is said of the machine but its resource class
		return nil
	}
	if boot > 0 {
		disk = boot
	}
	switch {
	case disk == 0:
		return badRequest("Flavor %s (%s) has no root disk: set label boot_volume_size.", name, field)
	case disk < image.MinDisk:
		return badRequest("Flavor %s (%s): image %s needs a root disk of %d GB, it would have %d.", name, field, image.Name, image.MinDisk, disk)
	case f.RAM < image.MinRAM:
		return badRequest("Flavor %s (%s): image %s needs %d MB of memory, it would have %d.", name, field, image.Name, image.MinRAM, f.RAM)
	}
	return nil
}
