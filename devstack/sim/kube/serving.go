package kube

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"slices"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilrand "k8s.io/apimachinery/pkg/util/rand"
	"sigs.k8s.io/yaml"
)

// servingBootstrap reads from a kubelet's configuration whether it asks for its serving certificate.
func servingBootstrap(document []byte) bool {
	var config struct {
		ServerTLSBootstrap bool `json:"serverTLSBootstrap"`
	}
	return yaml.Unmarshal(document, &config) == nil && config.ServerTLSBootstrap
}

// serves tells that the kubelet has a serving certificate.
func (m *machine) serves() bool {
	_, err := m.drive.read(kubeletServerPEM)
	return err == nil
}

// requestServing is a kubelet's request for its serving certificate. One that has a certificate, or asked before, waits.
func (c *cluster) requestServing(m *machine) error {
	if !c.servingBootstrap || m.serves() {
		return nil
	}
	if err := c.available(); err != nil {
		return err
	}
	user := "system:node:" + m.name()
	request, err := servingRequest(user, m.plan.registration)
	if err != nil {
		return err
	}
	k := c.schema.kind("CertificateSigningRequest")
	return c.store.do(func(t *transaction) error {
		for _, o := range t.list(k, "") {
			r, err := toRequest(o)
			if err == nil && r.Spec.Username == user && len(r.Status.Certificate) == 0 {
				return nil
			}
		}
		o, err := toUnstructured(&certificatesv1.CertificateSigningRequest{
			TypeMeta:   metav1.TypeMeta{APIVersion: "certificates.k8s.io/v1", Kind: k.Kind},
			ObjectMeta: metav1.ObjectMeta{Name: "csr-" + utilrand.String(5)},
			Spec: certificatesv1.CertificateSigningRequestSpec{Request: request, SignerName: certificatesv1.KubeletServingSignerName, Username: user,
				Groups: []string{"system:nodes", "system:authenticated"}, Usages: []certificatesv1.KeyUsage{certificatesv1.UsageDigitalSignature, certificatesv1.UsageServerAuth}},
		}, k)
		if err != nil {
			return err
		}
		t.put(k, nil, o)
		return nil
	})
}

func servingRequest(user string, r *registration) ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	template := &x509.CertificateRequest{Subject: pkix.Name{CommonName: user, Organization: []string{"system:nodes"}}, DNSNames: []string{r.name}}
	for _, address := range r.addresses {
		template.IPAddresses = append(template.IPAddresses, net.ParseIP(address))
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	if err != nil {
		return nil, fmt.Errorf("make a request: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), nil
}

func toRequest(o object) (*certificatesv1.CertificateSigningRequest, error) {
	var r certificatesv1.CertificateSigningRequest
	return &r, runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &r)
}

// signServing is what the controller manager does with a request that was approved, and the kubelet with what comes of it.
func (c *cluster) signServing(name string) {
	signer, err := c.signer()
	if err != nil { // nobody has looked before: all is as on the first day
		signer = &c.authorities.ca
	}
	k, node := c.schema.kind("CertificateSigningRequest"), ""
	var issued []byte
	_ = c.store.do(func(t *transaction) error {
		before, there := t.get(k, "", name)
		if !there {
			return nil
		}
		r, err := toRequest(before)
		if err != nil || len(r.Status.Certificate) > 0 || !isApproved(r) {
			return err
		}
		if r.Status.Certificate, err = c.signRequest(signer, r.Spec.Request); err != nil {
			return err
		}
		after, err := toUnstructured(r, k)
		if err != nil {
			return err
		}
		t.put(k, before, after)
		node, issued = r.Spec.Username, r.Status.Certificate
		return nil
	})
	for _, m := range c.machineList() {
		if node == "system:node:"+m.name() {
			m.drive.write(kubeletServerPEM, issued, 0o600)
		}
	}
}

func isApproved(r *certificatesv1.CertificateSigningRequest) bool {
	return slices.ContainsFunc(r.Status.Conditions, func(c certificatesv1.CertificateSigningRequestCondition) bool {
		return c.Type == certificatesv1.CertificateApproved && c.Status == corev1.ConditionTrue
	})
}

func (c *cluster) signRequest(signer *authority, request []byte) ([]byte, error) {
	block, _ := pem.Decode(request)
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("parse a request: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 63))
	if err != nil {
		return nil, fmt.Errorf("make a serial number: %w", err)
	}
	template := &x509.Certificate{SerialNumber: serial, Subject: csr.Subject, DNSNames: csr.DNSNames, IPAddresses: csr.IPAddresses, NotBefore: signer.cert.NotBefore,
		NotAfter: c.clock.Now().Add(c.config.CertificateValidityPeriod.Duration), KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, signer.cert, csr.PublicKey, signer.key)
	if err != nil {
		return nil, fmt.Errorf("sign a certificate: %w", err)
	}
	return encodePEM(der), nil
}
