package userdata

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/util/validation"
)

// firstMinor is the first minor version of Kubernetes whose kubeadm reads configuration v1beta4.
const firstMinor = 31

// patterns of values that no library checks. They leave no room for what shells, systemd or flag files interpret.
var (
	tokenPattern   = regexp.MustCompile(`^[a-z0-9]{6}\.[a-z0-9]{16}$`)
	versionPattern = regexp.MustCompile(`^v1\.([0-9]{1,3})\.[0-9]{1,4}([-+][0-9A-Za-z.+-]{1,64})?$`)
	clusterPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,254}$`)
	imagePattern   = regexp.MustCompile(`^[a-z0-9][A-Za-z0-9._:/-]*$`)
	flagPattern    = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)
	valuePattern   = regexp.MustCompile(`^[A-Za-z0-9@%_+=:,./<>{}()\[\]!*?~^;&|#-]*$`) // a flag's: no space, quote, dollar, backslash
	proxyPattern   = regexp.MustCompile(`^[A-Za-z0-9@%_+=:,./\[\]*~-]+$`)
	ownerPattern   = regexp.MustCompile(`^[a-z_][a-z0-9_-]*(:[a-z_][a-z0-9_-]*)?$`)
	modePattern    = regexp.MustCompile(`^0[0-7]{3}$`)
)

// check collects what is wrong with a host.
type check struct{ errs []error }

func (c *check) that(ok bool, field, format string, args ...any) {
	if !ok {
		c.errs = append(c.errs, &InvalidError{Field: field, Problem: fmt.Sprintf(format, args...)})
	}
}

// none adds the problems that a validator of Kubernetes found.
func (c *check) none(field, value string, problems []string) {
	c.that(len(problems) == 0, field, "%q: %s", value, strings.Join(problems, "; "))
}

// The functions below tell of a value what Render would say of it in a Host: who is asked for a cluster knows before there
// is a host.

// Distros that a host can have, as images name them in os_distro.
func Distros() []string { return slices.Sorted(maps.Keys(distros())) }

// FirstVersion is the first minor version of Kubernetes that a host can have, such as v1.30.
func FirstVersion() string { return fmt.Sprintf("v1.%d", firstMinor) }

// ValidAPIPort tells whether an API server can listen at a port: not where others on its host do, or NodePorts may be.
func ValidAPIPort(port int) bool {
	taken := []int{2379, 2380, 2381, 10248, 10249, 10250, 10256, 10257, 10259}
	return !slices.Contains(taken, port) && (port < 30000 || port > 32767)
}

// ValidProxy tells whether a host can be told this proxy.
func ValidProxy(value string) bool {
	u, err := url.Parse(value)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && proxyPattern.MatchString(value)
}

// ValidExemption tells whether a host, domain or network can be exempted from the proxy.
func ValidExemption(value string) bool {
	return proxyPattern.MatchString(value) && !strings.Contains(value, ",")
}

// ValidHost tells whether a value is a name or an address.
func ValidHost(value string) bool {
	if addr, err := netip.ParseAddr(value); err == nil {
		return addr.Zone() == ""
	}
	return len(validation.IsDNS1123Subdomain(value)) == 0
}

// ValidSAN tells whether a certificate of the API server can be for it; that may be all hosts of a domain, too.
func ValidSAN(value string) bool { return ValidHost(strings.TrimPrefix(value, "*.")) }

// ValidImageRepository tells whether names of images can begin with it.
func ValidImageRepository(value string) bool { return imagePattern.MatchString(value) }

