package service

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
	"github.com/jeroboam-cloud/jeroboam/drivers/ironic"
)

// Default is what group [DEFAULT] has beside the options of the log.
type Default struct {
	TransportURL    string        `opt:"transport_url" default:"rabbit://" secret:"true" help:"RabbitMQ: rabbit://user:password@host:5672,user:password@host2:5672/vhost"`
	ControlExchange string        `opt:"control_exchange" default:"magnum" help:"Exchange of RabbitMQ that notifications are published to"`
	Host            string        `opt:"host" sample:"<host name>" help:"Name of this conductor among the others, in mservices; unset: the name of the machine. Two conductors on one machine need different ones"`
	ServiceDownTime time.Duration `opt:"service_down_time" default:"180" min:"1" unit:"s" help:"Seconds after which a conductor that was not heard of is shown as down"`
	StatePath       string        `opt:"state_path" default:"/var/lib/jeroboam" help:"Folder for what the service keeps in files; other options may refer to it as $state_path"`
}

// Conducting is what group [conductor] has beside the conductor's own options.
type Conducting struct {
	MetricsHost string `opt:"metrics_host" default:"127.0.0.1" help:"Address that metrics_port listens on"`
	MetricsPort int    `opt:"metrics_port" default:"0" min:"0" max:"65535" help:"Port where the conductor serves /metrics and /healthcheck; 0: nowhere"`
	Parallel    int    `opt:"parallel_steps" default:"16" min:"1" max:"256" help:"How many steps of one operation are carried out side by side"`
}

// ProxyHeaders is what group [oslo_middleware] has of use.
type ProxyHeaders struct {
	Enabled bool `opt:"enable_proxy_headers_parsing" default:"false" help:"Believe X-Forwarded-Proto, -Host and -Prefix of the proxy in front"`
}

// X509 is group [x509].
type X509 struct {
	AllowCA           bool     `opt:"allow_ca" default:"false" help:"Sign certificates of authorities for users"`
	AllowedExtensions []string `opt:"allowed_extensions" default:"keyUsage,extendedKeyUsage,subjectAltName,basicConstraints,subjectKeyIdentifier" help:"Extensions that a certificate signed for a user may have, by name or number"`
	AllowedKeyUsage   []string `opt:"allowed_key_usage" default:"Digital Signature,Key Encipherment,Non Repudiation" help:"Key usages that a certificate signed for a user may have"`
	TermOfValidity    int      `opt:"term_of_validity" default:"1825" min:"1" max:"36500" help:"Days that certificates are valid, those of clusters and those signed for users"`
	RSAKeySize        int      `opt:"rsa_key_size" default:"2048" min:"2048" max:"8192" help:"Size of the keys of a cluster's authorities"`
}

// Cluster is group [cluster].
type Cluster struct {
	AffinityPolicy string `opt:"nodes_affinity_policy" default:"soft-anti-affinity" choices:"soft-anti-affinity,anti-affinity,soft-affinity,affinity" help:"How the hosts of a node group are spread over hypervisors, unless label server_group_policies says otherwise"`
}

// Template is group [cluster_template].
type Template struct {
	AllowedNetworkDrivers []string `opt:"kubernetes_allowed_network_drivers" default:"flannel,calico" help:"Network drivers that a template may name; all: every one"`
	NetworkDriver         string   `opt:"kubernetes_default_network_driver" default:"flannel" help:"Network driver of a template that names none"`
}

// Quotas is group [quotas].
type Quotas struct {
	MaxClusters  int `opt:"max_clusters_per_project" default:"20" min:"0" help:"Clusters that a project without a quota of its own may have"`
	MaxBaremetal int `opt:"max_baremetal_nodes_per_project" default:"-1" min:"-1" help:"Bare-metal nodes that a project without a quota of its own (resource BaremetalNode) may have in all its clusters; -1: no limit"`
}

// Cinder is group [cinder].
type Cinder struct {
	DockerVolumeType string `opt:"default_docker_volume_type" help:"Volume type of volumes for containers; unset: Cinder's default"`
	BootVolumeType   string `opt:"default_boot_volume_type" help:"Volume type of boot volumes; unset: Cinder's default"`
	BootVolumeSize   int    `opt:"default_boot_volume_size" default:"0" min:"0" help:"GiB of the volume that hosts boot from; 0: they boot from the image on local disk"`
}

// ServiceUser is group [service_user].
type ServiceUser struct {
	Domain string   `opt:"domain" default:"jeroboam" help:"Name of the domain in Keystone that holds one service user for each cluster. The user in [keystone_auth] needs the right to make users there"`
	Roles  []string `opt:"roles" default:"member" help:"Roles that a cluster's service user gets on the project of the cluster. Octavia wants load-balancer_member beside member unless it was set up for the default roles"`
}

// Drivers is group [drivers].
type Drivers struct {
	Enabled []string `opt:"enabled" default:"vm" help:"Drivers of machines that clusters may use"`
	CAFile  string   `opt:"openstack_ca_file" help:"File with certificates that hosts of clusters trust beside those of their images: the authority of the cloud's endpoints, of a registry or a proxy. The service itself has cafile in [keystone_auth]"`
}

// authorities that hosts trust beside their own. What is in the file and is no certificate is refused: a host would pass over
// it in silence.
func (d Drivers) authorities() ([]byte, error) {
	if d.CAFile == "" {
		return nil, nil
	}
	bundle, err := os.ReadFile(d.CAFile)
	if err != nil {
		return nil, fmt.Errorf("[drivers] openstack_ca_file: %w", err)
	}
	var out []byte
	for block, rest := pem.Decode(bundle); block != nil; block, rest = pem.Decode(rest) {
		if _, err := x509.ParseCertificate(block.Bytes); err != nil || block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("[drivers] openstack_ca_file: %s has a %s that is no certificate", d.CAFile, strings.ToLower(block.Type))
		}
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: block.Type, Bytes: block.Bytes})...)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("[drivers] openstack_ca_file: %s has no certificate", d.CAFile)
	}
	return out, nil
}

// Ironic is group [ironic].
type Ironic struct {
	ConductorGroup string        `opt:"conductor_group" help:"Conductor group of the nodes that clusters may have; unset: of any"`
	Owner          string        `opt:"owner" help:"Project that owns the nodes that clusters may have; unset: any"`
	Shard          string        `opt:"shard" help:"Shard of the nodes that clusters may have; unset: any. Ironic knows shards from microversion 1.82 on"`
	RackProperty   string        `opt:"rack_property" default:"rack" help:"Property of a node that says in which rack it stands. Where it has none, a trait CUSTOM_RACK_… says it. The nodes of a node group are spread over racks"`
	SystemScope    string        `opt:"system_scope" choices:"all" help:"all: the service asks Ironic with a token for the whole system, as its policies in their new form want; its user, of [keystone_auth], then needs role member on the system. Unset: with one for its project"`
	AvoidTime      time.Duration `opt:"avoid_time" default:"21600" min:"0" unit:"s" help:"Seconds for which a node is not tried again that could not be deployed. It stands in the node's extra, as jeroboam_avoid"`
}

func (i Ironic) driver() ironic.Config {
	return ironic.Config{Pool: cloud.Pool{ConductorGroup: i.ConductorGroup, Owner: i.Owner, Shard: i.Shard}, RackProperty: i.RackProperty, AvoidFor: i.AvoidTime}
}
