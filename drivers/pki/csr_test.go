package pki_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/jeroboam-cloud/jeroboam/drivers/pki"
)

var (
	oidSKI  = asn1.ObjectIdentifier{2, 5, 29, 14}
	oidKU   = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidSAN  = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidBC   = asn1.ObjectIdentifier{2, 5, 29, 19}
	oidNC   = asn1.ObjectIdentifier{2, 5, 29, 30}
	oidEKU  = asn1.ObjectIdentifier{2, 5, 29, 37}
	oidOurs = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 99999, 1}
)

// options are Magnum's defaults.
func options() pki.Options {
	return pki.Options{
		AllowedExtensions: []string{"keyUsage", "extendedKeyUsage", "subjectAltName", "basicConstraints", "subjectKeyIdentifier"},
		AllowedKeyUsage:   []string{"Digital Signature", "Key Encipherment", "Non Repudiation"},
		TermOfValidity:    5 * year,
		Source:            source(),
	}
}

func bits(b ...byte) asn1.BitString {
	last := b[len(b)-1]
	n := len(b) * 8
	for last != 0 && last&1 == 0 {
		last >>= 1
		n--
	}
	return asn1.BitString{Bytes: b, BitLength: n}
}

type constraints struct {
	IsCA       bool `asn1:"optional"`
	MaxPathLen int  `asn1:"optional,default:-1"`
}

// TestSignCSRExtensions goes through the rows of the contract.
func TestSignCSRExtensions(t *testing.T) {
	const (
		signature  = 0x80
		encipher   = 0x20
		certSign   = 0x04
		nonRepudia = 0x40
	)
	ca := func(pathLen int) []byte { return marshal(t, constraints{IsCA: true, MaxPathLen: pathLen}) }
	san := marshal(t, []asn1.RawValue{{Class: 2, Tag: 2, Bytes: []byte("node.demo")}})
	eku := marshal(t, []asn1.ObjectIdentifier{{1, 3, 6, 1, 5, 5, 7, 3, 2}, {1, 3, 6, 1, 5, 5, 7, 3, 3}})
	tests := []struct {
		name    string
		ask     pkix.Extension
		options func(*pki.Options)
		want    []byte // value in the certificate; nil: not in it
		refused string // the extension that the error names
	}{
		{name: "subjectAltName is copied", ask: extension(oidSAN, false, san), want: san},
		{name: "critical subjectAltName is copied", ask: extension(oidSAN, true, san), want: san},
		{name: "extendedKeyUsage is unrestricted", ask: extension(oidEKU, false, eku), want: eku},
		{name: "not allowed is dropped", ask: extension(oidNC, false, []byte{0x30, 0}), want: nil},
		{name: "not allowed and critical is refused", ask: extension(oidNC, true, []byte{0x30, 0}), refused: "nameConstraints"},
		{name: "unknown is dropped", ask: extension(oidOurs, false, []byte{5, 0}), want: nil},
		{name: "unknown and critical is refused", ask: extension(oidOurs, true, []byte{5, 0}), refused: "1.3.6.1.4.1.99999.1"},
		{
			name: "allowed by its number", ask: extension(oidOurs, false, []byte{5, 0}), want: []byte{5, 0},
			options: func(o *pki.Options) { o.AllowedExtensions = append(o.AllowedExtensions, "1.3.6.1.4.1.99999.1") },
		},
		{
			name: "default extension taken away", ask: extension(oidSAN, true, san), refused: "subjectAltName",
			options: func(o *pki.Options) { o.AllowedExtensions = []string{"keyUsage"} },
		},
		{name: "CA:false is copied", ask: extension(oidBC, true, []byte{0x30, 0}), want: []byte{0x30, 0}},
		{name: "CA:true is rewritten", ask: extension(oidBC, false, ca(-1)), want: []byte{0x30, 0}},
		{name: "CA:true with path length is rewritten", ask: extension(oidBC, false, ca(3)), want: []byte{0x30, 0}},
		{name: "CA:true critical is refused", ask: extension(oidBC, true, ca(-1)), refused: "basicConstraints"},
		{
			name: "CA:true where allowed", ask: extension(oidBC, true, ca(0)), want: ca(0),
			options: func(o *pki.Options) { o.AllowCA = true },
		},
		{
			name: "allowed key usage", ask: extension(oidKU, true, marshal(t, bits(signature|encipher|nonRepudia))),
			want: marshal(t, bits(signature|encipher|nonRepudia)),
		},
		{
			name: "other key usage is cleared", ask: extension(oidKU, false, marshal(t, bits(signature|certSign))),
			want: marshal(t, bits(signature)),
		},
		{name: "all key usage is cleared", ask: extension(oidKU, false, marshal(t, bits(certSign))), want: marshal(t, asn1.BitString{})},
		{name: "decipher only is cleared", ask: extension(oidKU, false, marshal(t, bits(signature, 0x80))), want: marshal(t, bits(signature))},
		{name: "other key usage critical is refused", ask: extension(oidKU, true, marshal(t, bits(signature|certSign))), refused: "keyUsage"},
		{
			name: "key usage by configuration", ask: extension(oidKU, true, marshal(t, bits(certSign))), want: marshal(t, bits(certSign)),
			options: func(o *pki.Options) { o.AllowedKeyUsage = []string{"Certificate Sign"} },
		},
		{
			name: "ninth bit by configuration", ask: extension(oidKU, true, marshal(t, bits(0, 0x80))), want: marshal(t, bits(0, 0x80)),
			options: func(o *pki.Options) { o.AllowedKeyUsage = []string{"Decipher Only"} },
		},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			o := options()
			if tc.options != nil {
				tc.options(&o)
			}
			csr := makeCSR(t, testKey(t), &x509.CertificateRequest{Subject: pkix.Name{CommonName: "u"}, ExtraExtensions: []pkix.Extension{tc.ask}})
			out, err := pki.SignCSR(testCA(t), csr, o)
			if tc.refused != "" {
				var refused *pki.ExtensionError
				if !errors.As(err, &refused) || err.Error() != "Extension '"+tc.refused+"' not allowed" {
					t.Fatalf("error %v, want a refusal of %s", err, tc.refused)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := find(parseCert(t, out), tc.ask.Id)
			switch {
			case tc.want == nil && got != nil:
				t.Errorf("extension is there with %x", got.Value)
			case tc.want != nil && (got == nil || !bytes.Equal(got.Value, tc.want) || got.Critical != tc.ask.Critical):
				t.Errorf("extension is %+v, want %x", got, tc.want)
			}
		})
	}
}

