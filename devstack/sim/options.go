package sim

import (
	"log/slog"
	"time"
)

// Options say what the cloud is like. The zero value is a small cloud with everything in it.
type Options struct {
	// Speed is how many times faster than a real one the cloud is; 0 and infinity: as fast as possible.
	Speed float64
	// Latency is how long things take in the cloud's time; fields that are 0 get DefaultLatency's.
	Latency Latency
	// Quotas per project by the services' names (instances, cores, ram, port, load_balancer, volumes, …); they replace
	// single values of the defaults. -1: no limit.
	Quotas map[string]int
	// Hosts is how many servers of a group can be kept apart from each other; 0: 1000.
	Hosts int
	// KeepDeleted has Nova keep deleted servers for longer than anybody waits, with all that they have, as its
	// reclaim_instance_interval does; an action deletes them at once.
	KeepDeleted bool
	// Flavors, Images and the nodes of Ironic; nil: the default ones.
	Flavors []Flavor
	Images  []Image
	Metal   []Metal
	// ConductorWorkers is how many nodes Ironic works on at once; 0: as many as there are. Beyond it says 503.
	ConductorWorkers int
	// AutomaticLessee has Ironic record the project in instance_info as lessee, as newer releases do by default.
	AutomaticLessee bool
	// SecureRBAC has Ironic enforce its new policies alone: an administrator of a project is nobody to it.
	SecureRBAC bool
	// Password of the users that are there from the start; default "secret".
	Password string
	// Keystone, when not nil, is a real one: it validates tokens and has the users and projects. The simulated one then
	// only answers for itself, and the endpoints are to be registered in the real one by the caller (Cloud.Endpoints).
	Keystone *Keystone
	// ContainerInfraURL goes into the catalogue as service magnum; Cloud.RegisterEndpoint may do that later.
	ContainerInfraURL string
	// PublicCIDR and LANCIDR are the subnets of the networks that are reachable from this machine. They are within
	// 127.0.0.0/8, and two simulators on one machine should have different ones. Defaults 127.64.0.0/16, 127.65.0.0/16.
	PublicCIDR, LANCIDR string
	// Hypervisor, when not nil, makes servers of real hosts; their network is then real too. The cloud ends it.
	Hypervisor Hypervisor
	// Log gets what is worth to be known; nil: nothing is logged.
	Log *slog.Logger
}

// Keystone is a real identity service and who may validate tokens in it.
type Keystone struct {
	URL                                                    string // with /v3
	Username, Password, UserDomain, Project, ProjectDomain string
}

// Latency is a profile of the cloud, in its own time.
type Latency struct {
	ServerBuild, ServerDelete, ServerAction time.Duration
	LoadBalancer, LoadBalancerChange        time.Duration // the first: building and deleting one; the second: its parts
	Volume                                  time.Duration
	Port                                    time.Duration // from the server's build to the port's ACTIVE
	// Of bare-metal nodes: until an allocation has one; until the image is on the disk; through its firmware; cleaned;
	// switched; and the conductor's patience with a ramdisk that says nothing.
	Allocation, NodeDeploy, NodeBoot, NodeClean, NodePower, NodeTimeout time.Duration
}

// DefaultLatency is what mid-sized public clouds take.
func DefaultLatency() Latency {
	return Latency{
		ServerBuild: 30 * time.Second, ServerDelete: 5 * time.Second, ServerAction: 5 * time.Second,
		LoadBalancer: 20 * time.Second, LoadBalancerChange: 3 * time.Second,
		Volume: 5 * time.Second, Port: time.Second,
		Allocation: time.Second, NodeDeploy: 30 * time.Second, NodeBoot: 5 * time.Second, NodeClean: 10 * time.Second,
		NodePower: 5 * time.Second, NodeTimeout: 30 * time.Minute,
	}
}

// MetalLatency is the same with servers that take as long as real ones to test their memory and to be erased.
func MetalLatency() Latency {
	l := DefaultLatency()
	l.NodeDeploy, l.NodeBoot, l.NodeClean, l.NodePower = 12*time.Minute, 5*time.Minute, 20*time.Minute, 30*time.Second
	return l
}

