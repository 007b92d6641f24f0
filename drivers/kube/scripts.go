package kube

import (
	"embed"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

//go:embed scripts
var scripts embed.FS

// hostCommand is one of the embedded scripts with its parameters.
func hostCommand(run, name, node, script string, env map[string]string, files map[string][]byte, deadline time.Duration) (HostCommand, error) {
	text, err := scripts.ReadFile("scripts/" + script)
	if err != nil {
		return HostCommand{}, fmt.Errorf("read %s: %w", script, err)
	}
	return HostCommand{Run: run, Name: name, Node: node, Script: string(text), Env: env, Files: files, Deadline: deadline}, nil
}

// Authorities of a cluster as a host is to have them, PEM. A worker has the cluster's alone, and no key. What is empty
// stays as it is.
type Authorities struct {
	// CA, FrontProxyCA and EtcdCA are all that are trusted. The first of each is the one whose key the host has: by that
	// kubeadm renews certificates.
	CA, FrontProxyCA, EtcdCA          []byte
	CAKey, FrontProxyCAKey, EtcdCAKey []byte
	// SigningCA is the first of CA by itself: the controller manager signs with it, and accepts no file with another.
	SigningCA []byte
}

// What kubeadm renews, by its names.
const (
	CertificatesAll      = "all"
	CertificateAPIServer = "apiserver" // which clients of the API see
)

// ComponentAPIServer is one of Components.
const ComponentAPIServer = "kube-apiserver"

// RestartedLabel has the Mark of the last restart on the pods of a control plane's components.
const RestartedLabel = "jeroboam.cloud/restarted"

const (
	authoritiesDeadline = 5 * time.Minute
	kubeletDeadline     = 5 * time.Minute
	upgradeDeadline     = 20 * time.Minute
)

// CertificatesButAPIServer are all that kubeadm renews but the one that clients of the API see.
func CertificatesButAPIServer() []string {
	return []string{"admin.conf", "apiserver-etcd-client", "apiserver-kubelet-client", "controller-manager.conf", "etcd-healthcheck-client",
		"etcd-peer", "etcd-server", "front-proxy-client", "scheduler.conf", "super-admin.conf"}
}

// Components of a control plane, in the order in which they end well: those come first that need the others.
func Components() []string { return append(Controllers(), ComponentAPIServer, "etcd") }

// Controllers are the components that read their own certificates only when they start. API server and etcd read theirs
// again, and whom they believe only when they start.
func Controllers() []string { return []string{"kube-controller-manager", "kube-scheduler"} }

// Renewal is what InstallAuthorities does beside installing.
type Renewal struct {
	Certificates []string // that kubeadm renews, by its names
	Components   []string // that are restarted
	Kubelet      bool     // is restarted
	Shown        bool     // the API server is waited for to show a certificate of the authority that signs
}

// InstallAuthorities puts authorities in place on a host, renews certificates under them, and restarts what has read them:
// in this order.
func InstallAuthorities(run, name, node string, a Authorities, r Renewal) (HostCommand, error) {
	files := map[string][]byte{}
	for file, content := range map[string][]byte{
		"ca.crt": a.CA, "ca.key": a.CAKey, "signing-ca.crt": a.SigningCA, "front-proxy-ca.crt": a.FrontProxyCA, "front-proxy-ca.key": a.FrontProxyCAKey,
		"etcd-ca.crt": a.EtcdCA, "etcd-ca.key": a.EtcdCAKey,
	} {
		if len(content) > 0 {
			files[file] = content
		}
	}
	env := map[string]string{"RENEW": strings.Join(r.Certificates, " "), "COMPONENTS": strings.Join(r.Components, " "), "MARK": Mark(run, name), "KUBELET": yes(r.Kubelet), "SHOWN": yes(r.Shown)}
	return hostCommand(run, name, node, "authorities.sh", env, files, authoritiesDeadline)
}

// Mark is what RestartedLabel has on the pods of components that a command restarted.
func Mark(run, name string) string { return run + "-" + name }

// NewKubeletCertificate has a kubelet ask the API at the endpoint for a new client certificate, with a bootstrap token.
func NewKubeletCertificate(run, name, node, endpoint string, ca []byte, token string) (HostCommand, error) {
	const cluster, user = "kubernetes", "tls-bootstrap-token-user"
	config, err := clientcmd.Write(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{cluster: {Server: endpoint, CertificateAuthorityData: ca}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{user: {Token: token}},
		Contexts:       map[string]*clientcmdapi.Context{"bootstrap": {Cluster: cluster, AuthInfo: user}},
		CurrentContext: "bootstrap",
	})
	if err != nil {
		return HostCommand{}, fmt.Errorf("write the bootstrap configuration of %s: %w", node, err)
	}
	return hostCommand(run, name, node, "kubelet-certificate.sh", nil, map[string][]byte{"bootstrap-kubelet.conf": config}, kubeletDeadline)
}

// Binaries say where hosts get kubeadm, kubelet and kubectl from when they are upgraded where they are.
type Binaries struct {
	// URL of the folder that has them. {version} and {arch} in it stand for the version and the host's architecture.
	URL string
	// SHA256 are the checksums: "<version>/<arch>/<name>" → hex. Nothing is installed without one.
	SHA256 map[string]string
}

// Upgrade brings a node to a version of Kubernetes where it is; first is for the first control plane that gets there. The
// node is drained, or not, by whoever calls.
func Upgrade(run, node, arch, version string, first bool, from Binaries) (HostCommand, error) {
	folder := strings.NewReplacer("{version}", version, "{arch}", arch).Replace(from.URL)
	if u, err := url.Parse(folder); err != nil || u.Host == "" || (u.Scheme != "https" && u.Scheme != "http") {
		return HostCommand{}, fmt.Errorf("upgrade %s: %q is no URL of a folder with binaries", node, from.URL)
	}
	sums := map[string]string{}
	for _, name := range []string{"kubeadm", "kubectl", "kubelet"} {
		sum := strings.ToLower(from.SHA256[version+"/"+arch+"/"+name])
		if sum == "" {
			return HostCommand{}, fmt.Errorf("upgrade %s: there is no checksum of %s %s for %s", node, name, version, arch)
		}
		sums[name] = sum
	}
	var list []string
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		list = append(list, name+"="+sums[name])
	}
	env := map[string]string{"VERSION": version, "FIRST": yes(first), "URL": strings.TrimSuffix(folder, "/"), "SHA256": strings.Join(list, " ")}
	return hostCommand(run, "upgrade", node, "upgrade.sh", env, nil, upgradeDeadline)
}

// RestartKubelet starts a node's kubelet again.
func RestartKubelet(run, node string) (HostCommand, error) {
	return hostCommand(run, "restart", node, "kubelet-restart.sh", nil, nil, kubeletDeadline)
}

// UpgradeAddons brings what kubeadm has put into the cluster to the version of its control planes; node is one of them.
func UpgradeAddons(run, node string) (HostCommand, error) {
	return hostCommand(run, "addons", node, "addons.sh", nil, nil, kubeletDeadline)
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
