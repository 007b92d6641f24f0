package kube

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
)

// plan is what a host's user data asks for, found to be sound.
type plan struct {
	config       *kubeadmConfig
	retries      bool
	registration *registration
	authorities  *authorities // nil for a worker
	minor        int          // of the Kubernetes version of the image
	discovery    *kubeconfig  // of a host that joins
	files        fileSystem   // what cloud-init wrote
}

// prepare does what happens on a host before anything leaves it: cloud-init writes the files and runs the bootstrap
// script, kubeadm reads its configuration and does its preflight checks. The error is a line for the console.
func prepare(host Host) (*plan, error) {
	config, err := parseCloudConfig(host.UserData)
	if err != nil {
		return nil, fmt.Errorf("cloud-init: failed to load user data: %w", err)
	}
	disk, err := unpackFiles(config.WriteFiles)
	if err != nil {
		return nil, fmt.Errorf("cloud-init: module write_files failed: %w", err)
	}
	script, err := findBootstrap(config.RunCmd, disk)
	if err != nil {
		return nil, fmt.Errorf("cloud-init: module scripts-user failed: %w", err)
	}
	minor, version, err := parseVersion(host.Image["kube_version"])
	if err != nil {
		return nil, fmt.Errorf("jeroboam-bootstrap: kubeadm: command not found (image property kube_version: %w)", err)
	}
	content, err := disk.read(script.config)
	if err != nil {
		return nil, fmt.Errorf("kubeadm %s: error: unable to read config from %q: %w", script.verb, script.config, err)
	}
	parsed, err := parseKubeadm(content, script.verb)
	if err != nil {
		return nil, fmt.Errorf("kubeadm %s: error: %w", script.verb, err)
	}
	setDefault(&parsed.node().Name, hostName(config, host))
	if err := parsed.validate(); err != nil {
		return nil, fmt.Errorf("kubeadm %s: error: %w", script.verb, err)
	}
	p := &plan{config: parsed, retries: script.retries, minor: minor, files: disk}
	if parsed.join != nil {
		if p.discovery, err = parseKubeconfig(disk, parsed.join.Discovery.File.KubeConfigPath); err != nil {
			return nil, fmt.Errorf("kubeadm %s: error: couldn't validate the identity of the API Server: %w", script.verb, err)
		}
	}
	if err := p.preflight(host, disk, version); err != nil {
		return nil, fmt.Errorf("kubeadm %s: error execution phase preflight: %w", script.verb, err)
	}
	p.registration, err = newRegistration(host, parsed.node(), parsed.localEndpoint() != nil)
	if err != nil {
		return nil, fmt.Errorf("kubeadm %s: error execution phase kubelet-start: kubelet: %w", script.verb, err)
	}
	return p, nil
}

// hostName is the name of the host after cloud-init, as kubeadm takes it for the node.
func hostName(config *cloudConfig, host Host) string {
	name := host.Name
	if !config.PreserveHostname {
		short, _, _ := strings.Cut(config.FQDN, ".")
		setDefault(&config.Hostname, short)
		setDefault(&config.Hostname, host.Name)
		name = config.Hostname
	}
	return strings.ToLower(strings.TrimSpace(name))
}

func (p *plan) preflight(host Host, disk fileSystem, version string) error {
	var errs []error
	if len(host.FixedIPs) == 0 {
		errs = append(errs, errors.New("couldn't find a default route: the host has no address"))
	}
	switch socket := strings.TrimPrefix(p.config.node().CRISocket, "unix://"); socket {
	case "/run/containerd/containerd.sock", "/var/run/containerd/containerd.sock":
	default:
		errs = append(errs, fmt.Errorf("[ERROR CRI]: could not connect to the container runtime: dial unix %s: no such file or directory", socket))
	}
	if endpoint := p.config.localEndpoint(); endpoint != nil {
		errs = append(errs, p.preflightControlPlane(host, disk, endpoint))
	} else if ca := p.config.join.CACertPath; disk.has(ca) && !p.ignores("FileAvailable--"+strings.ReplaceAll(strings.Trim(ca, "/"), "/", "-")) {
		errs = append(errs, fmt.Errorf("[ERROR FileAvailable-%s]: %s already exists", strings.ReplaceAll(ca, "/", "-"), ca))
	}
	if p.config.cluster != nil {
		errs = append(errs, p.preflightCluster(version))
	}
	return errors.Join(errs...)
}

func (p *plan) preflightControlPlane(host Host, disk fileSystem, endpoint *apiEndpoint) error {
	address := endpoint.AdvertiseAddress
	if address != "" && !slices.ContainsFunc(host.FixedIPs, func(ip string) bool { return sameIP(ip, address) }) {
		return fmt.Errorf("etcd: listen tcp %s: bind: cannot assign requested address", net.JoinHostPort(address, "2380"))
	}
	folder := "/etc/kubernetes/pki"
	if p.config.cluster != nil {
		folder = p.config.cluster.CertificatesDir
	}
	var err error
	p.authorities, err = loadAuthorities(disk, folder)
	return err
}

func (p *plan) preflightCluster(version string) error {
	minor, wanted, err := parseVersion(p.config.cluster.KubernetesVersion)
	if err != nil {
		return err
	}
	if minor != p.minor {
		return fmt.Errorf("[ERROR KubernetesVersion]: this version of kubeadm, %s, does not deploy control planes of version %s", version, wanted)
	}
	for gate := range p.config.cluster.FeatureGates {
		if !slices.Contains(featureGates(minor), gate) {
			return fmt.Errorf("unrecognized feature-gate key: %s", gate)
		}
	}
	return nil
}

// featureGates are kubeadm's. Those before 1.37 came and went between 1.31 and 1.36.
func featureGates(minor int) []string {
	gates := []string{"RootlessControlPlane"}
	if minor < 37 {
		gates = append(gates, "ControlPlaneKubeletLocalMode", "EtcdLearnerMode", "NodeLocalCRISocket", "PublicKeysECDSA",
			"UpgradeAddonsBeforeControlPlane", "WaitForAllControlPlaneComponents")
	}
	return gates
}

func (p *plan) ignores(check string) bool {
	return slices.ContainsFunc(p.config.node().IgnorePreflightErrors, func(name string) bool {
		return name == "all" || strings.EqualFold(name, check)
	})
}

func (d fileSystem) has(name string) bool {
	_, there := d[name]
	return there
}

func sameIP(a, b string) bool { return net.ParseIP(a).Equal(net.ParseIP(b)) }
