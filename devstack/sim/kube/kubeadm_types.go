package kube

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The kinds of kubeadm.k8s.io/v1beta4 with all their fields as of Kubernetes 1.37, so that a field which kubeadm does not
// know is found here too. Many are decoded for that reason only.

type initConfiguration struct {
	metav1.TypeMeta  `json:",inline"`
	BootstrapTokens  []bootstrapToken `json:"bootstrapTokens"`
	DryRun           bool             `json:"dryRun"`
	NodeRegistration nodeRegistration `json:"nodeRegistration"`
	LocalAPIEndpoint apiEndpoint      `json:"localAPIEndpoint"`
	CertificateKey   string           `json:"certificateKey"`
	SkipPhases       []string         `json:"skipPhases"`
	Patches          *patches         `json:"patches"`
	Timeouts         *timeouts        `json:"timeouts"`
}

type bootstrapToken struct {
	Token       string           `json:"token"`
	Description string           `json:"description"`
	TTL         *metav1.Duration `json:"ttl"`
	Expires     *metav1.Time     `json:"expires"`
	Usages      []string         `json:"usages"`
	Groups      []string         `json:"groups"`
}

type clusterConfiguration struct {
	metav1.TypeMeta             `json:",inline"`
	Etcd                        etcd                  `json:"etcd"`
	Networking                  networking            `json:"networking"`
	KubernetesVersion           string                `json:"kubernetesVersion"`
	ControlPlaneEndpoint        string                `json:"controlPlaneEndpoint"`
	APIServer                   apiServerComponent    `json:"apiServer"`
	ControllerManager           controlPlaneComponent `json:"controllerManager"`
	Scheduler                   controlPlaneComponent `json:"scheduler"`
	DNS                         dns                   `json:"dns"`
	Proxy                       proxy                 `json:"proxy"`
	CertificatesDir             string                `json:"certificatesDir"`
	ImageRepository             string                `json:"imageRepository"`
	FeatureGates                map[string]bool       `json:"featureGates"`
	ClusterName                 string                `json:"clusterName"`
	EncryptionAlgorithm         string                `json:"encryptionAlgorithm"`
	CertificateValidityPeriod   *metav1.Duration      `json:"certificateValidityPeriod"`
	CACertificateValidityPeriod *metav1.Duration      `json:"caCertificateValidityPeriod"`
}

type controlPlaneComponent struct {
	ExtraArgs    []arg           `json:"extraArgs"`
	ExtraVolumes []hostPathMount `json:"extraVolumes"`
	ExtraEnvs    []corev1.EnvVar `json:"extraEnvs"`
}

type apiServerComponent struct {
	controlPlaneComponent `json:",inline"`
	CertSANs              []string `json:"certSANs"`
}

type dns struct {
	imageMeta `json:",inline"`
	Disabled  bool `json:"disabled"`
}

type proxy struct {
	Disabled bool `json:"disabled"`
}

type imageMeta struct {
	ImageRepository string `json:"imageRepository"`
	ImageTag        string `json:"imageTag"`
}

type apiEndpoint struct {
	AdvertiseAddress string `json:"advertiseAddress"`
	BindPort         int32  `json:"bindPort"`
}

type nodeRegistration struct {
	Name      string `json:"name"`
	CRISocket string `json:"criSocket"`
	// Taints is nil when the configuration does not have it: a control plane then gets kubeadm's taint.
	Taints                []corev1.Taint    `json:"taints"`
	KubeletExtraArgs      []arg             `json:"kubeletExtraArgs"`
	IgnorePreflightErrors []string          `json:"ignorePreflightErrors"`
	ImagePullPolicy       corev1.PullPolicy `json:"imagePullPolicy"`
	ImagePullSerial       *bool             `json:"imagePullSerial"`
}

type networking struct {
	ServiceSubnet string `json:"serviceSubnet"`
	PodSubnet     string `json:"podSubnet"`
	DNSDomain     string `json:"dnsDomain"`
}

type etcd struct {
	Local    *localEtcd    `json:"local"`
	External *externalEtcd `json:"external"`
}

type localEtcd struct {
	imageMeta      `json:",inline"`
	DataDir        string          `json:"dataDir"`
	ExtraArgs      []arg           `json:"extraArgs"`
	ExtraEnvs      []corev1.EnvVar `json:"extraEnvs"`
	ServerCertSANs []string        `json:"serverCertSANs"`
	PeerCertSANs   []string        `json:"peerCertSANs"`
}

type externalEtcd struct {
	Endpoints     []string `json:"endpoints"`
	HTTPEndpoints []string `json:"httpEndpoints"`
	CAFile        string   `json:"caFile"`
	CertFile      string   `json:"certFile"`
	KeyFile       string   `json:"keyFile"`
}

type joinConfiguration struct {
	metav1.TypeMeta  `json:",inline"`
	DryRun           bool              `json:"dryRun"`
	NodeRegistration nodeRegistration  `json:"nodeRegistration"`
	CACertPath       string            `json:"caCertPath"`
	Discovery        discovery         `json:"discovery"`
	ControlPlane     *joinControlPlane `json:"controlPlane"`
	SkipPhases       []string          `json:"skipPhases"`
	Patches          *patches          `json:"patches"`
	Timeouts         *timeouts         `json:"timeouts"`
}

type joinControlPlane struct {
	LocalAPIEndpoint apiEndpoint `json:"localAPIEndpoint"`
	CertificateKey   string      `json:"certificateKey"`
}

type discovery struct {
	BootstrapToken    *tokenDiscovery `json:"bootstrapToken"`
	File              *fileDiscovery  `json:"file"`
	TLSBootstrapToken string          `json:"tlsBootstrapToken"`
}

type tokenDiscovery struct {
	Token                    string   `json:"token"`
	APIServerEndpoint        string   `json:"apiServerEndpoint"`
	CACertHashes             []string `json:"caCertHashes"`
	UnsafeSkipCAVerification bool     `json:"unsafeSkipCAVerification"`
}

type fileDiscovery struct {
	KubeConfigPath string `json:"kubeConfigPath"`
}

type hostPathMount struct {
	Name      string              `json:"name"`
	HostPath  string              `json:"hostPath"`
	MountPath string              `json:"mountPath"`
	ReadOnly  bool                `json:"readOnly"`
	PathType  corev1.HostPathType `json:"pathType"`
}

type patches struct {
	Directory string `json:"directory"`
}

type arg struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type timeouts struct {
	ControlPlaneComponentHealthCheck *metav1.Duration `json:"controlPlaneComponentHealthCheck"`
	KubeletHealthCheck               *metav1.Duration `json:"kubeletHealthCheck"`
	KubernetesAPICall                *metav1.Duration `json:"kubernetesAPICall"`
	EtcdAPICall                      *metav1.Duration `json:"etcdAPICall"`
	TLSBootstrap                     *metav1.Duration `json:"tlsBootstrap"`
	Discovery                        *metav1.Duration `json:"discovery"`
	UpgradeManifests                 *metav1.Duration `json:"upgradeManifests"`
}
