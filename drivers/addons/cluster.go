package addons

import (
	"cmp"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"golang.org/x/mod/semver"
)

// Cluster is what add-ons depend on.
type Cluster struct {
	// Name is what cloud-provider-openstack is told and writes on what it makes: a delete of the cluster looks for it.
	Name              string
	KubernetesVersion string // "v1.37.2"
	APIHost           string // where nodes reach the API
	APIPort           int
	PodCIDR           string
	ServiceCIDR       string
	DNSDomain         string
	// ImagePrefix is the registry that has all images, by the last part of their names; "": each image's own.
	ImagePrefix string
	// Settings are labels of the cluster about details of add-ons.
	Settings map[string]string
	// KeystoneRoles are what those may do who come with tokens of Keystone.
	KeystoneRoles []RoleBinding
	Cloud         Cloud
	Storage       Storage
}

// RoleBinding gives those who have a role in Keystone, a group in the cluster, a ClusterRole.
type RoleBinding struct{ Group, ClusterRole string }

// Cloud is how what runs in the cluster reaches OpenStack, and as whom.
type Cloud struct {
	AuthURL   string
	Region    string // "": the only one
	CA        []byte // PEM of the authority of the cloud's endpoints; empty: those that hosts trust
	UserID    string
	UserName  string // with the domain, for whoever takes no id
	Domain    string
	Password  string
	ProjectID string

	SubnetID          string // of the nodes
	ExternalNetworkID string // of floating IPs of load balancers; "": they get none
	LBProvider        string // "": Octavia's default
}

// Storage is what kinds of volumes and shares the project may have.
type Storage struct {
	VolumeTypes       []string
	DefaultVolumeType string // "": none
	ShareTypes        []ShareType
}

// ShareType is one of Manila's.
type ShareType struct {
	Name       string
	OwnServers bool // its shares want a share network
}

// Format keeps the password out of logs, whatever the verb.
func (c Cloud) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "addons.Cloud("+c.AuthURL+" as user "+c.UserID+")")
}

// Format does so for all of it.
func (c Cluster) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "addons.Cluster("+c.Name+")") }

// setting is the value of a label, or else what is given.
func (c Cluster) setting(label, fallback string) string { return cmp.Or(c.Settings[label], fallback) }

// minor of the cluster's Kubernetes version: "1.37".
func (c Cluster) minor() string { return minorOf(c.KubernetesVersion) }

func minorOf(version string) string {
	return strings.TrimPrefix(semver.MajorMinor(version), "v")
}

// dnsAddress is where kubeadm puts the cluster's DNS: the tenth address of the Services'.
func (c Cluster) dnsAddress() string {
	first, _, _ := strings.Cut(c.ServiceCIDR, ",")
	p, err := netip.ParsePrefix(first)
	if err != nil {
		return ""
	}
	a := p.Masked().Addr()
	for range 10 {
		a = a.Next()
	}
	return a.String()
}
