package pki

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"time"
)

// maxKeySize bounds what the check of a stranger's signature may cost.
const maxKeySize = 16384

// ErrBadCSR means that a signing request cannot be read, or that its signature is not of its own key.
var ErrBadCSR = errors.New("invalid certificate signing request")

// Options say what may stand in a certificate that is signed for a user.
type Options struct {
	AllowCA           bool     // may the certificate be an authority's
	AllowedExtensions []string // by name (ExtensionNames) or dotted OID
	AllowedKeyUsage   []string // by name (KeyUsageNames)
	TermOfValidity    time.Duration
	Source
}

// Validate tells which of the names are unknown.
func (o Options) Validate() error {
	var errs []error
	for _, name := range o.AllowedExtensions {
		if _, ok := extensionOID(name); !ok {
			errs = append(errs, fmt.Errorf("allowed extension %q is unknown", name))
		}
	}
	if _, err := usageMask(o.AllowedKeyUsage); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// SignCSR signs the request under ca and returns the certificate alone, in PEM without a newline at its end.
//
// Subject and public key are the request's, byte for byte. Its extensions go through as far as o allows them; one that is
// not allowed is dropped when it is not critical and refused with *ExtensionError when it is. The errors that the request
// is to blame for are *ExtensionError and ErrBadCSR.
func SignCSR(ca Bundle, csrPEM []byte, o Options) ([]byte, error) {
	csr, err := parseCSR(csrPEM)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadCSR, err)
	}
	extensions, err := filterExtensions(csr.Extensions, o)
	if err != nil {
		return nil, err
	}
	parent, signer, err := ca.signer()
	if err != nil {
		return nil, fmt.Errorf("sign certificate: authority: %w", err)
	}
	t, err := template(pkix.Name{}, o.TermOfValidity, o.Source)
	if err != nil {
		return nil, fmt.Errorf("sign certificate: %w", err)
	}
	t.RawSubject = csr.RawSubject
	t.ExtraExtensions = extensions
	t.SubjectKeyId = keyID(csr)
	t.BasicConstraintsValid = false // only what the request has
	t.SignatureAlgorithm = digest(signer)

	// With no key id the parent leaves no authorityKeyIdentifier, as clients of this API know its certificates.
	anonymous := *parent
	anonymous.SubjectKeyId = nil
	der, err := x509.CreateCertificate(rand.Reader, t, &anonymous, csr.PublicKey, signer)
	if err != nil {
		return nil, fmt.Errorf("sign certificate: %w", err)
	}
	if _, err := x509.ParseCertificate(der); err != nil {
		// Extensions that are copied are not read before: what nobody could parse is not handed out.
		return nil, fmt.Errorf("%w: %w", ErrBadCSR, err)
	}
	return bytes.TrimSpace(pem.EncodeToMemory(&pem.Block{Type: pemCertificate, Bytes: der})), nil
}

func parseCSR(csrPEM []byte) (*x509.CertificateRequest, error) {
	block, _ := pem.Decode(csrPEM)
	if block == nil {
		return nil, errors.New("not in PEM form")
	}
	if block.Type != "CERTIFICATE REQUEST" && block.Type != "NEW CERTIFICATE REQUEST" {
		return nil, fmt.Errorf("PEM type %.40q", block.Type)
	}
	csr, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, err
	}
	if key, ok := csr.PublicKey.(*rsa.PublicKey); ok && key.N.BitLen() > maxKeySize {
		return nil, fmt.Errorf("a key of %d bits is over %d", key.N.BitLen(), maxKeySize)
	}
	if err := csr.CheckSignature(); err != nil {
		return nil, fmt.Errorf("signature: %w", err)
	}
	return csr, nil
}

// IssuedBy tells whether a certificate, the first of a PEM file, was signed by the authority of another.
func IssuedBy(certificate, authority []byte) bool {
	signed, err := parseCertificate(certificate)
	if err != nil {
		return false
	}
	ca, err := parseCertificate(authority)
	return err == nil && signed.CheckSignatureFrom(ca) == nil
}
