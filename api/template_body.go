package api

import (
	"errors"
	"net/netip"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/jeroboam-cloud/jeroboam/db"
)

const maxText = 255

func or[T any](v *T, fallback T) T {
	if v == nil {
		return fallback
	}
	return *v
}

// readTemplate reads the attributes of a template; what is checked against the cloud is settleTemplate's.
func readTemplate(f *form) (*db.ClusterTemplate, error) {
	f.ReadOnly("links", "project_id", "user_id", "created_at", "updated_at", "id")
	f.Required("image_id")
	t := &db.ClusterTemplate{
		UUID: strings.ToLower(or(f.Match("uuid", 36, uuidForm), "")), Name: or(f.String("name", maxText), ""), COE: or(f.Choice("coe", "kubernetes"), ""),
		ImageID: or(f.String("image_id", maxText), ""), FlavorID: f.String("flavor_id", maxText), MasterFlavorID: f.String("master_flavor_id", maxText),
		DNSNameserver: f.String("dns_nameserver", maxText), KeypairID: f.String("keypair_id", maxText), ExternalNetworkID: f.String("external_network_id", maxText),
		FixedNetwork: f.String("fixed_network", maxText), FixedSubnet: f.String("fixed_subnet", maxText), NetworkDriver: or(f.String("network_driver", maxText), ""),
		APIServerPort: f.Int("apiserver_port", 1024, 65535), DockerVolumeSize: f.Int("docker_volume_size", 1, 1<<20), DockerStorageDriver: f.String("docker_storage_driver", maxText),
		ClusterDistro: or(f.String("cluster_distro", maxText), ""), HTTPProxy: f.String("http_proxy", maxText), HTTPSProxy: f.String("https_proxy", maxText),
		NoProxy: f.String("no_proxy", maxText), VolumeDriver: f.Choice("volume_driver", "cinder"), RegistryEnabled: or(f.Bool("registry_enabled"), false),
		InsecureRegistry: f.String("insecure_registry", maxText), Labels: f.Strings("labels"), TLSDisabled: or(f.Bool("tls_disabled"), false),
		Public: or(f.Bool("public"), false), Hidden: or(f.Bool("hidden"), false), ServerType: or(f.Choice("server_type", "vm", "bm"), "vm"),
		MasterLBEnabled: or(f.Bool("master_lb_enabled"), false), FloatingIPEnabled: or(f.Bool("floating_ip_enabled"), true),
		Tags: f.String("tags", maxText), Driver: f.String("driver", maxText),
	}
	if f.value("coe") == nil {
		f.fail("coe", "COE type Unset is not supported.")
	}
	if err := volumeFits(t.DockerVolumeSize, t.DockerStorageDriver); err != nil {
		f.err = errors.Join(f.err, err)
	}
	if t.DNSNameserver != nil && !isIPv4List(*t.DNSNameserver) {
		f.fail("dns_nameserver", "A comma list of IPv4 addresses is expected.")
	}
	if t.TLSDisabled {
		f.fail("tls_disabled", "Clusters without TLS are not supported.")
	}
	return t, f.done()
}

// volumeFits: devicemapper needs a volume of some size.
func volumeFits(size *int, storage *string) error {
	if size == nil || *size >= 3 || or(storage, "") != "devicemapper" {
		return nil
	}
	return about("docker_volume_size", badRequest("Invalid input for field/attribute docker_volume_size. Value: '%d'. It should be at least 3 GB for the storage driver devicemapper.", *size))
}

// isIPv4List: every item has to be an address; an empty one would only be refused by Neutron, when the cluster is made.
func isIPv4List(list string) bool {
	for a := range strings.SplitSeq(list, ",") {
		if ip, err := netip.ParseAddr(strings.TrimSpace(a)); err != nil || !ip.Is4() {
			return false
		}
	}
	return true
}

