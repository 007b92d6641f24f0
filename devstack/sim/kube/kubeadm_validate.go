package kube

import (
	"encoding/hex"
	"fmt"
	"net"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

var (
	tokenFormat = regexp.MustCompile(`^([a-z0-9]{6})\.([a-z0-9]{16})$`)
	tokenGroup  = regexp.MustCompile(`^system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]$`)
	// a release, or a build of one
	versionFormat = regexp.MustCompile(`^v?1\.([0-9]{1,4})\.[0-9]{1,4}([-+][0-9A-Za-z.+-]+)?$`)
	repository    = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._-]*(:[0-9]+)?(/[a-z0-9._-]+)*$`)
)

// redacted stands for a value that must not be on a console.
const redacted = "***"

// validate checks what kubeadm checks after decoding and defaulting; all errors are reported at once.
func (c *kubeadmConfig) validate() error {
	var errs field.ErrorList
	if c.join != nil {
		errs = validateJoin(c.join)
	} else {
		errs = append(validateInit(c.init), validateCluster(c.cluster)...)
	}
	return errs.ToAggregate()
}

func validateInit(c *initConfiguration) field.ErrorList {
	errs := validateNode(&c.NodeRegistration, field.NewPath("nodeRegistration"))
	for i, t := range c.BootstrapTokens {
		errs = append(errs, validateBootstrapToken(t, field.NewPath("bootstrapTokens").Index(i))...)
	}
	errs = append(errs, validateEndpoint(c.LocalAPIEndpoint, field.NewPath("localAPIEndpoint"))...)
	return append(errs, validateCertificateKey(c.CertificateKey, field.NewPath("certificateKey"))...)
}

func validateBootstrapToken(t bootstrapToken, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if !tokenFormat.MatchString(t.Token) {
		errs = append(errs, field.Invalid(at.Child("token"), redacted, "the bootstrap token is invalid"))
	}
	if t.TTL != nil && t.Expires != nil {
		errs = append(errs, field.Invalid(at, "", "the BootstrapToken .TTL and .Expires fields are mutually exclusive"))
	}
	for _, usage := range t.Usages {
		if usage != "signing" && usage != "authentication" {
			errs = append(errs, field.NotSupported(at.Child("usages"), usage, []string{"signing", "authentication"}))
		}
	}
	for _, group := range t.Groups {
		if !tokenGroup.MatchString(group) {
			errs = append(errs, field.Invalid(at.Child("groups"), group, "not a group of bootstrap tokens"))
		}
	}
	return errs
}

func validateCluster(c *clusterConfiguration) field.ErrorList {
	var errs field.ErrorList
	if c.ControlPlaneEndpoint != "" {
		errs = append(errs, validateHostPort(c.ControlPlaneEndpoint, field.NewPath("controlPlaneEndpoint"))...)
	}
	if _, _, err := parseVersion(c.KubernetesVersion); err != nil {
		errs = append(errs, field.Invalid(field.NewPath("kubernetesVersion"), c.KubernetesVersion, err.Error()))
	}
	if !path.IsAbs(c.CertificatesDir) {
		errs = append(errs, field.Invalid(field.NewPath("certificatesDir"), c.CertificatesDir, "path is not absolute"))
	}
	if !repository.MatchString(c.ImageRepository) {
		errs = append(errs, field.Invalid(field.NewPath("imageRepository"), c.ImageRepository, "invalid image repository format"))
	}
	switch c.EncryptionAlgorithm {
	case "", "RSA-2048", "RSA-3072", "RSA-4096", "ECDSA-P256", "ECDSA-P384":
	default:
		errs = append(errs, field.Invalid(field.NewPath("encryptionAlgorithm"), c.EncryptionAlgorithm, "unknown algorithm"))
	}
	for at, validity := range map[string]bool{
		"certificateValidityPeriod":   c.CertificateValidityPeriod != nil && c.CertificateValidityPeriod.Duration <= 0,
		"caCertificateValidityPeriod": c.CACertificateValidityPeriod != nil && c.CACertificateValidityPeriod.Duration <= 0,
	} {
		if validity {
			errs = append(errs, field.Invalid(field.NewPath(at), "", "the value must be positive"))
		}
	}
	errs = append(errs, validateComponents(c)...)
	errs = append(errs, validateEtcd(c.Etcd, field.NewPath("etcd"))...)
	return append(errs, validateNetworking(c, field.NewPath("networking"))...)
}

func validateComponents(c *clusterConfiguration) field.ErrorList {
	at := field.NewPath("apiServer", "certSANs")
	var errs field.ErrorList
	for _, san := range c.APIServer.CertSANs {
		errs = append(errs, validateSAN(san, at)...)
	}
	errs = append(errs, validateArgs(c.APIServer.ExtraArgs, field.NewPath("apiServer", "extraArgs"))...)
	errs = append(errs, validateArgs(c.ControllerManager.ExtraArgs, field.NewPath("controllerManager", "extraArgs"))...)
	return append(errs, validateArgs(c.Scheduler.ExtraArgs, field.NewPath("scheduler", "extraArgs"))...)
}

func validateSAN(san string, at *field.Path) field.ErrorList {
	if net.ParseIP(san) != nil || len(validation.IsDNS1123Subdomain(san)) == 0 || len(validation.IsWildcardDNS1123Subdomain(san)) == 0 {
		return nil
	}
	return field.ErrorList{field.Invalid(at, san, "altname is not a valid IP address, DNS label or a DNS label with subdomain wildcards")}
}

func validateEtcd(e etcd, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if e.Local != nil && e.External != nil {
		return field.ErrorList{field.Invalid(at, "", ".Etcd.Local and .Etcd.External are mutually exclusive")}
	}
	if e.External != nil {
		return field.ErrorList{field.Forbidden(at.Child("external"), "an external etcd is not simulated")}
	}
	if e.Local == nil {
		return nil
	}
	local := at.Child("local")
	if e.Local.DataDir != "" && !path.IsAbs(e.Local.DataDir) {
		errs = append(errs, field.Invalid(local.Child("dataDir"), e.Local.DataDir, "path is not absolute"))
	}
	for _, san := range slices.Concat(e.Local.ServerCertSANs, e.Local.PeerCertSANs) {
		errs = append(errs, validateSAN(san, local.Child("serverCertSANs"))...)
	}
	return append(errs, validateArgs(e.Local.ExtraArgs, local.Child("extraArgs"))...)
}

func validateJoin(c *joinConfiguration) field.ErrorList {
	errs := validateNode(&c.NodeRegistration, field.NewPath("nodeRegistration"))
	if !path.IsAbs(c.CACertPath) {
		errs = append(errs, field.Invalid(field.NewPath("caCertPath"), c.CACertPath, "the ca certificate path must be an absolute path"))
	}
	if c.ControlPlane != nil {
		at := field.NewPath("controlPlane")
		errs = append(errs, validateEndpoint(c.ControlPlane.LocalAPIEndpoint, at.Child("localAPIEndpoint"))...)
		errs = append(errs, validateCertificateKey(c.ControlPlane.CertificateKey, at.Child("certificateKey"))...)
	}
	return append(errs, validateDiscovery(&c.Discovery, field.NewPath("discovery"))...)
}

func validateDiscovery(d *discovery, at *field.Path) field.ErrorList {
	switch {
	case d.BootstrapToken == nil && d.File == nil:
		return field.ErrorList{field.Invalid(at, "", "bootstrapToken or file must be set")}
	case d.BootstrapToken != nil && d.File != nil:
		return field.ErrorList{field.Invalid(at, "", "bootstrapToken and file cannot both be set")}
	case d.BootstrapToken != nil:
		return field.ErrorList{field.Forbidden(at.Child("bootstrapToken"), "discovery by token is not simulated")}
	}
	var errs field.ErrorList
	if !path.IsAbs(d.File.KubeConfigPath) {
		errs = append(errs, field.Invalid(at.Child("file", "kubeConfigPath"), d.File.KubeConfigPath, "not a valid HTTPS URL or a file on disk"))
	}
	if !tokenFormat.MatchString(d.TLSBootstrapToken) {
		errs = append(errs, field.Invalid(at.Child("tlsBootstrapToken"), redacted, "the bootstrap token is invalid"))
	}
	return errs
}

func validateNode(n *nodeRegistration, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if n.Name == "" {
		errs = append(errs, field.Required(at, ".nodeRegistration.name is a required value"))
	}
	for _, problem := range validation.IsDNS1123Subdomain(n.Name) {
		errs = append(errs, field.Invalid(at.Child("name"), n.Name, problem))
	}
	errs = append(errs, validateSocket(n.CRISocket, at.Child("criSocket"))...)
	errs = append(errs, validateArgs(n.KubeletExtraArgs, at.Child("kubeletExtraArgs"))...)
	switch n.ImagePullPolicy {
	case corev1.PullAlways, corev1.PullIfNotPresent, corev1.PullNever:
	default:
		errs = append(errs, field.Invalid(at.Child("imagePullPolicy"), n.ImagePullPolicy, "invalid pull policy"))
	}
	for i, taint := range n.Taints {
		if err := checkTaint(taint); err != nil {
			errs = append(errs, field.Invalid(at.Child("taints").Index(i), taint.ToString(), err.Error()))
		}
	}
	if slices.Contains(n.IgnorePreflightErrors, "all") && len(n.IgnorePreflightErrors) > 1 {
		errs = append(errs, field.Invalid(at.Child("ignorePreflightErrors"), "", "don't specify individual checks if 'all' is used"))
	}
	return errs
}

func validateSocket(socket string, at *field.Path) field.ErrorList {
	u, err := url.Parse(socket)
	if err != nil || u.Scheme != "unix" || !path.IsAbs(u.Path) {
		return field.ErrorList{field.Invalid(at, socket, "only URL scheme \"unix\" is supported")}
	}
	return nil
}

func validateArgs(args []arg, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i, a := range args {
		if a.Name == "" {
			errs = append(errs, field.Invalid(at, fmt.Sprintf("index %d", i), "argument has no name"))
		}
	}
	return errs
}

func validateEndpoint(e apiEndpoint, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if e.AdvertiseAddress != "" && net.ParseIP(e.AdvertiseAddress) == nil {
		errs = append(errs, field.Invalid(at.Child("advertiseAddress"), e.AdvertiseAddress, "ip address is not valid"))
	}
	if e.BindPort < 1 || e.BindPort > 65535 {
		errs = append(errs, field.Invalid(at.Child("bindPort"), e.BindPort, "port number is not valid"))
	}
	return errs
}

func validateCertificateKey(key string, at *field.Path) field.ErrorList {
	if key == "" {
		return nil
	}
	if raw, err := hex.DecodeString(key); err != nil || len(raw) != 32 {
		return field.ErrorList{field.Invalid(at, redacted, "invalid certificate key, the key must be an AES key of size 32")}
	}
	return nil
}

func validateHostPort(endpoint string, at *field.Path) field.ErrorList {
	host, port, err := net.SplitHostPort(endpoint)
	number, portErr := strconv.ParseUint(port, 10, 16)
	if err == nil && portErr == nil && number > 0 && (net.ParseIP(host) != nil || len(validation.IsDNS1123Subdomain(host)) == 0) {
		return nil
	}
	return field.ErrorList{field.Invalid(at, endpoint, "endpoint is not valid: expected host:port")}
}

// parseVersion returns the minor version of "v1.37.2" or "1.37.2", and the version with its v.
func parseVersion(version string) (minor int, full string, err error) {
	match := versionFormat.FindStringSubmatch(version)
	if match == nil {
		return 0, "", fmt.Errorf("version %q is not of the form v1.minor.patch", version)
	}
	minor, err = strconv.Atoi(match[1])
	return minor, "v" + strings.TrimPrefix(version, "v"), err
}
