package kubernetes

import "strings"

// Release is a version of Kubernetes with the images that its kubeadm asks for.
type Release struct {
	Kubernetes string
	Etcd       string // its image has the tag without «v» and with «-0»
	CoreDNS    string
	Pause      string // there is no module of it: the program is our own
}

// Releases are the versions that are built, the newest first. Upgrades go from the second to the first.
func Releases() []Release {
	return []Release{
		{Kubernetes: "v1.37.2", Etcd: "v3.7.0", CoreDNS: "v1.14.6", Pause: "3.10.2"},
		{Kubernetes: "v1.36.5", Etcd: "v3.6.8", CoreDNS: "v1.14.2", Pause: "3.10.2"},
	}
}

// Flannel is a version of it, and the tag of its plug-in's image in its manifest.
type Flannel struct{ Version, Plugin string }

// Flannels are the versions for the releases, in the order of those: an upgrade of a cluster is one of its network, too.
func Flannels() []Flannel {
	return []Flannel{{"v0.28.10", "v1.9.1-flannel3"}, {"v0.28.4", "v1.9.1-flannel1"}}
}

// Versions of what is the same with every Kubernetes.
const (
	containerdVersion = "v2.2.1"
	pluginsVersion    = "v1.7.1" // of the container network interface
	gvisorVersion     = "v0.0.0-20260905035102-160fafc42237"
	providerVersion   = "v1.32.0"
	attacherVersion   = "v4.13.0"
	provisionVersion  = "v5.3.0"
	resizerVersion    = "v1.14.0"
	metricsVersion    = "v0.9.0"
	flannelCNIVersion = "v0.9.1" // of the plug-ins, the last one with flannel's among them
	debianSuite       = "bookworm"
	// ownVersion is the tag of images whose program is this project's, since no module of theirs is published.
	ownVersion = "jeroboam"
)

// minor is the second part of a version.
func minor(version string) string {
	parts := strings.SplitN(version, ".", 3)
	if len(parts) < 3 {
		return ""
	}
	return parts[1]
}

