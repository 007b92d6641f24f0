package drivers

import "context"

// Kinds of cloud objects in the ledger.
const (
	KindUser          = "user" // the cluster's service user in Keystone
	KindNetwork       = "network"
	KindSubnet        = "subnet"
	KindRouter        = "router"
	KindRouterPort    = "router_interface" // ID is the subnet's
	KindSecurityGroup = "security_group"
	KindServerGroup   = "server_group"
	KindLoadBalancer  = "load_balancer"
	KindListener      = "listener"
	KindPool          = "pool"
	KindHealthMonitor = "health_monitor"
	KindFloatingIP    = "floating_ip"
	KindPort          = "port"
	KindVolume        = "volume"
	KindServer        = "server"
	KindSecret        = "secret" // in Barbican
	// KindAllocation is a bare-metal host: its id is the instance_uuid of Ironic's node, and ends with the host.
	KindAllocation = "allocation"
)

// HostOf gives the record of a host, whatever kind it is of.
func HostOf(l Ledger, name string) (Resource, bool) {
	for _, kind := range HostKinds() {
		if r, ok := l.Find(kind, name); ok {
			return r, true
		}
	}
	return Resource{}, false
}

// HostKinds are the kinds that stand for hosts, one for each driver of machines.
func HostKinds() []string { return []string{KindServer, KindAllocation} }

// Kinds of what a cluster makes in the cloud by itself. They are never in the ledger: Infrastructure.Leftovers finds them.
const (
	KindServiceLoadBalancer  = "service_load_balancer" // of a Service of type LoadBalancer
	KindServiceFloatingIP    = "service_floating_ip"
	KindServiceSecurityGroup = "service_security_group"
	KindPersistentVolume     = "persistent_volume" // of a PersistentVolumeClaim
	KindVolumeSnapshot       = "volume_snapshot"
	KindStrayPort            = "stray_port" // on the cluster's own subnet, of nobody
	KindAddon                = "add-on"     // objects in the cluster itself
)

// Attributes of resources that later steps read.
const (
	AttrAddress   = "address"    // of a port, VIP or floating IP
	AttrSubnetID  = "subnet_id"  // of a port or VIP
	AttrNetworkID = "network_id" // of a port or VIP
	AttrPortID    = "port_id"    // of a VIP
	// AttrSharedWith names who else uses a load balancer that a cluster made
	AttrSharedWith = "shared_with"
	// AttrRack is where a bare-metal host stands, as far as that is known
	AttrRack = "rack"
)

// Resource is one cloud object that belongs to a cluster.
type Resource struct {
	Kind  string
	Name  string            // deterministic: known before the object exists
	ID    string            // the cloud's; "" while it is only intended
	Node  string            // the host that it belongs to, "" for the cluster's own
	Attrs map[string]string // what later steps need of it
}

// Ledger is the record of the cloud objects of one cluster. Every write is fenced: it fails for a worker that has lost the
// operation, and then the worker MUST stop at once. Safe for concurrent use.
type Ledger interface {
	// Find gives the record of an object, if there is one.
	Find(kind, name string) (Resource, bool)
	// All gives every record, in the order in which the objects were intended.
	All() []Resource
	// Intend records that the object will be asked for. MUST be called before the call that creates it. When there is a
	// record already, that one is returned unchanged.
	Intend(ctx context.Context, r Resource) (Resource, error)
	// Confirm records the cloud's id and the attributes of an intended object.
	Confirm(ctx context.Context, kind, name, id string, attrs map[string]string) error
	// Forget removes the record. MUST be called only when the object was seen to be gone.
	Forget(ctx context.Context, kind, name string) error
}
