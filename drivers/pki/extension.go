package pki

import (
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// ExtensionError refuses a signing request for one of its extensions.
type ExtensionError struct{ Extension string }

// Error is the sentence that users of the API see.
func (e *ExtensionError) Error() string { return "Extension '" + e.Extension + "' not allowed" }

var (
	oidSubjectKeyID     = asn1.ObjectIdentifier{2, 5, 29, 14}
	oidKeyUsage         = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidSubjectAltName   = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidBasicConstraints = asn1.ObjectIdentifier{2, 5, 29, 19}
	oidExtKeyUsage      = asn1.ObjectIdentifier{2, 5, 29, 37}
)

// extensionOIDs has the names that an operator may allow.
func extensionOIDs() map[string]asn1.ObjectIdentifier {
	return map[string]asn1.ObjectIdentifier{
		"subjectDirectoryAttributes": {2, 5, 29, 9},
		"subjectKeyIdentifier":       oidSubjectKeyID,
		"keyUsage":                   oidKeyUsage,
		"subjectAltName":             oidSubjectAltName,
		"issuerAltName":              {2, 5, 29, 18},
		"basicConstraints":           oidBasicConstraints,
		"nameConstraints":            {2, 5, 29, 30},
		"cRLDistributionPoints":      {2, 5, 29, 31},
		"certificatePolicies":        {2, 5, 29, 32},
		"policyMappings":             {2, 5, 29, 33},
		"authorityKeyIdentifier":     {2, 5, 29, 35},
		"policyConstraints":          {2, 5, 29, 36},
		"extendedKeyUsage":           oidExtKeyUsage,
		"freshestCRL":                {2, 5, 29, 46},
		"inhibitAnyPolicy":           {2, 5, 29, 54},
		"authorityInfoAccess":        {1, 3, 6, 1, 5, 5, 7, 1, 1},
		"subjectInfoAccess":          {1, 3, 6, 1, 5, 5, 7, 1, 11},
		"TLSFeature":                 {1, 3, 6, 1, 5, 5, 7, 1, 24},
		"OCSPNoCheck":                {1, 3, 6, 1, 5, 5, 7, 48, 1, 5},
	}
}

// keyUsageNames are the names of the bits in their order.
func keyUsageNames() []string {
	return []string{
		"Digital Signature", "Non Repudiation", "Key Encipherment", "Data Encipherment", "Key Agreement",
		"Certificate Sign", "CRL Sign", "Encipher Only", "Decipher Only",
	}
}

// ExtensionNames are the names that Options.AllowedExtensions takes beside dotted OIDs.
func ExtensionNames() []string { return slices.Sorted(maps.Keys(extensionOIDs())) }

// KeyUsageNames are the names that Options.AllowedKeyUsage takes.
func KeyUsageNames() []string { return keyUsageNames() }

func extensionOID(name string) (asn1.ObjectIdentifier, bool) {
	if oid, ok := extensionOIDs()[name]; ok {
		return oid, true
	}
	var oid asn1.ObjectIdentifier
	for part := range strings.SplitSeq(name, ".") {
		n, err := strconv.Atoi(part)
		if err != nil || n < 0 {
			return nil, false
		}
		oid = append(oid, n)
	}
	return oid, len(oid) > 1
}

func extensionName(oid asn1.ObjectIdentifier) string {
	for name, known := range extensionOIDs() {
		if known.Equal(oid) {
			return name
		}
	}
	return oid.String()
}

// usageMask is the set of bits that the names stand for.
func usageMask(names []string) (map[int]bool, error) {
	mask := map[int]bool{}
	for _, name := range names {
		bit := slices.Index(keyUsageNames(), name)
		if bit < 0 {
			return nil, fmt.Errorf("allowed key usage %q is unknown", name)
		}
		mask[bit] = true
	}
	return mask, nil
}

// filterExtensions returns those of a request that go into its certificate, in their order. The subject key identifier is
// left out: the signer adds the right one.
func filterExtensions(requested []pkix.Extension, o Options) ([]pkix.Extension, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	allowed := map[string]bool{}
	for _, name := range o.AllowedExtensions {
		oid, _ := extensionOID(name)
		allowed[oid.String()] = true
	}
	var kept []pkix.Extension
	for _, ext := range requested {
		if !allowed[ext.Id.String()] {
			if ext.Critical {
				return nil, &ExtensionError{Extension: extensionName(ext.Id)}
			}
			continue
		}
		value, err := filterValue(ext, o)
		if err != nil {
			return nil, err
		}
		if value != nil {
			kept = append(kept, pkix.Extension{Id: ext.Id, Critical: ext.Critical, Value: value})
		}
	}
	return kept, nil
}

// filterValue is what an allowed extension's value becomes; nil drops it.
func filterValue(ext pkix.Extension, o Options) ([]byte, error) {
	switch {
	case ext.Id.Equal(oidSubjectKeyID):
		return nil, nil
	case ext.Id.Equal(oidBasicConstraints):
		return filterBasicConstraints(ext, o.AllowCA)
	case ext.Id.Equal(oidKeyUsage):
		return filterKeyUsage(ext, o.AllowedKeyUsage)
	case ext.Id.Equal(oidExtKeyUsage):
		var uses []asn1.ObjectIdentifier
		return ext.Value, parseValue(ext, &uses)
	}
	return ext.Value, nil
}

func filterBasicConstraints(ext pkix.Extension, allowCA bool) ([]byte, error) {
	var bc struct {
		IsCA       bool `asn1:"optional"`
		MaxPathLen int  `asn1:"optional,default:-1"`
	}
	if err := parseValue(ext, &bc); err != nil {
		return nil, err
	}
	if !bc.IsCA || allowCA {
		return ext.Value, nil
	}
	if ext.Critical {
		return nil, &ExtensionError{Extension: extensionName(ext.Id)}
	}
	return asn1.Marshal(struct{}{}) // CA is false when it is absent
}

func filterKeyUsage(ext pkix.Extension, names []string) ([]byte, error) {
	allowed, err := usageMask(names)
	if err != nil {
		return nil, err
	}
	var bits asn1.BitString
	if err := parseValue(ext, &bits); err != nil {
		return nil, err
	}
	kept := asn1.BitString{Bytes: make([]byte, 2)}
	for i := range bits.BitLength {
		switch {
		case bits.At(i) == 0:
		case allowed[i]:
			kept.Bytes[i/8] |= 0x80 >> (i % 8)
			kept.BitLength = i + 1
		case ext.Critical:
			return nil, &ExtensionError{Extension: extensionName(ext.Id)}
		}
	}
	kept.Bytes = kept.Bytes[:(kept.BitLength+7)/8]
	return asn1.Marshal(kept)
}

func parseValue(ext pkix.Extension, into any) error {
	rest, err := asn1.Unmarshal(ext.Value, into)
	if err == nil && len(rest) > 0 {
		err = errors.New("data after its end")
	}
	if err != nil {
		return fmt.Errorf("%w: extension %s: %w", ErrBadCSR, extensionName(ext.Id), err)
	}
	return nil
}

// keyID is the subject key identifier by RFC 7093: 160 bits of the SHA-256 of the public key's bits.
func keyID(csr *x509.CertificateRequest) []byte {
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(csr.RawSubjectPublicKeyInfo, &info); err != nil {
		return nil // not reached: the request was parsed
	}
	sum := sha256.Sum256(info.Key.Bytes)
	return sum[:20]
}
