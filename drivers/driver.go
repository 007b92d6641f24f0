// Package drivers is the contract between the conductor and what builds clusters: the machines (one driver per kind of
// host) and the infrastructure that all kinds share. Drivers are told what they need in the structs below; they never see
// a database row.
//
// What every method promises:
//   - It is one short, re-entrant step. It MUST NOT wait for the cloud: it looks, does what can be done now, and answers.
//   - It MAY be called again at any time, by another process, after a crash at any point of an earlier call. What is so
//     already MUST be left alone: a second call of a finished step makes no writing call to the cloud.
//   - Before a call that creates something it MUST record the intent in the ledger, and afterwards the id. When an intent
//     without id is found, it MUST look the object up by name and tag: none → create, one → adopt, several → keep the
//     oldest and delete the others.
//   - It MUST change and delete only objects whose ids the ledger holds, or which Leftovers gave.
//   - Errors are Failed with the class of the fault when another try cannot help, with the cloud's own words; Transient
//     otherwise. An error never contains a secret.
package drivers

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Cluster is what drivers need to know of a cluster.
type Cluster struct {
	UUID      string
	Name      string // the user's
	Prefix    string // every cloud object's name starts with it
	ProjectID string
	Roles     []string // of the service user: never one that the cluster's creator did not hold

	ExternalNetworkID string // "": no router gateway and no floating IPs
	NetworkID         string // the caller's own; "": one is made
	SubnetID          string // the caller's own; "" with NetworkID set: its first IPv4 subnet
	SubnetCIDR        string // of the network that is made
	DNSNameservers    []string

	LoadBalancer      bool // the API endpoint is a load balancer, otherwise the first control plane
	LBProvider        string
	FloatingIP        bool // the API endpoint is reachable from outside
	APIPort           int
	AllowedCIDRs      []string // who may reach the API; empty: everybody
	PodCIDR           string
	ServerGroupPolicy string // "": none
}

// UserName is that of the cluster's service user; a new credential is that of another one, of the next generation. User
// names are unique in a domain, so a second request for one is refused, and Keystone answers the look-up exactly.
func (c Cluster) UserName(generation int) string {
	if generation == 0 {
		return "jeroboam-" + c.UUID
	}
	return fmt.Sprintf("jeroboam-%s-%d", c.UUID, generation)
}

// Tag is on every cloud object of the cluster whose service has tags.
func (c Cluster) Tag() string { return "jeroboam-cluster=" + c.UUID }

// Credential is of the user who acts in the cloud for a cluster.
type Credential struct {
	UserID    string
	Password  string
	ProjectID string
}

// String keeps the password out of logs.
func (c Credential) String() string { return "user " + c.UserID + " in project " + c.ProjectID }

// Site is a cluster's place in the cloud for the length of one slice of work: which cluster, who acts, what is recorded of
// it. Drivers keep what they listed in the cloud in its Memo, so that one slice lists once, whatever the number of hosts.
type Site struct {
	Cluster    Cluster
	Credential Credential // zero: the service's own
	// LastResort: when the credential is refused, because its user or the whole project is gone, the service itself acts.
	LastResort bool
	Ledger     Ledger
	Memo       *Memo
}

// ShareType is a kind of shares.
type ShareType struct {
	Name string
	// OwnServers: a share of this type is made on a share network, with servers for that.
	OwnServers bool
}