func TestSignCSRCertificate(t *testing.T) {
	subject := marshal(t, pkix.RDNSequence{
		{{Type: asn1.ObjectIdentifier{2, 5, 4, 10}, Value: "system:masters"}, {Type: asn1.ObjectIdentifier{2, 5, 4, 10}, Value: "team"}},
		{{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: "admin"}},
		{{Type: asn1.ObjectIdentifier{2, 5, 4, 11}, Value: "terraform"}},
	})
	ski := extension(oidSKI, true, marshal(t, []byte("chosen by the request")))
	csr := makeCSR(t, testKey(t), &x509.CertificateRequest{
		RawSubject: subject, SignatureAlgorithm: x509.SHA512WithRSA, ExtraExtensions: []pkix.Extension{ski},
		DNSNames: []string{"a.demo"}, IPAddresses: []net.IP{net.IPv4(10, 0, 0, 5)},
	})
	out, err := pki.SignCSR(testCA(t), csr, options())
	if err != nil {
		t.Fatal(err)
	}
	if bytes.HasSuffix(out, []byte("\n")) {
		t.Error("there is a newline at the end")
	}
	cert, ca := parseCert(t, out), parseCert(t, testCA(t).Certificate)
	if !bytes.Equal(cert.RawSubject, subject) {
		t.Errorf("subject %x, want %x", cert.RawSubject, subject)
	}
	if !bytes.Equal(cert.RawIssuer, ca.RawSubject) {
		t.Errorf("issuer %s", cert.Issuer)
	}
	if !cert.NotBefore.Equal(now.Add(-24*time.Hour)) || !cert.NotAfter.Equal(now.Add(5*year)) {
		t.Errorf("valid from %s to %s", cert.NotBefore, cert.NotAfter)
	}
	if cert.SignatureAlgorithm != x509.SHA256WithRSA {
		t.Errorf("signed with %s", cert.SignatureAlgorithm)
	}
	if len(cert.SubjectKeyId) != 20 || find(cert, oidSKI).Critical {
		t.Errorf("subject key identifier %x", cert.SubjectKeyId)
	}
	if cert.AuthorityKeyId != nil {
		t.Error("there is an authority key identifier")
	}
	if find(cert, oidBC) != nil || find(cert, oidKU) != nil || find(cert, oidEKU) != nil {
		t.Errorf("extensions that were not asked for: %v", cert.Extensions)
	}
	if len(cert.DNSNames) != 1 || len(cert.IPAddresses) != 1 {
		t.Errorf("names %v, addresses %v", cert.DNSNames, cert.IPAddresses)
	}
	if err := cert.CheckSignatureFrom(ca); err != nil {
		t.Error(err)
	}
}

func TestSignCSRKeyTypes(t *testing.T) {
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	curve := func(c elliptic.Curve) crypto.Signer {
		key, err := ecdsa.GenerateKey(c, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	tests := []struct {
		name string
		key  crypto.Signer
	}{
		{"rsa", testKey(t)}, {"p256", curve(elliptic.P256())}, {"p521", curve(elliptic.P521())}, {"ed25519", ed},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			// The same subject as the authority's: still an ordinary leaf.
			csr := makeCSR(t, tc.key, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "demo"}})
			out, err := pki.SignCSR(testCA(t), csr, options())
			if err != nil {
				t.Fatal(err)
			}
			cert := parseCert(t, out)
			if !cert.PublicKey.(interface{ Equal(crypto.PublicKey) bool }).Equal(tc.key.Public()) {
				t.Error("another public key")
			}
			if cert.IsCA || cert.AuthorityKeyId != nil {
				t.Error("not an ordinary leaf")
			}
		})
	}
}