func validate(h Host) error {
	c := &check{}
	c.none("name", h.Name, validation.IsDNS1123Label(h.Name))
	if _, known := distros()[h.Distro]; !known {
		c.errs = append(c.errs, fmt.Errorf("distro: %w: %q", ErrUnsupportedDistro, h.Distro))
	}
	host, port, err := net.SplitHostPort(h.ControlPlaneEndpoint)
	c.that(err == nil && validPort(port) && ValidHost(host), "control plane endpoint", "%q is not <host>:<port>", h.ControlPlaneEndpoint)
	c.that(tokenPattern.MatchString(h.BootstrapToken), "bootstrap token", "does not have the form of one")
	c.networks(h)
	c.ssh(h.SSHKeys)
	c.node(h)
	c.proxy(h.Proxy)
	u, err := url.Parse(h.TokenReviewURL)
	c.that(h.TokenReviewURL == "" || err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "", "token review", "%q is not a URL", h.TokenReviewURL)
	c.files(h.ExtraFiles)
	c.authorities(h.Authorities)
	for _, server := range h.NTPServers {
		c.that(ValidHost(server), "ntp server", "%q is neither a name nor an address", server)
	}
	c.that(h.Runtime == "" || runtimes()[h.Runtime].handler != "", "runtime", "%q is none of %s", h.Runtime, strings.Join(Runtimes(), ", "))
	switch h.Role {
	case RoleInit:
		c.cluster(h)
		c.pki(h.PKI)
	case RoleControlPlane:
		c.that(isPEM(h.ClusterCA), "cluster ca", "is not PEM")
		c.pki(h.PKI)
	case RoleWorker:
		c.that(isPEM(h.ClusterCA), "cluster ca", "is not PEM")
		c.that(h.PKI == nil, "pki", "workers must not have the keys of the cluster")
	default:
		c.that(false, "role", "%q is unknown", string(h.Role))
	}
	return errors.Join(c.errs...)
}

// cluster checks what only the first control plane has.
func (c *check) cluster(h Host) {
	c.that(clusterPattern.MatchString(h.ClusterName), "cluster name", "%q has a character that is not allowed", h.ClusterName)
	c.version(h.KubernetesVersion)
	c.that(h.TokenTTL >= 0, "token ttl", "%s is negative", h.TokenTTL)
	c.that(h.ImageRepository == "" || ValidImageRepository(h.ImageRepository), "image repository", "%q is not one", h.ImageRepository)
	for _, san := range h.APIServerCertSANs {
		c.that(ValidSAN(san), "api server certificate", "%q is neither a name nor an address", san)
	}
}

func (c *check) version(version string) {
	m := versionPattern.FindStringSubmatch(version)
	if m == nil {
		c.that(false, "kubernetes version", "%q is not v<major>.<minor>.<patch>", version)
		return
	}
	if minor, _ := strconv.Atoi(m[1]); minor < firstMinor {
		c.errs = append(c.errs, fmt.Errorf("%w: %s, the first is v1.%d", ErrUnsupportedVersion, version, firstMinor))
	}
}

// networks checks what the first control plane needs, and others only for the exemptions from their proxy.
func (c *check) networks(h Host) {
	for _, subnets := range []struct{ field, list string }{{"pod subnet", h.PodSubnet}, {"service subnet", h.ServiceSubnet}} {
		if subnets.list != "" || h.Role == RoleInit {
			c.subnets(subnets.field, subnets.list)
		}
	}
	c.none("dns domain", h.dnsDomain(), validation.IsDNS1123Subdomain(h.dnsDomain()))
}

func (c *check) subnets(field, list string) {
	parts := strings.Split(list, ",")
	c.that(len(parts) <= 2, field, "%q has more than two", list)
	for _, part := range parts {
		_, err := netip.ParsePrefix(part)
		c.that(err == nil, field, "%q is not a CIDR", part)
	}
}

func (c *check) pki(p *PKI) {
	if p == nil {
		c.that(false, "pki", "control planes need the keys of the cluster")
		return
	}
	for _, part := range pkiFiles(p) {
		c.that(isPEM(part.Content), "pki", "%s is not PEM", part.Path)
	}
	key, err := base64.StdEncoding.DecodeString(string(p.EncryptionKey))
	c.that(err == nil && len(key) == encryptionKeySize, "pki", "the key of Secrets is not %d bytes in base64", encryptionKeySize)
}

