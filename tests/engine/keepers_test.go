package engine

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/internal/certmanager"
)

// rows keeps secrets in the database.
func (b *bed) rows() certmanager.Manager {
	b.t.Helper()
	m, err := certmanager.NewRows(b.store, []string{"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="})
	if err != nil {
		b.t.Fatal(err)
	}
	return m
}

// adminRequest is a certificate request of an administrator of a cluster, with its key.
func adminRequest(t *testing.T) (csr, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "tester", Organization: []string{"system:masters"}}}, private)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
}

// TestBarbicanKeepsTheSecrets: one of each, also when an answer is lost, and none after delete.
func TestBarbicanKeepsTheSecrets(t *testing.T) {
	for _, lose := range []string{"", sim.LoseDrop, sim.LoseTimeout} {
		t.Run("lost answer: "+lose, func(t *testing.T) {
			t.Parallel()
			b := newBed(t, sim.Options{})
			if lose != "" {
				if err := b.cloud.Inject(sim.Rule{Service: "key-manager", Method: "POST", Nth: 2, Times: 1, Action: sim.Action{Lose: lose}}); err != nil {
					t.Fatal(err)
				}
			}
			b.secrets = certmanager.NewBarbican(b.clouds)
			b.run(b.conductor("one"))
			id := b.completed(order{name: "dev", masters: 1, workers: 1, loadBalancer: true})
			b.oneOfEach()
			if n := len(b.cloud.Resources("")["secret"]); n != len(ops.SecretNames()) {
				t.Errorf("Barbican has %d secrets, want %d", n, len(ops.SecretNames()))
			}
			b.deleted(id)
			if l := b.cloud.Resources("")["secret"]; len(l) != 0 {
				t.Errorf("after delete Barbican still has %v", l)
			}
		})
	}
}

// TestOwnCredentials: with a user's own rights, and no more, a cluster comes and goes; no service user is made.
func TestOwnCredentials(t *testing.T) {
	t.Parallel()
	b := newBed(t, sim.Options{})
	b.own, b.clouds = true, b.factory("demo", "demo")
	b.run(b.conductor("one"))
	id := b.completed(order{name: "dev", masters: 1, workers: 2, loadBalancer: true})
	if len(b.recorded(id, drivers.KindUser)) != 0 || strings.Contains(all(b.cloud.Resources("")), "jeroboam-"+id) {
		t.Error("a service user was made")
	}
	b.deleted(id)
}