func TestSignCSRBadRequests(t *testing.T) {
	good := makeCSR(t, testKey(t), &x509.CertificateRequest{Subject: pkix.Name{CommonName: "u"}})
	block, _ := pem.Decode(good)
	forged := bytes.Clone(block.Bytes)
	forged[len(forged)-1] ^= 1
	encode := func(typ string, der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: typ, Bytes: der}) }
	with := func(oid asn1.ObjectIdentifier, value ...byte) []byte {
		return makeCSR(t, testKey(t), &x509.CertificateRequest{ExtraExtensions: []pkix.Extension{extension(oid, false, value)}})
	}
	tests := []struct {
		name string
		csr  []byte
	}{
		{"empty", nil},
		{"garbage", []byte("garbage")},
		{"no PEM type of a request", encode("CERTIFICATE", block.Bytes)},
		{"garbage in PEM", encode("CERTIFICATE REQUEST", []byte("garbage"))},
		{"truncated", encode("CERTIFICATE REQUEST", block.Bytes[:len(block.Bytes)-9])},
		{"forged signature", encode("CERTIFICATE REQUEST", forged)},
		{"malformed key usage", with(oidKU, 0x30, 0)},
		{"malformed basic constraints", with(oidBC, 5, 0)},
		{"key usage with more behind it", with(oidKU, 3, 2, 7, 0x80, 0)},
		{"malformed extended key usage", with(oidEKU, 3, 1, 0)},
		{"malformed names", with(oidSAN, 5, 0)},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			if out, err := pki.SignCSR(testCA(t), tc.csr, options()); !errors.Is(err, pki.ErrBadCSR) {
				t.Errorf("%s, error %v", out, err)
			}
		})
	}
	if _, err := pki.SignCSR(testCA(t), encode("NEW CERTIFICATE REQUEST", block.Bytes), options()); err != nil {
		t.Errorf("the old name of the PEM type: %v", err)
	}
	if _, err := pki.SignCSR(pki.Bundle{}, good, options()); err == nil || errors.Is(err, pki.ErrBadCSR) {
		t.Errorf("a broken authority is not the request's fault: %v", err)
	}
}

func TestOptionsValidate(t *testing.T) {
	o := options()
	if err := o.Validate(); err != nil {
		t.Error(err)
	}
	o.AllowedExtensions, o.AllowedKeyUsage = pki.ExtensionNames(), pki.KeyUsageNames()
	if err := o.Validate(); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"", "keyusage", "1", "1.x", "1.-2"} {
		if err := (pki.Options{AllowedExtensions: []string{name}}).Validate(); err == nil {
			t.Errorf("extension %q passes", name)
		}
	}
	if err := (pki.Options{AllowedKeyUsage: []string{"digital signature"}}).Validate(); err == nil {
		t.Error("an unknown key usage passes")
	}
}

func FuzzSignCSR(f *testing.F) {
	ca, key := testCA(f), testKey(f)
	f.Add([]byte("garbage"), uint8(0), false, []byte{0x30, 0})
	f.Add(makeCSR(f, key, &x509.CertificateRequest{}), uint8(1), true, []byte{0x30, 3, 1, 1, 0xff})
	f.Add([]byte{}, uint8(2), false, []byte{3, 2, 2, 0x84})
	oids := []asn1.ObjectIdentifier{oidSAN, oidBC, oidKU, oidEKU, oidSKI, oidNC, oidOurs}
	root := parseCert(f, ca.Certificate)
	f.Fuzz(func(t *testing.T, raw []byte, which uint8, critical bool, value []byte) {
		_, _ = pki.SignCSR(ca, raw, options())
		tpl := &x509.CertificateRequest{ExtraExtensions: []pkix.Extension{extension(oids[int(which)%len(oids)], critical, value)}}
		der, err := x509.CreateCertificateRequest(rand.Reader, tpl, key)
		if err != nil {
			return
		}
		out, err := pki.SignCSR(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), options())
		if err != nil {
			var refused *pki.ExtensionError
			if !errors.Is(err, pki.ErrBadCSR) && !errors.As(err, &refused) {
				t.Fatalf("the request is not blamed: %v", err)
			}
			return
		}
		cert := parseCert(t, out)
		if cert.IsCA || cert.KeyUsage&^(x509.KeyUsageDigitalSignature|x509.KeyUsageKeyEncipherment|x509.KeyUsageContentCommitment) != 0 {
			t.Fatalf("ca %v, key usage %b", cert.IsCA, cert.KeyUsage)
		}
		if err := cert.CheckSignatureFrom(root); err != nil {
			t.Fatal(err)
		}
	})
}