func (l Latency) withDefaults() Latency {
	d := DefaultLatency()
	for _, f := range []struct{ set, def *time.Duration }{
		{&l.ServerBuild, &d.ServerBuild}, {&l.ServerDelete, &d.ServerDelete}, {&l.ServerAction, &d.ServerAction},
		{&l.LoadBalancer, &d.LoadBalancer}, {&l.LoadBalancerChange, &d.LoadBalancerChange}, {&l.Volume, &d.Volume},
		{&l.Port, &d.Port}, {&l.Allocation, &d.Allocation}, {&l.NodeDeploy, &d.NodeDeploy}, {&l.NodeBoot, &d.NodeBoot},
		{&l.NodeClean, &d.NodeClean}, {&l.NodePower, &d.NodePower}, {&l.NodeTimeout, &d.NodeTimeout},
	} {
		if *f.set == 0 {
			*f.set = *f.def
		}
	}
	return l
}

// Flavor is one of Nova's.
type Flavor struct {
	ID, Name         string
	VCPUs, RAM, Disk int // RAM in MiB, Disk in GiB
	ExtraSpecs       map[string]string
}

// Image is one of Glance's.
type Image struct {
	ID, Name        string
	MinDisk, MinRAM int
	Properties      map[string]string
}

// Metal is a kind of bare-metal nodes.
type Metal struct {
	Count                  int
	ResourceClass          string
	Traits                 []string
	Racks                  []string // each node's property «rack» is one of them in turn; none: it has no such property
	CPUs, MemoryMB, DiskGB int
	// Ramdisk: their deploy interface is «ramdisk», with the boot interface and the driver_info that this takes.
	Ramdisk bool
}

// MetalNodes are nodes of the resource class that flavour bm.general asks for, in four racks.
func MetalNodes(count int) []Metal {
	return []Metal{{
		Count: count, ResourceClass: "baremetal", Traits: []string{"CUSTOM_BIOS_VIRTUALIZATION", "HW_CPU_X86_VMX"},
		Racks: []string{"r1", "r2", "r3", "r4"}, CPUs: 8, MemoryMB: 16384, DiskGB: 200,
	}}
}

func defaultFlavors() []Flavor {
	return []Flavor{
		{ID: "1", Name: "c.tiny", VCPUs: 1, RAM: 512, Disk: 0},
		{ID: "2", Name: "m1.small", VCPUs: 2, RAM: 2048, Disk: 20},
		{ID: "3", Name: "m1.medium", VCPUs: 2, RAM: 4096, Disk: 40},
		{ID: "4", Name: "m1.large", VCPUs: 4, RAM: 8192, Disk: 80},
		{ID: "5", Name: "m1.nested", VCPUs: 4, RAM: 8192, Disk: 80, ExtraSpecs: map[string]string{"trait:HW_CPU_X86_VMX": "required"}},
		{ID: "6", Name: "bm.general", VCPUs: 8, RAM: 16384, Disk: 200, ExtraSpecs: map[string]string{
			"resources:CUSTOM_BAREMETAL": "1", "resources:VCPU": "0", "resources:MEMORY_MB": "0", "resources:DISK_GB": "0",
		}},
	}
}

func defaultImages() []Image {
	return []Image{
		{Name: "ubuntu-24.04-kube-v1.37.2", MinDisk: 10, Properties: map[string]string{
			"os_distro": "ubuntu", "os_version": "24.04", "kube_version": "v1.37.2", "architecture": "x86_64",
			"container_runtimes": "runc,kata,gvisor",
		}},
		{Name: "ubuntu-24.04-kube-v1.36.6", MinDisk: 10, Properties: map[string]string{
			"os_distro": "ubuntu", "os_version": "24.04", "kube_version": "v1.36.6", "architecture": "x86_64",
		}},
		{Name: "rocky-10-kube-v1.37.3", MinDisk: 60, MinRAM: 2048, Properties: map[string]string{"os_distro": "rocky", "kube_version": "v1.37.3", "architecture": "x86_64"}},
		{Name: "windows-2025-kube-v1.37.2", Properties: map[string]string{"os_distro": "windows", "kube_version": "v1.37.2", "architecture": "x86_64"}},
		{Name: "cirros", Properties: map[string]string{"architecture": "x86_64"}},
	}
}

// defaultQuotas are roughly those of the services, with room for a cluster or two.
func defaultQuotas() map[string]int {
	return map[string]int{
		"instances": 100, "cores": 400, "ram": 800 * 1024, "server_groups": 100, "server_group_members": 100, "key_pairs": 100,
		"network": 100, "subnet": 100, "port": 500, "router": 100, "floatingip": 100, "security_group": 100,
		"security_group_rule": 1000, "subnetpool": -1, "rbac_policy": 10, "trunk": -1,
		"load_balancer": 100, "listener": 500, "pool": 500, "member": 5000, "health_monitor": 500,
		"volumes": 100, "gigabytes": 10000, "snapshots": 10, "per_volume_gigabytes": -1,
	}
}