// isPEM: what is in it the hosts will see.
func isPEM(content []byte) bool { return strings.HasPrefix(string(content), "-----BEGIN ") }

func (c *check) ssh(keys []string) {
	for i, key := range keys {
		ok := strings.TrimSpace(key) != "" && printable(key)
		c.that(ok, "ssh key", "number %d is empty or not one line", i+1)
	}
}

// node checks labels, taints and flags of the kubelet.
func (c *check) node(h Host) {
	for _, key := range slices.Sorted(maps.Keys(h.NodeLabels)) {
		c.none("node label", key, validation.IsQualifiedName(key))
		c.none("node label "+key, h.NodeLabels[key], validation.IsValidLabelValue(h.NodeLabels[key]))
		c.that(kubeletMaySet(key), "node label", "%q is not one that a kubelet may give itself", key)
	}
	for _, t := range h.NodeTaints {
		c.none("node taint", t.Key, validation.IsQualifiedName(t.Key))
		c.none("node taint "+t.Key, t.Value, validation.IsValidLabelValue(t.Value))
		known := t.Effect == "NoSchedule" || t.Effect == "PreferNoSchedule" || t.Effect == "NoExecute"
		c.that(known, "node taint "+t.Key, "effect %q is unknown", t.Effect)
	}
	c.that(valuePattern.MatchString(h.ProviderID), "provider id", "%q has a character that is not allowed", h.ProviderID)
	for _, name := range slices.Sorted(maps.Keys(h.KubeletExtraArgs)) {
		c.that(flagPattern.MatchString(name), "kubelet argument", "%q is not the name of one", name)
		c.that(!slices.Contains(ownFlags(), name), "kubelet argument", "%q is set from other fields", name)
		c.that(valuePattern.MatchString(h.KubeletExtraArgs[name]), "kubelet argument", "the value of %q has a character that is not allowed", name)
	}
}

func (c *check) proxy(p Proxy) {
	for _, field := range []struct{ name, value string }{{"http proxy", p.HTTP}, {"https proxy", p.HTTPS}} {
		// The value is not repeated: it may hold a password.
		c.that(field.value == "" || ValidProxy(field.value), field.name, "is not a URL of http or https, or has characters that are not percent-encoded")
	}
	for _, exempt := range p.No {
		c.that(ValidExemption(exempt), "no proxy", "%q is not a host, domain or CIDR", exempt)
	}
}

func (c *check) files(files []File) {
	seen := map[string]bool{}
	for _, f := range files {
		c.that(path.IsAbs(f.Path) && path.Clean(f.Path) == f.Path && printable(f.Path), "file", "%q is not a plain absolute path", f.Path)
		c.that(!seen[f.Path] && !isOwnPath(f.Path), "file", "%q is written already", f.Path)
		c.that(f.Owner == "" || ownerPattern.MatchString(f.Owner), "file "+f.Path, "owner %q is not user:group", f.Owner)
		c.that(f.Permissions == "" || modePattern.MatchString(f.Permissions), "file "+f.Path, "permissions %q are not like 0644", f.Permissions)
		seen[f.Path] = true
	}
}

// authorities checks a bundle: nothing in it may be left out in silence.
func (c *check) authorities(bundle []byte) {
	for len(strings.TrimSpace(string(bundle))) > 0 {
		block, rest := pem.Decode(bundle)
		if block == nil {
			c.that(false, "authorities", "there is something that is not PEM")
			return
		}
		_, err := x509.ParseCertificate(block.Bytes)
		c.that(err == nil && block.Type == "CERTIFICATE", "authorities", "there is a %s that is no certificate", strings.ToLower(block.Type))
		bundle = rest
	}
}

// printable tells that s is one line of text.
func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

func validPort(port string) bool {
	n, err := strconv.Atoi(port)
	return err == nil && n > 0 && n < 65536
}
