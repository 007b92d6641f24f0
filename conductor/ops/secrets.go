package ops

// Names of a cluster's secrets in the certificate manager. Their references are in db.Cluster.SecretRefs.
const (
	SecretCA             = "ca"
	SecretEtcdCA         = "etcd_ca"
	SecretFrontProxyCA   = "front_proxy_ca"
	SecretServiceAccount = "service_account"
	SecretCredential     = "credential" // the service user's password
	SecretJoinToken      = "join_token"
)

// SecretNames are all of them.
func SecretNames() []string {
	return []string{SecretCA, SecretEtcdCA, SecretFrontProxyCA, SecretServiceAccount, SecretCredential, SecretJoinToken}
}