// programs of a Kubernetes node and control plane.
func kubernetesPrograms() []string {
	return []string{"kubeadm", "kubelet", "kubectl", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy"}
}

// modulesOf a release: what its host image is made of, and was not for a newer one.
func modulesOf(r Release) []module {
	list := []module{kubernetesModule(r.Kubernetes), etcdModule(r.Etcd), corednsModule(r.CoreDNS)}
	if r == Releases()[0] {
		list = append([]module{containerdModule(), pluginsModule(), gvisorModule()}, list...)
	}
	return list
}

// EndToEndTests are Kubernetes' own, of the newest release.
const EndToEndTests = "e2e" + testsSuffix

func kubernetesModule(version string) module {
	const about = "k8s.io/component-base/version"
	m := module{name: "kubernetes", path: "k8s.io/kubernetes", version: version, staging: "v0." + strings.TrimPrefix(version, "v1."), symbols: map[string]string{
		about + ".gitVersion": version, about + ".gitMajor": "1", about + ".gitMinor": minor(version), about + ".gitTreeState": "clean",
		about + ".gitCommit": "module", about + ".buildDate": "1970-01-01T00:00:00Z", "k8s.io/client-go/pkg/version.gitVersion": version,
	}}
	for _, name := range kubernetesPrograms() {
		m.programs = append(m.programs, program{name: name, path: "k8s.io/kubernetes/cmd/" + name})
	}
	if version == Releases()[0].Kubernetes {
		m.programs = append(m.programs, program{name: EndToEndTests, path: "k8s.io/kubernetes/test/e2e"})
	}
	return m
}

func etcdModule(version string) module {
	const path = "go.etcd.io/etcd/server/v3"
	return module{name: "etcd", path: path, version: version, programs: []program{{"etcd", path}}}
}

func corednsModule(version string) module {
	const path = "github.com/coredns/coredns"
	return module{name: "coredns", path: path, version: version, programs: []program{{"coredns", path}}}
}

func containerdModule() module {
	const path = "github.com/containerd/containerd/v2"
	return module{name: "containerd", path: path, version: containerdVersion, tags: "no_btrfs,no_devmapper,no_zfs",
		symbols:  map[string]string{path + "/version.Version": containerdVersion},
		programs: []program{{"containerd", path + "/cmd/containerd"}, {"containerd-shim-runc-v2", path + "/cmd/containerd-shim-runc-v2"}, {"ctr", path + "/cmd/ctr"}}}
}

func pluginsModule() module {
	const path = "github.com/containernetworking/plugins"
	m := module{name: "cni-plugins", path: path, version: pluginsVersion}
	for _, p := range []string{"main/bridge", "main/loopback", "main/ptp", "ipam/host-local", "meta/portmap", "meta/firewall", "meta/tuning"} {
		m.programs = append(m.programs, program{p[strings.LastIndex(p, "/")+1:], path + "/plugins/" + p})
	}
	return m
}

// gvisorModule is that of its branch for Go's own tools; others do not build it.
func gvisorModule() module {
	const path = "gvisor.dev/gvisor"
	return module{name: "gvisor", path: path, version: gvisorVersion, programs: []program{{"runsc", path + "/runsc"}, {"containerd-shim-runsc-v1", path + "/shim"}},
		// A host of namespaces may not have the capability to make itself harder to kill than others.
		edits: []edit{{"pkg/shim/v1/manager.go", "sys.SetOOMScore(cmd.Process.Pid, oomScoreMax)", "sys.SetOOMScore(cmd.Process.Pid, max(0, oomScoreMax))"}}}
}

// addonModules are what images of add-ons for a release are made of. With an older one there is a network only, which
// becomes that of the newest with the cluster.
func addonModules(r Release) []module {
	if r != Releases()[0] {
		return networkModules()
	}
	sidecar := func(name, path, version string) module {
		return module{name: name, path: path, version: version, programs: []program{{name, path + "/cmd/" + name}}}
	}
	return append(networkModules(), providerModule(),
		sidecar("csi-attacher", "github.com/kubernetes-csi/external-attacher/v4", attacherVersion),
		sidecar("csi-provisioner", "github.com/kubernetes-csi/external-provisioner/v5", provisionVersion),
		sidecar("csi-resizer", "github.com/kubernetes-csi/external-resizer", resizerVersion),
		metricsModule(),
	)
}

const flannelManifest = "kube-flannel" + manifestSuffix

// networkModules are those of flannel, in each of its versions, and of its plug-in.
func networkModules() []module {
	list := []module{flannelCNIModule()}
	for _, f := range Flannels() {
		list = append(list, flannelModule(f.Version))
	}
	return list
}

// AddonTags are the labels of a cluster that name the versions of the images of add-ons that there are: a release of
// Kubernetes usually goes with others.
func AddonTags() map[string]string {
	return map[string]string{"cloud_provider_tag": providerVersion, "cinder_csi_plugin_tag": providerVersion, "csi_attacher_tag": attacherVersion,
		"csi_provisioner_tag": provisionVersion, "csi_resizer_tag": resizerVersion, "csi_node_driver_registrar_tag": ownVersion, "csi_liveness_probe_tag": ownVersion}
}

func providerModule() module {
	const path = "k8s.io/cloud-provider-openstack"
	return module{name: "cloud-provider-openstack", path: path, version: providerVersion, unlisted: true,
		symbols: map[string]string{path + "/pkg/version.Version": providerVersion},
		programs: []program{
			{"openstack-cloud-controller-manager", path + "/cmd/openstack-cloud-controller-manager"},
			{"cinder-csi-plugin", path + "/cmd/cinder-csi-plugin"},
		}}
}

func metricsModule() module {
	const path = "sigs.k8s.io/metrics-server"
	return module{name: "metrics-server", path: path, version: metricsVersion, programs: []program{{"metrics-server", path + "/cmd/metrics-server"}}}
}

func flannelModule(version string) module {
	const path = "github.com/flannel-io/flannel"
	m := module{name: "flannel", path: path, version: version, symbols: map[string]string{path + "/pkg/version.Version": version},
		programs: []program{{"flanneld", path}, {flannelManifest, "Documentation/kube-flannel.yml"}},
		// Two of its ways to other nodes are not used: one is written in C, and what the other one needs is not published.
		edits: []edit{{"main.go", `_ "` + path + `/pkg/backend/udp"`, ""}, {"main.go", `_ "` + path + `/pkg/backend/tencentvpc"`, ""}}}
	if newest := Flannels()[0].Version; version != newest {
		m.beside = newest
	} else {
		m.programs = append(m.programs, program{"install-conf", path + "/cmd/install_conf"})
	}
	return m
}

// flannelCNIModule is that of all plug-ins before flannel's got a place of its own, of which no module is published.
func flannelCNIModule() module {
	const path = "github.com/containernetworking/plugins"
	return module{name: "flannel-cni-plugin", path: path, version: flannelCNIVersion, programs: []program{{"flannel", path + "/plugins/meta/flannel"}}}
}
