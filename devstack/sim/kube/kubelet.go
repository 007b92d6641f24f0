package kube

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
)

const controlPlaneLabel = "node-role.kubernetes.io/control-plane"

// kubeletFlags are the flags of a kubelet 1.37 on Linux.
func kubeletFlags() sets.Set[string] {
	return sets.New(strings.Fields(`address allowed-unsafe-sysctls anonymous-auth authentication-token-webhook
		authentication-token-webhook-cache-ttl authorization-mode authorization-webhook-cache-authorized-ttl
		authorization-webhook-cache-unauthorized-ttl bootstrap-kubeconfig cert-dir cgroup-driver cgroup-root
		cgroups-per-qos client-ca-file cloud-provider cluster-dns cluster-domain config config-dir container-log-max-files
		container-log-max-size container-runtime-endpoint contention-profiling cpu-cfs-quota cpu-cfs-quota-period
		cpu-manager-policy cpu-manager-policy-options cpu-manager-reconcile-period enable-controller-attach-detach
		enable-debugging-handlers enable-server enforce-node-allocatable event-burst event-qps eviction-hard
		eviction-max-pod-grace-period eviction-minimum-reclaim eviction-pressure-transition-period eviction-soft
		eviction-soft-grace-period exit-on-lock-contention fail-cgroupv1 fail-swap-on feature-gates file-check-frequency
		hairpin-mode healthz-bind-address healthz-port hostname-override http-check-frequency
		image-credential-provider-bin-dir image-credential-provider-config image-gc-high-threshold image-gc-low-threshold
		image-service-endpoint kernel-memcg-notification kube-api-burst kube-api-content-type kube-api-qps kube-reserved
		kube-reserved-cgroup kubeconfig kubelet-cgroups local-storage-capacity-isolation lock-file
		log-flush-frequency log-json-info-buffer-size log-json-split-stream log-text-info-buffer-size log-text-split-stream
		logging-format make-iptables-util-chains manifest-url manifest-url-header max-open-files max-pods
		memory-manager-policy minimum-image-ttl-duration node-ip node-labels node-status-max-images
		node-status-update-frequency oom-score-adj pod-cidr pod-manifest-path pod-max-pids pods-per-core port
		protect-kernel-defaults provider-id qos-reserved read-only-port register-node register-with-taints registry-burst
		registry-qps reserved-cpus reserved-memory resolv-conf root-dir rotate-certificates rotate-server-certificates
		runtime-cgroups runtime-request-timeout seccomp-default serialize-image-pulls streaming-connection-idle-timeout
		sync-frequency system-cgroups system-reserved system-reserved-cgroup tls-cert-file tls-cipher-suites
		tls-min-version tls-private-key-file topology-manager-policy topology-manager-policy-options
		topology-manager-scope v vmodule volume-plugin-dir volume-stats-agg-period`)...)
}

// registration is what a kubelet tells the API server about its host.
type registration struct {
	name         string
	labels       map[string]string
	taints       []corev1.Taint
	providerID   string
	addresses    []string
	controlPlane bool
	external     bool // a cloud provider is to say who the node is
	version      string
}

// newRegistration reads the kubelet's arguments as the kubelet would; an error is a kubelet that does not start.
func newRegistration(host Host, node *nodeRegistration, controlPlane bool) (*registration, error) {
	_, version, err := parseVersion(host.Image["kube_version"])
	if err != nil {
		return nil, err
	}
	r := &registration{
		name: node.Name, labels: map[string]string{}, taints: node.Taints, addresses: host.FixedIPs,
		controlPlane: controlPlane, version: version,
	}
	if node.Taints == nil && controlPlane {
		r.taints = []corev1.Taint{{Key: controlPlaneLabel, Effect: corev1.TaintEffectNoSchedule}}
	}
	known := kubeletFlags()
	for _, a := range node.KubeletExtraArgs {
		if !known.Has(a.Name) {
			return nil, fmt.Errorf("failed to parse kubelet flag: unknown flag: --%s", a.Name)
		}
		if err := r.apply(a, host); err != nil {
			return nil, fmt.Errorf("--%s: %w", a.Name, err)
		}
		if a.Name == "cloud-provider" && a.Value == "external" {
			r.external = true
		}
	}
	if r.external {
		r.taints = append(slices.Clone(r.taints), corev1.Taint{Key: uninitialized, Value: "true", Effect: corev1.TaintEffectNoSchedule})
	}
	return r, nil
}

func (r *registration) apply(a arg, host Host) error {
	switch a.Name {
	case "node-labels":
		return r.addLabels(a.Value)
	case "register-with-taints":
		taints, err := parseTaints(a.Value)
		r.taints = taints
		return err
	case "provider-id":
		r.providerID = a.Value
	case "node-ip":
		addresses := strings.Split(a.Value, ",")
		for _, address := range addresses {
			if !slices.Contains(host.FixedIPs, address) {
				return fmt.Errorf("failed to get node IP: node IP: %q not found in the host's network interfaces", address)
			}
		}
		r.addresses = addresses
	case "hostname-override":
		if a.Value != r.name {
			return fmt.Errorf("it is %q, but the node is registered as %q", a.Value, r.name)
		}
	case "cloud-provider":
		if a.Value != "external" && a.Value != "" {
			return fmt.Errorf("unknown cloud provider %q", a.Value)
		}
	}
	return nil
}

