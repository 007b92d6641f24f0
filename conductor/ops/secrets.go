package ops

import "strconv"

// Names of a cluster's secrets in the certificate manager. Their references are in db.Cluster.SecretRefs.
const (
	SecretCA             = "ca"
	SecretEtcdCA         = "etcd_ca"
	SecretFrontProxyCA   = "front_proxy_ca"
	SecretServiceAccount = "service_account"
	SecretCredential     = "credential" // the service user's password
	SecretJoinToken      = "join_token"
	// SecretEncryptionKey is what Secrets in etcd are encrypted with. It stays when authorities are replaced: nothing else
	// reads what was written with it.
	SecretEncryptionKey = "encryption_key"
)

// While authorities are being replaced, the references of all that are trusted are in db.Cluster.SecretRefs: that under the
// name itself is of the one that signs, and beside it is either the next one or the old one.
//
//	ca            nobody replaces anything
//	ca, ca_next   both are made known to all hosts
//	ca, ca_old    all hosts know both; the new one signs, and what the old one has signed is replaced
const (
	Next = "_next"
	Old  = "_old"
	// Generation is no reference: how often the cluster's authorities were replaced, in decimal; "" is 0.
	Generation = "generation"
	// CredentialGeneration is the same for the cluster's credential.
	CredentialGeneration = "credential_generation"
)

// Authorities are the names of those.
func Authorities() []string { return []string{SecretCA, SecretEtcdCA, SecretFrontProxyCA} }

// Trusted are the names under which a cluster has the references of an authority and of those that are trusted beside it.
// The first one signs.
func Trusted(refs map[string]string, name string) []string {
	l := []string{name}
	for _, beside := range []string{name + Next, name + Old} {
		if refs[beside] != "" {
			l = append(l, beside)
		}
	}
	return l
}

// GenerationOf a cluster's authorities (Generation) or of its credential (CredentialGeneration).
func GenerationOf(refs map[string]string, of string) int {
	n, err := strconv.Atoi(refs[of])
	if err != nil {
		return 0
	}
	return n
}

// InGeneration is the name under which the certificate manager has a secret of that generation.
func InGeneration(name string, generation int) string {
	if generation == 0 {
		return name
	}
	return name + "-" + strconv.Itoa(generation)
}

// SecretNames are all of them.
func SecretNames() []string {
	return []string{SecretCA, SecretEtcdCA, SecretFrontProxyCA, SecretServiceAccount, SecretCredential, SecretJoinToken, SecretEncryptionKey}
}
