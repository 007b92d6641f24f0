package userdata

import (
	"bytes"
	"compress/gzip"
	"embed"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"sigs.k8s.io/yaml"
)

//go:embed files
var assets embed.FS

const (
	configPath = "/etc/kubernetes/kubeadm.yaml"
	// discoveryPath is not where kubeadm clears away.
	discoveryPath = "/etc/kubernetes/discovery.conf"
	pkiDir        = "/etc/kubernetes/pki"
	signingCA     = "signing-ca.crt"
	scriptPath    = programDir + "/jeroboam-bootstrap"
	programDir    = "/usr/local/sbin"
	ownDir        = "/etc/jeroboam"
	timePath      = ownDir + "/ntp"
	proxyPath     = ownDir + "/proxy.env"

	// packFrom is the size from which compressing a file is tried. Small files stay readable on the host's console.
	packFrom = 1024
)

// cloudConfig has the few modules of cloud-init that are used.
type cloudConfig struct {
	Hostname          string      `json:"hostname"`
	FQDN              string      `json:"fqdn"`
	ManageEtcHosts    bool        `json:"manage_etc_hosts"`
	PreserveHostname  bool        `json:"preserve_hostname"`
	SSHPasswordAuth   bool        `json:"ssh_pwauth"`
	SSHAuthorizedKeys []string    `json:"ssh_authorized_keys,omitempty"`
	PackageUpdate     bool        `json:"package_update"`
	WriteFiles        []writeFile `json:"write_files"`
	RunCmd            [][]string  `json:"runcmd"`
	FinalMessage      string      `json:"final_message"`
}

type writeFile struct {
	Path        string `json:"path"`
	Content     string `json:"content"`
	Encoding    string `json:"encoding"`
	Owner       string `json:"owner"`
	Permissions string `json:"permissions"`
}

// Render makes the user data of a host, a cloud-config or for Flatcar an Ignition config: the same bytes for the same host.
// It fails with every *InvalidError there is, with ErrUnsupportedDistro or ErrUnsupportedVersion, or with *SizeError when
// Nova would not take the result.
func Render(h Host) ([]byte, error) {
	if err := validate(h); err != nil {
		return nil, fmt.Errorf("user data of %s: %w", h.Name, err)
	}
	files, err := hostFiles(h)
	if err != nil {
		return nil, err
	}
	config := cloudInitConfig
	if distros()[h.Distro].ignition {
		config = ignitionConfig
	}
	out, err := config(h, files)
	if err != nil {
		return nil, err
	}
	if size := base64.StdEncoding.EncodedLen(len(out)); size > maxUserData {
		return nil, fmt.Errorf("user data of %s: %w", h.Name, &SizeError{Size: size, Limit: maxUserData})
	}
	return out, nil
}

func cloudInitConfig(h Host, files []File) ([]byte, error) {
	c := cloudConfig{
		Hostname: h.Name, FQDN: h.Name, ManageEtcHosts: true, SSHAuthorizedKeys: h.SSHKeys,
		RunCmd:       [][]string{{scriptPath}},
		FinalMessage: "cloud-init finished after $UPTIME seconds",
	}
	for _, f := range files {
		packed, err := pack(f)
		if err != nil {
			return nil, fmt.Errorf("user data of %s: pack %s: %w", h.Name, f.Path, err)
		}
		c.WriteFiles = append(c.WriteFiles, packed)
	}
	text, err := yaml.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("user data of %s: %w", h.Name, err)
	}
	return append([]byte("#cloud-config\n"), text...), nil
}

// hostFiles are all files of a host in the order in which they are written.
func hostFiles(h Host) ([]File, error) {
	config, err := kubeadmYAML(h)
	if err != nil {
		return nil, err
	}
	files := []File{{Path: configPath, Content: config, Permissions: "0600"}}
	if h.Role != RoleInit {
		content, err := discovery(h)
		if err != nil {
			return nil, fmt.Errorf("render where the API is: %w", err)
		}
		files = append(files, File{Path: discoveryPath, Content: content})
	}
	if h.PKI != nil {
		files = append(files, pkiFiles(h.PKI)...)
		files = append(files, apiServerFiles(h.PKI)...)
	}
	if h.controlPlane() && h.TokenReviewURL != "" {
		content, err := tokenReview(h)
		if err != nil {
			return nil, fmt.Errorf("render the API server's webhook: %w", err)
		}
		files = append(files, File{Path: tokenReviewPath, Content: content, Permissions: "0600"})
	}
	fixed, err := fixedFiles(h)
	if err != nil {
		return nil, err
	}
	files = append(files, fixed...)
	files = append(files, runtimeFiles(h.Runtime)...)
	files = append(files, timeFile(h)...)
	if authorities := authorityFiles(h); len(authorities) > 0 {
		files = append(append(files, authorities...), File{Path: ownDir + "/authorities", Content: []byte("jeroboam-*\n")})
	}
	if h.Proxy.set() {
		files = append(files, File{Path: proxyPath, Content: proxyEnvironment(h), Permissions: "0600"})
	}
	return append(files, h.ExtraFiles...), nil
}

func pkiFiles(p *PKI) []File {
	var files []File
	add := func(name, mode string, content []byte) {
		files = append(files, File{Path: pkiDir + "/" + name, Content: content, Permissions: mode})
	}
	for _, pair := range []struct {
		name string
		KeyPair
	}{{"ca", p.CA}, {"front-proxy-ca", p.FrontProxyCA}, {"etcd/ca", p.EtcdCA}} {
		add(pair.name+".crt", "0644", pair.Certificate)
		add(pair.name+".key", "0600", pair.PrivateKey)
	}
	add(signingCA, "0644", p.SigningCA)
	add("sa.pub", "0644", p.ServiceAccountPublic)
	add("sa.key", "0600", p.ServiceAccountPrivate)
	return files
}