// upstreamDrivers are the names of Magnum's drivers, which templates of a cloud that moves here may carry.
func upstreamDrivers() []string {
	return []string{"k8s_fedora_coreos_v1", "k8s_capi_helm_v1", "k8s_cluster_api_ubuntu", "k8s_cluster_api_ubuntu_focal", "k8s_cluster_api_debian",
		"k8s_cluster_api_flatcar", "k8s_cluster_api_rockylinux"}
}

// settleTemplate checks a template against configuration and cloud, and fills what follows from them.
func (s *Server) settleTemplate(c echo.Context, t *db.ClusterTemplate) error {
	d := s.Defaults
	if t.NetworkDriver == "" {
		t.NetworkDriver = d.NetworkDriver
	}
	if !slices.Contains([]string{"flannel", "calico", "cilium", "none"}, t.NetworkDriver) {
		return badRequest("Network driver type %s is not supported, expecting one of flannel, calico, cilium, none.", t.NetworkDriver)
	}
	if !slices.Contains(d.NetworkDrivers, "all") && !slices.Contains(d.NetworkDrivers, t.NetworkDriver) {
		return badRequest("Network driver %s is not allowed, expecting one of %s.", t.NetworkDriver, strings.Join(d.NetworkDrivers, ", "))
	}
	groupDriver, err := s.groupDriver(t.ServerType)
	if err != nil {
		return err
	}
	k, err := s.checks(c)
	if err != nil {
		return err
	}
	image, err := k.image(t.ImageID)
	if err != nil {
		return err
	}
	t.ClusterDistro = image.Properties["os_distro"]
	if t.Driver == nil {
		driver := image.Properties["magnum_driver"]
		if driver == "" {
			driver = groupDriver
		}
		t.Driver = &driver
	}
	if known := append(upstreamDrivers(), d.EnabledDrivers...); !slices.Contains(known, *t.Driver) {
		return badRequest("Driver %s is not supported, expecting one of %s.", *t.Driver, strings.Join(d.EnabledDrivers, ", "))
	}
	return s.settleTemplateNetwork(k, t)
}

func (s *Server) settleTemplateNetwork(k *checks, t *db.ClusterTemplate) error {
	if t.ExternalNetworkID != nil {
		if _, err := k.externalNetwork(*t.ExternalNetworkID); err != nil {
			return err
		}
	}
	networkID := ""
	if t.FixedNetwork != nil {
		x, err := k.networkByName("fixed_network", *t.FixedNetwork)
		if err != nil {
			return err
		}
		networkID = x.ID
	}
	if t.FixedSubnet != nil {
		if _, err := k.subnet(*t.FixedSubnet, networkID); err != nil {
			return err
		}
	}
	l := &labels{m: t.Labels}
	boot := l.number("boot_volume_size", s.Defaults.BootVolumeSize, 0)
	if l.err != nil {
		return l.err
	}
	for _, x := range []struct {
		field string
		name  *string
	}{{"flavor_id", t.FlavorID}, {"master_flavor_id", t.MasterFlavorID}} {
		if x.name == nil {
			continue
		}
		f, err := k.flavor(x.field, *x.name)
		if err != nil {
			return err
		}
		role := map[string]string{"flavor_id": db.RoleWorker, "master_flavor_id": db.RoleMaster}[x.field]
		if l.serverType(role, t.ServerType) == "bm" {
			if _, err := f.Machine(); err != nil {
				return badRequest("Flavor %s (%s) is not for bare metal: %s.", *x.name, x.field, err)
			}
			continue
		}
		if f.Disk == 0 && boot == 0 {
			return badRequest("Flavor %s (%s) has no root disk: set label boot_volume_size.", *x.name, x.field)
		}
	}
	return l.err
}

// vmDriver makes virtual machines.
const vmDriver = "vm"

// groupDriver names the driver of machines for Magnum's server_type.
func (s *Server) groupDriver(serverType string) (string, error) {
	driver := map[string]string{"vm": vmDriver, "bm": ironicDriver}[serverType]
	if !slices.Contains(s.Defaults.EnabledDrivers, driver) {
		return "", badRequest("Cluster type (%s, kubernetes) is not supported: this service has no driver for server_type %q.", serverType, serverType)
	}
	return driver, nil
}
