package userdata

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"sigs.k8s.io/yaml"
)

// These structs have only the fields that are used. kubeadm merely warns of a field that it does not know, so they are kept
// few and are held against golden files.
type (
	typeMeta struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
	}

	arg struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}

	nodeRegistration struct {
		Name             string  `json:"name"`
		CRISocket        string  `json:"criSocket"`
		ImagePullPolicy  string  `json:"imagePullPolicy"`
		KubeletExtraArgs []arg   `json:"kubeletExtraArgs,omitempty"`
		Taints           []Taint `json:"taints,omitempty"`
	}

	apiEndpoint struct {
		BindPort int `json:"bindPort"`
	}

	timeouts struct {
		ControlPlaneComponentHealthCheck string `json:"controlPlaneComponentHealthCheck,omitempty"`
		KubeletHealthCheck               string `json:"kubeletHealthCheck"`
		Discovery                        string `json:"discovery,omitempty"`
		TLSBootstrap                     string `json:"tlsBootstrap,omitempty"`
	}

	bootstrapToken struct {
		Token  string   `json:"token"`
		TTL    string   `json:"ttl"`
		Usages []string `json:"usages"`
		Groups []string `json:"groups"`
	}

	initConfiguration struct {
		typeMeta         `json:",inline"`
		BootstrapTokens  []bootstrapToken `json:"bootstrapTokens"`
		LocalAPIEndpoint apiEndpoint      `json:"localAPIEndpoint"`
		NodeRegistration nodeRegistration `json:"nodeRegistration"`
		Timeouts         timeouts         `json:"timeouts"`
	}

	mount struct {
		Name      string `json:"name"`
		HostPath  string `json:"hostPath"`
		MountPath string `json:"mountPath"`
		ReadOnly  bool   `json:"readOnly,omitempty"`
		PathType  string `json:"pathType"`
	}

	component struct {
		CertSANs     []string `json:"certSANs,omitempty"`
		ExtraArgs    []arg    `json:"extraArgs,omitempty"`
		ExtraVolumes []mount  `json:"extraVolumes,omitempty"`
	}

	networking struct {
		PodSubnet     string `json:"podSubnet"`
		ServiceSubnet string `json:"serviceSubnet"`
		DNSDomain     string `json:"dnsDomain"`
	}

	localEtcd struct {
		DataDir string `json:"dataDir"`
	}

	etcd struct {
		Local localEtcd `json:"local"`
	}

	clusterConfiguration struct {
		typeMeta             `json:",inline"`
		ClusterName          string     `json:"clusterName"`
		KubernetesVersion    string     `json:"kubernetesVersion"`
		ControlPlaneEndpoint string     `json:"controlPlaneEndpoint"`
		CertificatesDir      string     `json:"certificatesDir"`
		EncryptionAlgorithm  string     `json:"encryptionAlgorithm"`
		ImageRepository      string     `json:"imageRepository,omitempty"`
		Networking           networking `json:"networking"`
		APIServer            component  `json:"apiServer"`
		ControllerManager    component  `json:"controllerManager"`
		Scheduler            component  `json:"scheduler"`
		Etcd                 etcd       `json:"etcd"`
	}

	kubeletConfiguration struct {
		typeMeta           `json:",inline"`
		CgroupDriver       string   `json:"cgroupDriver"`
		RotateCertificates bool     `json:"rotateCertificates"`
		ServerTLSBootstrap bool     `json:"serverTLSBootstrap"`
		ReadOnlyPort       int      `json:"readOnlyPort"`
		TLSMinVersion      string   `json:"tlsMinVersion"`
		TLSCipherSuites    []string `json:"tlsCipherSuites"`
		SeccompDefault     bool     `json:"seccompDefault"`
		PodPidsLimit       int64    `json:"podPidsLimit"`
		Authentication     struct {
			Anonymous struct {
				Enabled bool `json:"enabled"`
			} `json:"anonymous"`
			Webhook struct {
				Enabled bool `json:"enabled"`
			} `json:"webhook"`
			X509 struct {
				ClientCAFile string `json:"clientCAFile"`
			} `json:"x509"`
		} `json:"authentication"`
		Authorization struct {
			Mode string `json:"mode"`
		} `json:"authorization"`
	}

	kubeProxyConfiguration struct {
		typeMeta           `json:",inline"`
		MetricsBindAddress string `json:"metricsBindAddress"`
	}

	joinDiscovery struct {
		File struct {
			KubeConfigPath string `json:"kubeConfigPath"`
		} `json:"file"`
		TLSBootstrapToken string `json:"tlsBootstrapToken"`
	}

	joinControlPlane struct {
		LocalAPIEndpoint apiEndpoint `json:"localAPIEndpoint"`
	}

	joinConfiguration struct {
		typeMeta         `json:",inline"`
		CACertPath       string            `json:"caCertPath"`
		Discovery        joinDiscovery     `json:"discovery"`
		NodeRegistration nodeRegistration  `json:"nodeRegistration"`
		ControlPlane     *joinControlPlane `json:"controlPlane,omitempty"`
		Timeouts         timeouts          `json:"timeouts"`
	}
)

