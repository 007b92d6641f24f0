package rig

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"testing"
	"time"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/drivers/kube"
	"github.com/jeroboam-cloud/jeroboam/drivers/pki"
	"github.com/jeroboam-cloud/jeroboam/internal/certmanager"
)

// Kube is an administrator's client of a cluster.
func (r *Rig) Kube(t testing.TB, clusterUUID string) *kube.Client {
	t.Helper()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	v, err := r.Store.Cluster(t.Context(), clusterUUID, "")
	check(err)
	secrets, err := certmanager.NewRows(r.Store, r.keys)
	check(err)
	ca, err := secrets.Get(t.Context(), certmanager.Owner{ClusterUUID: v.UUID, ProjectID: v.ProjectID}, v.SecretRefs[ops.SecretCA])
	check(err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(err)
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "test", Organization: []string{"system:masters"}}}, key)
	check(err)
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	check(err)
	cert, err := pki.SignCSR(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr}),
		pki.Options{TermOfValidity: time.Hour, Source: pki.Source{Now: time.Now(), Rand: rand.Reader}})
	check(err)
	c, err := kube.New(kube.Access{Endpoint: *v.APIAddress, CA: ca.Certificate, ClientCert: cert, ClientKey: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})})
	check(err)
	t.Cleanup(c.Close)
	return c
}

// KubeNodes lists a cluster's nodes as its own API tells them to an administrator.
func (r *Rig) KubeNodes(t testing.TB, clusterUUID string) []kube.Node {
	t.Helper()
	nodes, err := r.Kube(t, clusterUUID).Nodes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return nodes
}