// Infrastructure is everything of a cluster in the cloud that is not a host. The comment of the package is its contract.
type Infrastructure interface {
	// EnsureUser makes the cluster's service user of this name and password, and its roles on the owner's project. The id is
	// recorded as KindUser. Where the cloud gives no right to make users, it answers Done and records the acting user.
	EnsureUser(ctx context.Context, s *Site, name, password string) Result
	// CheckUser is Done when the site's credential was seen to work: it logs in to the cluster's own project, and is let in
	// there. It changes nothing.
	CheckUser(ctx context.Context, s *Site) Result
	// EnsureNetwork makes network, subnet and router, or finds the caller's own. Records KindSubnet's or checks the caller's.
	EnsureNetwork(ctx context.Context, s *Site) Result
	// EnsureSecurityGroups makes the groups of control plane and workers.
	EnsureSecurityGroups(ctx context.Context, s *Site) Result
	// EnsureLoadBalancer makes the load balancer of the API with its listener, pool and monitor. Its VIP address is
	// recorded (AttrAddress of KindLoadBalancer) long before it is Done: hosts do not wait for it.
	EnsureLoadBalancer(ctx context.Context, s *Site) Result
	// RemoveFailedLoadBalancer takes a load balancer away that is in ERROR and will not get out of it. It is Done when there
	// is none, or a sound one.
	RemoveFailedLoadBalancer(ctx context.Context, s *Site) Result
	// EnsureMembers makes the pool's members exactly these addresses.
	EnsureMembers(ctx context.Context, s *Site, addresses []string) Result
	// EnsureFloatingIP gives the port a floating IP under this name and records it.
	EnsureFloatingIP(ctx context.Context, s *Site, name, portID string) Result
	// Image looks an image up by name or id; ErrNoImage when the cluster's project sees none, or several.
	Image(ctx context.Context, s *Site, nameOrID string) (Image, error)
	// Verify compares what the ledger holds with the cloud, by one listing of each kind, and tells the differences. It
	// changes nothing. Nodes are those that have hosts, with true for control planes: their ports are looked at too. What it
	// says is gone was asked for by its id as well, so that a list that hides something does no harm. When the service user
	// is gone it is all that is told.
	Verify(ctx context.Context, s *Site, nodes map[string]bool) ([]Drift, error)
	// Disown makes an intent again of each record whose object Verify said is gone, and keeps its attributes: the Ensure…
	// methods then make it anew, at its old address where that is still to be had.
	Disown(ctx context.Context, s *Site, found []Drift) error
	// EnsurePorts gives the ports of these nodes their security groups.
	EnsurePorts(ctx context.Context, s *Site, nodes map[string]bool) Result
	// Sees is Done when whoever acts for the site was seen to be shown what the cluster's project has. Before, nothing may be
	// taken for gone: services answer «not found» also to those who may not see.
	Sees(ctx context.Context, s *Site) Result
	// Remove deletes one object that the ledger holds, of any kind that this driver makes, and forgets it when it was
	// seen to be gone; or one that Leftovers gave. It looks again whose the object is. Objects that others hang on answer
	// Continue and name what holds them.
	Remove(ctx context.Context, s *Site, r Resource) Result
	// EnsureRoute makes the cluster's router send what is for a node's pods to that node, and lets the node's port send in
	// their name.
	EnsureRoute(ctx context.Context, s *Site, node, pods string) Result
	// LostRoutes tells which of these nodes, each with what is for its pods, lack what EnsureRoute gave them. It changes nothing.
	LostRoutes(ctx context.Context, s *Site, pods map[string]string) ([]Drift, error)
	// RemoveRoute takes the routes of a node away, before its port goes.
	RemoveRoute(ctx context.Context, s *Site, node string) Result
	// Network gives the network and subnet that hosts and VIP are on; ok is false before EnsureNetwork is Done.
	Network(ctx context.Context, s *Site) (networkID, subnetID string, ok bool)
	// VolumeTypes lists the volume types that the cluster's project may use, and the one that volumes get which name none; ""
	// is none. A cloud without volumes has no types.
	VolumeTypes(ctx context.Context, s *Site) (types []string, preferred string, err error)
	// ShareTypes lists the share types that the cluster's project may use and whose shares NFS reaches, as far as they tell.
	// A cloud without shares has no types. The region is the one that they are in.
	ShareTypes(ctx context.Context, s *Site) (types []ShareType, region string, err error)
	// Leftovers lists what is in the cluster's project in its name and not in the ledger, with one listing per kind and
	// slice: what the cluster made by itself, and what carries its mark as if we had made it. Without kinds it looks for
	// all of them. A service that the cloud does not have, or that the cluster's user may not ask, has nothing.
	Leftovers(ctx context.Context, s *Site, kinds ...string) ([]Resource, error)
}

// Image is what hosts are made of.
type Image struct {
	ID, Distro, KubernetesVersion string
	Runtimes                      []string // of containers, which it says to have
}

// ErrNoImage says that there is no image, or no single one, of that name.
var ErrNoImage = errors.New("there is no such image")

// Host is a machine as the cluster wants it.
type Host struct {
	Name         string
	NodeGroup    string // name of the node group
	ControlPlane bool

	FlavorID         string
	ImageID          string
	AvailabilityZone string

	// Of bare metal:
	ResourceClass string            // as in Placement: CUSTOM_BAREMETAL
	Traits        []string          // that the machine has; those of deploy templates run them
	RootDevice    map[string]string // hints at the disk that the image goes to

	BootVolumeSize   int // GiB; 0: the flavour's disk
	BootVolumeType   string
	DockerVolumeSize int // GiB of an extra volume for containers; 0: none
	DockerVolumeType string
}

// HostGone is the state of a host that the ledger holds and that is not there any more.
const HostGone = "gone"

// HostStatus is what the cloud says of a host.
type HostStatus struct {
	ID        string
	State     string // the service's own word, or HostGone
	Addresses []string
}

// Machines makes hosts of one kind. The comment of the package is its contract.
type Machines interface {
	// Name of the driver, as node groups name it.
	Name() string
	// EnsureGroup makes what the hosts of one node group share: the server group.
	EnsureGroup(ctx context.Context, s *Site, nodeGroup string) Result
	// EnsureAddress reserves the host's address before the host exists: its port. Recorded as KindPort with AttrAddress.
	EnsureAddress(ctx context.Context, s *Site, h Host) Result
	// EnsureHost asks for the host with this user data and answers Done when it runs.
	EnsureHost(ctx context.Context, s *Site, h Host, userData UserData) Result
	// RebootHost starts a host again, with its power cut when hard, and answers Done when that was accepted. A host that is
	// off is switched on. One that is being changed already is left alone.
	RebootHost(ctx context.Context, s *Site, name string, hard bool) Result
	// RemoveHost makes the host gone with all that the ledger holds of it, and forgets it.
	RemoveHost(ctx context.Context, s *Site, name string) Result
	// Status tells what the cloud says of each host in the ledger, from one listing. One that is missing there is asked for
	// by its id before it is said to be gone.
	Status(ctx context.Context, s *Site) (map[string]HostStatus, error)
	// Remove deletes one object that the ledger holds, of the kinds that belong to this driver but to no host, or one that
	// Leftovers gave.
	Remove(ctx context.Context, s *Site, r Resource) Result
	// Leftovers is Infrastructure's for what this driver makes.
	Leftovers(ctx context.Context, s *Site) ([]Resource, error)
}

// UserData renders what a host reads when it boots first. Drivers ask for it only when they are about to hand it on. Its
// error is the answer.
type UserData func(ctx context.Context) ([]byte, error)

// PollInterval is how long drivers ask to be left alone while the cloud works.
const PollInterval = 5 * time.Second
