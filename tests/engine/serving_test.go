package engine

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"slices"
	"testing"

	certificatesv1 "k8s.io/api/certificates/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/jeroboam-cloud/jeroboam/conductor/cluster"
	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
)

// clientset is a client of a cluster as its administrator's.
func (b *bed) clientset(v *db.ClusterView) *kubernetes.Clientset {
	b.t.Helper()
	ca, cert, key := b.signed(v, b.secrets, ops.SecretCA)
	c, err := kubernetes.NewForConfig(&rest.Config{Host: *v.APIAddress, TLSClientConfig: rest.TLSClientConfig{CAData: ca.Certificate, CertData: cert, KeyData: key}})
	if err != nil {
		b.t.Fatal(err)
	}
	return c
}

// TestKubeletsServe: every kubelet of a complete cluster has a serving certificate for its own node, and one that it asks
// for later it is given when the cluster is looked at.
func TestKubeletsServe(t *testing.T) {
	t.Parallel()
	b := newBed(t, sim.Options{})
	b.secrets = b.rows()
	conductor := b.conductor("one")
	b.run(conductor)
	id := b.completed(order{name: "dev", masters: 3, workers: 2, loadBalancer: true})
	v, err := b.store.Cluster(t.Context(), id, "")
	if err != nil {
		t.Fatal(err)
	}
	requests := b.clientset(v).CertificatesV1().CertificateSigningRequests()
	l, err := requests.List(t.Context(), metav1.ListOptions{})
	if err != nil || len(l.Items) != 5 {
		t.Fatalf("%d requests, %v", len(l.Items), err)
	}
	nodes, err := b.store.Nodes(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range l.Items {
		block, _ := pem.Decode(r.Status.Certificate)
		if block == nil {
			t.Fatalf("%s has no certificate", r.Spec.Username)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		own := slices.ContainsFunc(nodes, func(n *db.Node) bool {
			return "system:node:"+n.Name == r.Spec.Username && len(cert.IPAddresses) == 1 && cert.IPAddresses[0].String() == n.Addresses[0]
		})
		if !own {
			t.Errorf("%s has a certificate for %v", r.Spec.Username, cert.IPAddresses)
		}
	}

	again, stranger := l.Items[0].DeepCopy(), l.Items[1].DeepCopy()
	again.ObjectMeta, stranger.ObjectMeta = metav1.ObjectMeta{Name: "renewal"}, metav1.ObjectMeta{Name: "stranger"}
	stranger.Spec.Username = again.Spec.Username // with another node's names
	for _, r := range []*certificatesv1.CertificateSigningRequest{again, stranger} {
		r.Status = certificatesv1.CertificateSigningRequestStatus{}
		if _, err := requests.Create(t.Context(), r, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	s, err := b.store.Survey(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if err := conductor.Executor.(*cluster.Executor).ApproveServing(context.Background(), s); err != nil {
		t.Fatal(err)
	}
	for name, approved := range map[string]bool{"renewal": true, "stranger": false} {
		r, err := requests.Get(t.Context(), name, metav1.GetOptions{})
		if err != nil || (len(r.Status.Certificate) > 0) != approved {
			t.Errorf("%s: %v, %v", name, r.Status.Conditions, err)
		}
	}
}
