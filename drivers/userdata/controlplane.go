package userdata

import (
	"strings"
)

const (
	auditPolicyPath   = "/etc/kubernetes/audit-policy.yaml"
	auditLogDir       = "/var/log/kubernetes/audit"
	encryptionPath    = "/etc/kubernetes/encryption.yaml"
	encryptionKeySize = 32
	tokenReviewPath   = "/etc/kubernetes/token-review.yaml"
	minTLS            = "VersionTLS12"
	// podPids are enough for any program that does not multiply without end, and few enough that one that does leaves the
	// node alive.
	podPids = 4096
)

// cipherSuites of TLS 1.2, all with forward secrecy and authenticated encryption; those of TLS 1.3 cannot be chosen.
func cipherSuites() []string {
	return []string{
		"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
		"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
		"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
	}
}

// apiServerArgs are what the CIS benchmark wants beside kubeadm's own. Anonymous requests stay allowed, which it does not
// want: joining hosts and load balancers ask for cluster-info and health without a name, and RBAC lets them have no more.
//
// An API server that is to end asks those who come to come again, and is gone in seconds. Otherwise it would turn them away
// at once, and wait for the ends of all watches until the kubelet kills it, half a minute later: in a rotation many times.
func apiServerArgs(h Host) []arg {
	l := args("shutdown-send-retry-after", "true", "profiling", "false", "tls-min-version", minTLS, "tls-cipher-suites", strings.Join(cipherSuites(), ","),
		"enable-admission-plugins", "NodeRestriction,DenyServiceExternalIPs", "service-account-extend-token-expiration", "false",
		"audit-policy-file", auditPolicyPath, "audit-log-path", auditLogDir+"/audit.log", "audit-log-maxage", "30", "audit-log-maxbackup", "10", "audit-log-maxsize", "100",
		"encryption-provider-config", encryptionPath)
	if h.TokenReviewURL != "" {
		l = append(l, args("authentication-token-webhook-config-file", tokenReviewPath, "authentication-token-webhook-version", "v1")...)
	}
	return l
}

func apiServerMounts(h Host) []mount {
	l := []mount{
		{Name: "audit-policy", HostPath: auditPolicyPath, MountPath: auditPolicyPath, ReadOnly: true, PathType: "File"},
		{Name: "audit-log", HostPath: auditLogDir, MountPath: auditLogDir, PathType: "DirectoryOrCreate"},
		{Name: "encryption", HostPath: encryptionPath, MountPath: encryptionPath, ReadOnly: true, PathType: "File"},
	}
	if h.TokenReviewURL != "" {
		l = append(l, mount{Name: "token-review", HostPath: tokenReviewPath, MountPath: tokenReviewPath, ReadOnly: true, PathType: "File"})
	}
	return l
}

// tokenReview tells an API server where to ask about tokens.
func tokenReview(h Host) ([]byte, error) {
	var ca []byte
	if strings.HasPrefix(h.TokenReviewURL, "https:") {
		ca = h.TokenReviewCA
	}
	return kubeconfig("keystone", h.TokenReviewURL, ca)
}

func controllerManagerArgs() []arg {
	return args("bind-address", "127.0.0.1", "cluster-signing-cert-file", pkiDir+"/"+signingCA, "profiling", "false", "terminated-pod-gc-threshold", "1000",
		"tls-min-version", minTLS, "tls-cipher-suites", strings.Join(cipherSuites(), ","))
}

func schedulerArgs() []arg {
	return args("bind-address", "127.0.0.1", "profiling", "false", "tls-min-version", minTLS, "tls-cipher-suites", strings.Join(cipherSuites(), ","))
}

// encryptionConfiguration has API servers encrypt Secrets before etcd gets them. What was written in the clear is read, too:
// that is how the very first objects of a cluster may be there before all control planes agree.
func encryptionConfiguration(key []byte) []byte {
	return []byte(`apiVersion: apiserver.config.k8s.io/v1
kind: EncryptionConfiguration
resources:
- resources:
  - secrets
  providers:
  - secretbox:
      keys:
      - name: key1
        secret: ` + string(key) + `
  - identity: {}
`)
}