const (
	kubeadmAPI   = "kubeadm.k8s.io/v1beta4"
	controlTaint = "node-role.kubernetes.io/control-plane"
)

// Timeouts are for slow metal: a host that boots in seconds waits for one whose self-test alone takes half an hour.
func joinTimeouts() timeouts {
	return timeouts{
		ControlPlaneComponentHealthCheck: duration(10 * time.Minute), KubeletHealthCheck: duration(5 * time.Minute),
		Discovery: duration(time.Hour), TLSBootstrap: duration(10 * time.Minute),
	}
}

// kubeadmYAML is the configuration for `kubeadm init` or `kubeadm join`, as a stream of YAML documents.
func kubeadmYAML(h Host) ([]byte, error) {
	documents := []any{joinDocument(h)}
	if h.Role == RoleInit {
		documents = []any{initDocument(h), clusterDocument(h), kubeletDocument(), proxyDocument()}
	}
	var out bytes.Buffer
	for i, document := range documents {
		text, err := yaml.Marshal(document)
		if err != nil {
			return nil, fmt.Errorf("render kubeadm configuration: %w", err)
		}
		if i > 0 {
			out.WriteString("---\n")
		}
		out.Write(text)
	}
	return out.Bytes(), nil
}

func initDocument(h Host) initConfiguration {
	ttl := h.TokenTTL
	if ttl == 0 {
		ttl = DefaultTokenTTL
	}
	return initConfiguration{
		typeMeta: typeMeta{APIVersion: kubeadmAPI, Kind: "InitConfiguration"},
		BootstrapTokens: []bootstrapToken{{
			Token: h.BootstrapToken, TTL: duration(ttl), Usages: []string{"authentication"},
			Groups: []string{"system:bootstrappers:kubeadm:default-node-token"},
		}},
		LocalAPIEndpoint: apiEndpoint{BindPort: localPort(h)},
		NodeRegistration: registration(h),
		Timeouts: timeouts{
			ControlPlaneComponentHealthCheck: duration(10 * time.Minute), KubeletHealthCheck: duration(5 * time.Minute),
		},
	}
}

// localPort is where the API server of a control plane listens: at the port of the endpoint. Floating IPs do not change
// ports, and load balancers find it there, too.
func localPort(h Host) int {
	_, port := splitEndpoint(h.ControlPlaneEndpoint)
	n, _ := strconv.Atoi(port) // it was checked
	return n
}

func clusterDocument(h Host) clusterConfiguration {
	endpointHost, _ := splitEndpoint(h.ControlPlaneEndpoint)
	sans := append([]string{endpointHost, "127.0.0.1", "localhost"}, h.APIServerCertSANs...)
	slices.Sort(sans)
	return clusterConfiguration{
		typeMeta:             typeMeta{APIVersion: kubeadmAPI, Kind: "ClusterConfiguration"},
		ClusterName:          h.ClusterName,
		KubernetesVersion:    h.KubernetesVersion,
		ControlPlaneEndpoint: h.ControlPlaneEndpoint,
		CertificatesDir:      pkiDir,
		EncryptionAlgorithm:  "RSA-2048",
		ImageRepository:      h.ImageRepository,
		Networking:           networking{PodSubnet: h.PodSubnet, ServiceSubnet: h.ServiceSubnet, DNSDomain: h.dnsDomain()},
		APIServer:            component{CertSANs: slices.Compact(sans), ExtraArgs: apiServerArgs(h), ExtraVolumes: apiServerMounts(h)},
		ControllerManager:    component{ExtraArgs: controllerManagerArgs()},
		Scheduler:            component{ExtraArgs: schedulerArgs()},
		Etcd:                 etcd{Local: localEtcd{DataDir: "/var/lib/etcd"}},
	}
}