// addLabels reads "a=b,c=d". The kubelet refuses to give itself labels of Kubernetes' own domains, roles included.
func (r *registration) addLabels(list string) error {
	for pair := range strings.SplitSeq(list, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		key, value, found := strings.Cut(strings.TrimSpace(pair), "=")
		if !found {
			return fmt.Errorf("malformed pair, expect string=string: %q", pair)
		}
		if problems := slices.Concat(validation.IsQualifiedName(key), validation.IsValidLabelValue(value)); len(problems) > 0 {
			return fmt.Errorf("invalid label %q: %s", pair, strings.Join(problems, "; "))
		}
		if !kubeletMaySet(key) {
			return fmt.Errorf("unknown 'kubernetes.io' or 'k8s.io' labels specified with --node-labels: [%s]", key)
		}
		r.labels[key] = value
	}
	return nil
}

func kubeletMaySet(key string) bool {
	domain, _, found := strings.Cut(key, "/")
	if !found || !within(domain, "kubernetes.io") && !within(domain, "k8s.io") {
		return true
	}
	switch key {
	case corev1.LabelHostname, corev1.LabelTopologyZone, corev1.LabelTopologyRegion, corev1.LabelFailureDomainBetaZone,
		corev1.LabelFailureDomainBetaRegion, corev1.LabelInstanceType, corev1.LabelInstanceTypeStable,
		corev1.LabelOSStable, corev1.LabelArchStable, "beta.kubernetes.io/os", "beta.kubernetes.io/arch":
		return true
	}
	return within(domain, corev1.LabelNamespaceSuffixKubelet) || within(domain, corev1.LabelNamespaceSuffixNode)
}

func within(domain, parent string) bool {
	return domain == parent || strings.HasSuffix(domain, "."+parent)
}

// parseTaints reads "key=value:Effect,key:Effect".
func parseTaints(list string) ([]corev1.Taint, error) {
	var taints []corev1.Taint
	for item := range strings.SplitSeq(list, ",") {
		if strings.TrimSpace(item) == "" {
			continue
		}
		pair, effect, found := strings.Cut(item, ":")
		if !found {
			return nil, fmt.Errorf("invalid taint spec: %q", item)
		}
		key, value, _ := strings.Cut(pair, "=")
		taint := corev1.Taint{Key: key, Value: value, Effect: corev1.TaintEffect(effect)}
		if err := checkTaint(taint); err != nil {
			return nil, err
		}
		taints = append(taints, taint)
	}
	return taints, nil
}

func checkTaint(taint corev1.Taint) error {
	if problems := slices.Concat(validation.IsQualifiedName(taint.Key), validation.IsValidLabelValue(taint.Value)); len(problems) > 0 {
		return fmt.Errorf("invalid taint %q: %s", taint.ToString(), strings.Join(problems, "; "))
	}
	switch taint.Effect {
	case corev1.TaintEffectNoSchedule, corev1.TaintEffectPreferNoSchedule, corev1.TaintEffectNoExecute:
		return nil
	default:
		return errors.New("invalid taint effect: " + string(taint.Effect))
	}
}

// object is the Node as the kubelet registers it.
func (r *registration) object(host Host) *corev1.Node {
	arch := architecture(host.Image["architecture"])
	labels := map[string]string{
		corev1.LabelHostname: r.name, corev1.LabelOSStable: "linux", corev1.LabelArchStable: arch,
		"beta.kubernetes.io/os": "linux", "beta.kubernetes.io/arch": arch,
	}
	if r.controlPlane {
		labels[controlPlaneLabel] = ""
		labels[corev1.LabelNodeExcludeBalancers] = ""
	}
	for key, value := range r.labels {
		labels[key] = value
	}
	room := corev1.ResourceList{
		corev1.ResourceCPU:    resource.MustParse("2"),
		corev1.ResourceMemory: resource.MustParse("4Gi"),
		corev1.ResourcePods:   resource.MustParse("110"),
	}
	node := &corev1.Node{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Node"},
		ObjectMeta: metav1.ObjectMeta{Name: r.name, Labels: labels},
		Spec:       corev1.NodeSpec{Taints: r.taints, ProviderID: r.providerID},
		Status: corev1.NodeStatus{
			Capacity: room, Allocatable: room,
			Images: []corev1.ContainerImage{{Names: []string{"registry.k8s.io/pause:3.10.1"}}, {Names: []string{"registry.k8s.io/kube-proxy:" + r.version}}},
			NodeInfo: corev1.NodeSystemInfo{
				MachineID:               strings.ReplaceAll(host.ID, "-", ""),
				SystemUUID:              host.ID,
				BootID:                  host.ID,
				KernelVersion:           "6.12.0-sim",
				OSImage:                 strings.TrimSpace(host.Image["os_distro"] + " " + host.Image["os_version"]),
				ContainerRuntimeVersion: "containerd://2.2.1",
				KubeletVersion:          r.version,
				OperatingSystem:         "linux",
				Architecture:            arch,
			},
		},
	}
	for _, address := range r.addresses {
		node.Status.Addresses = append(node.Status.Addresses, corev1.NodeAddress{Type: corev1.NodeInternalIP, Address: address})
	}
	node.Status.Addresses = append(node.Status.Addresses, corev1.NodeAddress{Type: corev1.NodeHostName, Address: r.name})
	return node
}

// architecture turns Glance's name into Go's.
func architecture(name string) string {
	if name == "aarch64" || name == "arm64" {
		return "arm64"
	}
	return "amd64"
}