// apiServerFiles are what API servers read beside their flags, and not among the certificates, which kubeadm clears away.
func apiServerFiles(p *PKI) []File {
	return []File{{Path: encryptionPath, Content: encryptionConfiguration(p.EncryptionKey), Permissions: "0600"}}
}

// asset is a file whose content is the same for all hosts that have it.
type asset struct {
	path, mode string
	sources    []string // under files/, joined
	when       func(Host) bool
}

func assetList(h Host) []asset {
	always := func(Host) bool { return true }
	proxied := func(h Host) bool { return h.Proxy.set() }
	routed := func(h Host) bool { return h.RoutedPods }
	system := "/etc/systemd/system/"
	return []asset{
		{auditPolicyPath, "0600", []string{"audit-policy.yaml"}, Host.controlPlane},
		{scriptPath, "0700", script(h), always},
		{system + "jeroboam-bootstrap.service", "0644", []string{"jeroboam-bootstrap.service"}, always},
		{programDir + "/jeroboam-metadata-guard", "0700", []string{"metadata-guard.sh"}, always},
		{system + "jeroboam-metadata-guard.service", "0644", []string{"jeroboam-metadata-guard.service"}, always},
		{system + "kubelet.service.d/20-jeroboam.conf", "0644", []string{"kubelet-guard.conf"}, always},
		{"/usr/local/sbin/jeroboam-pod-network", "0700", []string{"pod-network.sh"}, routed},
		{system + "jeroboam-pod-network.service", "0644", []string{"jeroboam-pod-network.service"}, routed},
		{"/etc/modules-load.d/jeroboam.conf", "0644", []string{"modules.conf"}, always},
		{"/etc/sysctl.d/90-jeroboam.conf", "0644", []string{"sysctl.conf"}, func(h Host) bool { return !h.ipv6() }},
		{"/etc/sysctl.d/90-jeroboam.conf", "0644", []string{"sysctl.conf", "sysctl-ipv6.conf"}, Host.ipv6},
		{system + "containerd.service.d/20-jeroboam-proxy.conf", "0644", []string{"proxy.conf"}, proxied},
		{system + "kubelet.service.d/20-jeroboam-proxy.conf", "0644", []string{"proxy.conf"}, proxied},
	}
}

// script is put together of the parts that the host needs.
func script(h Host) []string {
	parts := []string{"bootstrap-head.sh", "bootstrap-host.sh"}
	if h.Runtime != "" {
		parts = append(parts, "bootstrap-runtime.sh")
	}
	switch h.Role {
	case RoleInit:
		parts = append(parts, "bootstrap-controlplane.sh", "bootstrap-init.sh")
	case RoleControlPlane:
		parts = append(parts, "bootstrap-controlplane.sh", "bootstrap-await.sh", "bootstrap-joincontrolplane.sh")
	default:
		parts = append(parts, "bootstrap-await.sh", "bootstrap-join.sh")
	}
	return append(parts, "bootstrap-main.sh")
}

// ipv6 tells that pods may have IPv6 addresses. Joining hosts are told the subnets too.
func (h Host) ipv6() bool { return strings.Contains(h.PodSubnet, ":") }

func fixedFiles(h Host) ([]File, error) {
	var files []File
	for _, a := range assetList(h) {
		if !a.when(h) {
			continue
		}
		var content []byte
		for _, source := range a.sources {
			part, err := assets.ReadFile("files/" + source)
			if err != nil {
				return nil, fmt.Errorf("read %s: %w", source, err)
			}
			content = append(content, part...)
		}
		files = append(files, distros()[h.Distro].place(File{Path: a.path, Content: content, Permissions: a.mode}))
	}
	return files, nil
}

// isOwnPath tells whether some host has this file already.
func isOwnPath(path string) bool {
	return path == configPath || path == discoveryPath || path == encryptionPath || path == tokenReviewPath || strings.HasPrefix(path, ownDir+"/") || strings.HasPrefix(path, pkiDir+"/") ||
		slices.ContainsFunc(assetList(Host{}), func(a asset) bool { return a.path == path })
}

// pack chooses the encoding of a file: plain text where YAML can carry it, compressed where that is shorter.
func pack(f File) (writeFile, error) {
	out := writeFile{Path: f.Path, Owner: f.Owner, Permissions: f.Permissions, Encoding: "text/plain", Content: string(f.Content)}
	if out.Owner == "" {
		out.Owner = "root:root"
	}
	if out.Permissions == "" {
		out.Permissions = "0644"
	}
	if !plain(f.Content) {
		out.Encoding, out.Content = "b64", base64.StdEncoding.EncodeToString(f.Content)
	}
	if len(f.Content) < packFrom {
		return out, nil
	}
	var compressed bytes.Buffer
	w, err := gzip.NewWriterLevel(&compressed, gzip.BestCompression)
	if err != nil {
		return writeFile{}, err
	}
	if _, err := w.Write(f.Content); err != nil {
		return writeFile{}, err
	}
	if err := w.Close(); err != nil {
		return writeFile{}, err
	}
	if text := base64.StdEncoding.EncodeToString(compressed.Bytes()); len(text) < len(out.Content) {
		out.Encoding, out.Content = "gz+b64", text
	}
	return out, nil
}

// plain tells that YAML gives back exactly these bytes.
func plain(content []byte) bool {
	if !utf8.Valid(content) {
		return false
	}
	return !bytes.ContainsFunc(content, func(r rune) bool {
		return (unicode.IsControl(r) && r != '\n' && r != '\t') || !unicode.IsPrint(r) && !unicode.IsSpace(r)
	})
}
