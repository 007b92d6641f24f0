package pki

import (
	"crypto"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
)

const (
	pemCertificate  = "CERTIFICATE"
	pemPrivateKey   = "PRIVATE KEY"
	pemEncryptedKey = "ENCRYPTED PRIVATE KEY"
	pemPublicKey    = "PUBLIC KEY"
)

// ErrEncryptedKey means that a private key is under a passphrase. Nothing here makes such keys or opens them.
var ErrEncryptedKey = errors.New("private key is encrypted with a passphrase")

// Bundle is a certificate with its private key, as the certificate managers store it.
type Bundle struct {
	Certificate   []byte // PEM
	PrivateKey    []byte // PEM, PKCS#8
	Intermediates []byte // PEM, between Certificate and its root; empty for everything made here
	// Passphrase is kept for managers that store one. Bundles made here have none: a passphrase beside the key that it
	// opens protects nothing, the manager's own encryption does.
	Passphrase []byte
}

// Format keeps the private key out of logs, whatever the verb.
func (Bundle) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "pki.Bundle(redacted)") }

// Leaf parses the certificate.
func (b Bundle) Leaf() (*x509.Certificate, error) { return parseCertificate(b.Certificate) }

// signer parses certificate and key of an authority.
func (b Bundle) signer() (*x509.Certificate, crypto.Signer, error) {
	cert, err := b.Leaf()
	if err != nil {
		return nil, nil, err
	}
	if !cert.IsCA {
		return nil, nil, errors.New("certificate is not of an authority")
	}
	key, err := parseKey(b.PrivateKey)
	if err != nil {
		return nil, nil, err
	}
	return cert, key, nil
}

func parseCertificate(certPEM []byte) (*x509.Certificate, error) {
	block, _ := pem.Decode(certPEM)
	if block == nil || block.Type != pemCertificate {
		return nil, errors.New("no certificate in PEM form")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("parse certificate: %w", err)
	}
	return cert, nil
}

func parseKey(keyPEM []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(keyPEM)
	switch {
	case block == nil:
		return nil, errors.New("no private key in PEM form")
	case block.Type == pemEncryptedKey:
		return nil, ErrEncryptedKey
	case block.Type != pemPrivateKey:
		return nil, errors.New("private key is not in PKCS#8 form")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		// The parser's words are left out: nothing that was derived from a key belongs into an error.
		return nil, errors.New("parse private key: malformed PKCS#8")
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("private key of type %T cannot sign", key)
	}
	return signer, nil
}
