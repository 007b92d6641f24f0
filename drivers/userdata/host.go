package userdata

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// Role is what a host becomes in its cluster.
type Role string

// The roles of hosts.
const (
	RoleInit         Role = "init"          // the first control plane, which starts the cluster
	RoleControlPlane Role = "control-plane" // any further one
	RoleWorker       Role = "worker"
)

// maxUserData is Nova's limit, on the base64 form that goes over the wire.
const maxUserData = 65535

// DefaultTokenTTL is how long a join token works when nothing else is said.
const DefaultTokenTTL = 24 * time.Hour

// Errors of Render; ask with errors.Is. A value that is refused is an *InvalidError, a result too large a *SizeError.
var (
	ErrUnsupportedDistro  = errors.New("operating system is not supported")
	ErrUnsupportedVersion = errors.New("kubernetes version is not supported")
)

// InvalidError says which field of a Host is wrong, and how.
type InvalidError struct{ Field, Problem string }

func (e *InvalidError) Error() string { return e.Field + ": " + e.Problem }

// SizeError means that the result does not fit into what Nova takes.
type SizeError struct{ Size, Limit int }

func (e *SizeError) Error() string {
	return fmt.Sprintf("user data of %d bytes in base64 is over the limit of %d", e.Size, e.Limit)
}

// Host is everything that the bootstrap of one host depends on.
type Host struct {
	Name string // of host, server and node alike
	Role Role
	// Distro is the image's os_distro: ubuntu, debian, rocky or flatcar.
	Distro  string
	SSHKeys []string // for the image's own user

	ClusterName          string
	KubernetesVersion    string   // "v1.37.2"
	ControlPlaneEndpoint string   // "192.0.2.10:6443", where all hosts find the API
	APIServerCertSANs    []string // names and addresses beside that of ControlPlaneEndpoint (init)
	PodSubnet            string   // CIDR, or two with a comma; needed by init, with IPv6 or a proxy by all
	ServiceSubnet        string   // the same
	DNSDomain            string   // "": cluster.local

	BootstrapToken string        // with it hosts join
	TokenTTL       time.Duration // 0: DefaultTokenTTL (init)
	// ClusterCA is what joining hosts believe the API by: the certificate of the cluster's CA in PEM, followed by those that
	// are trusted beside it (control-plane, worker).
	ClusterCA []byte
	PKI       *PKI // control planes

	// NodeLabels are given by the kubelet to itself, so only those that Kubernetes lets it: see SplitLabels.
	NodeLabels       map[string]string
	NodeTaints       []Taint // beside the control plane's own
	ProviderID       string
	KubeletExtraArgs map[string]string
	// CloudProviderExternal makes the kubelet wait for a cloud controller manager to initialize its node.
	CloudProviderExternal bool

	// Runtime of the containers, which the image has: "" is the usual one, or one of Runtimes.
	Runtime string
	// RoutedPods: the network knows the way to each node's pods, so nothing but a bridge is wanted for them.
	RoutedPods bool

	// TokenReviewURL is where API servers ask about tokens that are not their own (control planes); "": nowhere.
	// TokenReviewCA is whom it is trusted by, in PEM; empty: those that the host trusts.
	TokenReviewURL string
	TokenReviewCA  []byte

	Authorities     []byte   // PEM, that the host trusts beside its own: the cloud's, for one
	NTPServers      []string // names or addresses; none: the image's own
	ImageRepository string   // "": Kubernetes' own (init)
	Proxy           Proxy
	ExtraFiles      []File
}

// Format keeps token and keys out of logs, whatever the verb.
func (h Host) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "userdata.Host("+h.Name+" "+string(h.Role)+")")
}

// PKI is what control planes of one cluster share, PEM but for the last. While authorities are being replaced, the certificate of each is
// followed by those that are trusted beside it.
type PKI struct {
	CA, FrontProxyCA, EtcdCA KeyPair
	// SigningCA is CA's certificate by itself: the controller manager signs with it, and accepts no file with another.
	SigningCA                                   []byte
	ServiceAccountPublic, ServiceAccountPrivate []byte
	// EncryptionKey is that of Secrets in etcd: 32 bytes in base64. All control planes have the same, for good: what was
	// written with it is read with nothing else.
	EncryptionKey []byte
}

// Format keeps the keys out of logs, whatever the verb.
func (PKI) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "userdata.PKI(redacted)") }

// KeyPair is a certificate and its private key.
type KeyPair struct{ Certificate, PrivateKey []byte }

// Format keeps the key out of logs, whatever the verb.
func (KeyPair) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "userdata.KeyPair(redacted)") }

// Taint keeps pods off a node that do not tolerate it.
type Taint struct {
	Key    string `json:"key"`
	Value  string `json:"value,omitempty"`
	Effect string `json:"effect"`
}

// Proxy is how containerd and kubelet reach the outside. The cluster's own networks are always exempt.
type Proxy struct {
	HTTP  string   // URL
	HTTPS string   // URL
	No    []string // further hosts, domains and CIDRs to reach without it
}

func (p Proxy) set() bool { return p.HTTP != "" || p.HTTPS != "" }

// File is one more file on the host.
type File struct {
	Path        string
	Content     []byte
	Owner       string // "": root:root
	Permissions string // "": 0644
}

// Format keeps the content out of logs, whatever the verb.
func (f File) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "userdata.File("+f.Path+")") }

func (h Host) controlPlane() bool { return h.Role == RoleInit || h.Role == RoleControlPlane }

func (h Host) dnsDomain() string {
	if h.DNSDomain == "" {
		return "cluster.local"
	}
	return h.DNSDomain
}
