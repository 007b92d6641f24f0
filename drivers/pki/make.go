package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"time"

	"github.com/google/uuid"
)

// minKeySize is below what anybody accepts today.
const minKeySize = 2048

// GroupMasters is the group whose members may do everything in a cluster, by Kubernetes' own rules.
const GroupMasters = "system:masters"

// Spec is what a new leaf certificate says.
type Spec struct {
	CommonName    string
	Organizations []string
	DNSNames      []string // serving certificates
	IPs           []net.IP // serving certificates
	KeySize       int
	Validity      time.Duration
}

// NewCA makes a self-signed authority that may sign leafs only.
func NewCA(commonName string, keySize int, validity time.Duration, src Source) (Bundle, error) {
	if commonName == "" {
		return Bundle{}, errors.New("make ca: the common name is empty")
	}
	t, err := template(pkix.Name{CommonName: commonName}, validity, src)
	if err != nil {
		return Bundle{}, fmt.Errorf("make ca %s: %w", commonName, err)
	}
	t.IsCA = true
	t.MaxPathLenZero = true
	t.KeyUsage = x509.KeyUsageCertSign
	return issue(t, nil, nil, keySize)
}

// NewClient makes a client certificate under ca. Common name and organizations are user and groups in the cluster.
func NewClient(ca Bundle, s Spec, src Source) (Bundle, error) {
	return newLeaf(ca, s, x509.ExtKeyUsageClientAuth, src)
}

// NewServing makes a certificate for a server under ca, good for the names and addresses in s.
func NewServing(ca Bundle, s Spec, src Source) (Bundle, error) {
	if len(s.DNSNames)+len(s.IPs) == 0 {
		return Bundle{}, fmt.Errorf("make certificate for %s: neither a name nor an address to serve", s.CommonName)
	}
	return newLeaf(ca, s, x509.ExtKeyUsageServerAuth, src)
}

func newLeaf(ca Bundle, s Spec, use x509.ExtKeyUsage, src Source) (Bundle, error) {
	parent, signer, err := ca.signer()
	if err != nil {
		return Bundle{}, fmt.Errorf("make certificate for %s: authority: %w", s.CommonName, err)
	}
	t, err := template(pkix.Name{CommonName: s.CommonName, Organization: s.Organizations}, s.Validity, src)
	if err != nil {
		return Bundle{}, fmt.Errorf("make certificate for %s: %w", s.CommonName, err)
	}
	t.KeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment
	t.ExtKeyUsage = []x509.ExtKeyUsage{use}
	t.DNSNames, t.IPAddresses = s.DNSNames, s.IPs
	return issue(t, parent, signer, s.KeySize)
}

// NewKeyPair makes the pair that signs and verifies service-account tokens.
func NewKeyPair(keySize int) (private, public []byte, err error) {
	key, err := newKey(keySize)
	if err != nil {
		return nil, nil, err
	}
	if private, err = encodeKey(key); err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, nil, fmt.Errorf("encode public key: %w", err)
	}
	return private, pem.EncodeToMemory(&pem.Block{Type: pemPublicKey, Bytes: der}), nil
}

// template has what all certificates share: serial number, subject and validity.
func template(subject pkix.Name, validity time.Duration, src Source) (*x509.Certificate, error) {
	if src.Now.IsZero() {
		return nil, ErrNoTime
	}
	if validity <= 0 {
		return nil, fmt.Errorf("validity %s is not positive", validity)
	}
	serial, err := newSerial(src)
	if err != nil {
		return nil, err
	}
	return &x509.Certificate{
		SerialNumber:          serial,
		Subject:               subject,
		NotBefore:             src.Now.Add(-backdate),
		NotAfter:              src.Now.Add(validity),
		BasicConstraintsValid: true,
	}, nil
}

// newSerial is a random UUID as a number: 128 bits and never zero.
func newSerial(src Source) (*big.Int, error) {
	id, err := uuid.NewRandomFromReader(src.reader())
	if err != nil {
		return nil, fmt.Errorf("make serial number: %w", err)
	}
	return new(big.Int).SetBytes(id[:]), nil
}

// issue makes a key and its certificate under parent; without one the certificate signs itself.
func issue(t, parent *x509.Certificate, signer crypto.Signer, keySize int) (Bundle, error) {
	key, err := newKey(keySize)
	if err != nil {
		return Bundle{}, err
	}
	if parent == nil {
		parent, signer = t, key
	}
	t.SignatureAlgorithm = digest(signer)
	der, err := x509.CreateCertificate(rand.Reader, t, parent, key.Public(), signer)
	if err != nil {
		return Bundle{}, fmt.Errorf("sign certificate for %s: %w", t.Subject.CommonName, err)
	}
	private, err := encodeKey(key)
	if err != nil {
		return Bundle{}, err
	}
	return Bundle{Certificate: pem.EncodeToMemory(&pem.Block{Type: pemCertificate, Bytes: der}), PrivateKey: private}, nil
}

// digest keeps to SHA-256 whatever the size of the signer's key.
func digest(signer crypto.Signer) x509.SignatureAlgorithm {
	switch signer.Public().(type) {
	case *rsa.PublicKey:
		return x509.SHA256WithRSA
	case *ecdsa.PublicKey:
		return x509.ECDSAWithSHA256
	}
	return x509.UnknownSignatureAlgorithm // Ed25519 has its own
}

func newKey(size int) (*rsa.PrivateKey, error) {
	if size < minKeySize || size > maxKeySize {
		return nil, fmt.Errorf("make rsa key: a size of %d bits is not between %d and %d", size, minKeySize, maxKeySize)
	}
	key, err := rsa.GenerateKey(rand.Reader, size)
	if err != nil {
		return nil, fmt.Errorf("make rsa key: %w", err)
	}
	return key, nil
}

func encodeKey(key *rsa.PrivateKey) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, errors.New("encode private key")
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemPrivateKey, Bytes: der}), nil
}