// kubeletDocument leaves kernel settings to the kubelet (protectKernelDefaults off). Kubelets ask the cluster for serving
// certificates, and conductors approve the requests: see kube.ApproveServing.
func kubeletDocument() kubeletConfiguration {
	k := kubeletConfiguration{
		typeMeta:           typeMeta{APIVersion: "kubelet.config.k8s.io/v1beta1", Kind: "KubeletConfiguration"},
		CgroupDriver:       "systemd",
		RotateCertificates: true,
		ServerTLSBootstrap: true,
		TLSMinVersion:      minTLS,
		TLSCipherSuites:    cipherSuites(),
		SeccompDefault:     true,
		PodPidsLimit:       podPids,
	}
	k.Authentication.Webhook.Enabled = true
	k.Authentication.X509.ClientCAFile = pkiDir + "/ca.crt"
	k.Authorization.Mode = "Webhook"
	return k
}

func proxyDocument() kubeProxyConfiguration {
	return kubeProxyConfiguration{
		typeMeta:           typeMeta{APIVersion: "kubeproxy.config.k8s.io/v1alpha1", Kind: "KubeProxyConfiguration"},
		MetricsBindAddress: "127.0.0.1:10249",
	}
}

func joinDocument(h Host) joinConfiguration {
	j := joinConfiguration{
		typeMeta:         typeMeta{APIVersion: kubeadmAPI, Kind: "JoinConfiguration"},
		CACertPath:       pkiDir + "/ca.crt",
		NodeRegistration: registration(h),
		Timeouts:         joinTimeouts(),
	}
	j.Discovery.File.KubeConfigPath = discoveryPath
	j.Discovery.TLSBootstrapToken = h.BootstrapToken
	if h.Role == RoleControlPlane {
		j.ControlPlane = &joinControlPlane{LocalAPIEndpoint: apiEndpoint{BindPort: localPort(h)}}
	}
	return j
}

func registration(h Host) nodeRegistration {
	taints := slices.Clone(h.NodeTaints)
	// A list of taints replaces kubeadm's own, so a control plane's is repeated.
	if h.controlPlane() && len(taints) > 0 {
		own := Taint{Key: controlTaint, Effect: "NoSchedule"}
		if !slices.Contains(taints, own) {
			taints = append([]Taint{own}, taints...)
		}
	}
	return nodeRegistration{
		Name: h.Name, CRISocket: "unix:///run/containerd/containerd.sock", ImagePullPolicy: "IfNotPresent",
		KubeletExtraArgs: kubeletArgs(h), Taints: taints,
	}
}

// ownFlags are the kubelet's flags that have fields of their own in Host.
func ownFlags() []string {
	return []string{"cloud-provider", "hostname-override", "node-labels", "provider-id", "register-with-taints"}
}

func kubeletArgs(h Host) []arg {
	flags := maps.Clone(h.KubeletExtraArgs)
	if flags == nil {
		flags = map[string]string{}
	}
	if h.CloudProviderExternal {
		flags["cloud-provider"] = "external"
	}
	if h.ProviderID != "" {
		flags["provider-id"] = h.ProviderID
	}
	labels := make([]string, 0, len(h.NodeLabels))
	for _, key := range slices.Sorted(maps.Keys(h.NodeLabels)) {
		labels = append(labels, key+"="+h.NodeLabels[key])
	}
	if len(labels) > 0 {
		flags["node-labels"] = strings.Join(labels, ",")
	}
	var out []arg
	for _, name := range slices.Sorted(maps.Keys(flags)) {
		out = append(out, arg{Name: name, Value: flags[name]})
	}
	return out
}

// args makes a list of pairs of name and value.
func args(pairs ...string) []arg {
	var out []arg
	for pair := range slices.Chunk(pairs, 2) {
		out = append(out, arg{Name: pair[0], Value: pair[1]})
	}
	return out
}

// duration is the form that Kubernetes reads: "1h0m0s".
func duration(d time.Duration) string { return d.String() }
