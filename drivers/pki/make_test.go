package pki_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jeroboam-cloud/jeroboam/drivers/pki"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

func TestNewCA(t *testing.T) {
	cert := parseCert(t, testCA(t).Certificate)
	if got := cert.Subject.String(); got != "CN=demo" {
		t.Errorf("subject %s", got)
	}
	if !cert.IsCA || cert.MaxPathLen != 0 || !cert.MaxPathLenZero {
		t.Errorf("ca %v, path length %d", cert.IsCA, cert.MaxPathLen)
	}
	if cert.KeyUsage != x509.KeyUsageCertSign {
		t.Errorf("key usage %b", cert.KeyUsage)
	}
	for _, oid := range [][]int{{2, 5, 29, 19}, {2, 5, 29, 15}} {
		if ext := find(cert, oid); ext == nil || !ext.Critical {
			t.Errorf("extension %v is not there or not critical", oid)
		}
	}
	if cert.SignatureAlgorithm != x509.SHA256WithRSA {
		t.Errorf("signed with %s", cert.SignatureAlgorithm)
	}
	if !cert.NotBefore.Equal(now.Add(-24*time.Hour)) || !cert.NotAfter.Equal(now.Add(5*year)) {
		t.Errorf("valid from %s to %s", cert.NotBefore, cert.NotAfter)
	}
	if bits := cert.SerialNumber.BitLen(); bits < 100 || bits > 128 {
		t.Errorf("serial number of %d bits", bits)
	}
	if block, _ := pem.Decode(testCA(t).PrivateKey); block == nil || block.Type != "PRIVATE KEY" {
		t.Error("private key is not PKCS#8")
	}
}

func TestSerialComesFromSource(t *testing.T) {
	make := func() string {
		src := pki.Source{Now: now, Rand: bytes.NewReader(bytes.Repeat([]byte{0xAB}, 16))}
		b, err := pki.NewClient(testCA(t), pki.Spec{CommonName: "x", KeySize: 2048, Validity: year}, src)
		if err != nil {
			t.Fatal(err)
		}
		return parseCert(t, b.Certificate).SerialNumber.Text(16)
	}
	if a, b := make(), make(); a != b || !strings.HasPrefix(a, "abab") {
		t.Errorf("serial numbers %s and %s", a, b)
	}
	_, err := pki.NewCA("x", 2048, year, pki.Source{Now: now, Rand: strings.NewReader("short")})
	if err == nil {
		t.Error("a source of randomness that ends was not noticed")
	}
}

func TestMakeRefuses(t *testing.T) {
	ca := testCA(t)
	leaf, err := pki.NewClient(ca, pki.Spec{CommonName: "leaf", KeySize: 2048, Validity: year}, source())
	if err != nil {
		t.Fatal(err)
	}
	encrypted := pki.Bundle{
		Certificate: ca.Certificate,
		PrivateKey:  pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY", Bytes: []byte{1}}),
	}
	client := func(ca pki.Bundle, s pki.Spec, src pki.Source) error {
		_, err := pki.NewClient(ca, s, src)
		return err
	}
	good := pki.Spec{CommonName: "x", KeySize: 2048, Validity: year}
	tests := []struct {
		name string
		err  error
		is   error
	}{
		{"no time", client(ca, good, pki.Source{}), pki.ErrNoTime},
		{"encrypted key", client(encrypted, good, source()), pki.ErrEncryptedKey},
		{"parent is no authority", client(leaf, good, source()), nil},
		{"no authority at all", client(pki.Bundle{}, good, source()), nil},
		{"weak key", client(ca, pki.Spec{CommonName: "x", KeySize: 1024, Validity: year}, source()), nil},
		{"no validity", client(ca, pki.Spec{CommonName: "x", KeySize: 2048}, source()), nil},
		{"serving nobody", func() error { _, err := pki.NewServing(ca, good, source()); return err }(), nil},
		{"nameless ca", func() error { _, err := pki.NewCA("", 2048, year, source()); return err }(), nil},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			if tc.err == nil || (tc.is != nil && !errors.Is(tc.err, tc.is)) {
				t.Errorf("error %v, want %v", tc.err, tc.is)
			}
		})
	}
}

// TestTLS lets Go's own TLS judge a serving and a client certificate.
func TestTLS(t *testing.T) {
	ca := testCA(t)
	serving, err := pki.NewServing(ca, pki.Spec{CommonName: "api", DNSNames: []string{"api.demo"}, IPs: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeySize: 2048, Validity: year}, source())
	if err != nil {
		t.Fatal(err)
	}
	client, err := pki.NewClient(ca, pki.Spec{CommonName: "admin", Organizations: []string{pki.GroupMasters}, KeySize: 2048,
		Validity: year}, source())
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca.Certificate)
	clock := func() time.Time { return now }

	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.TLS.PeerCertificates[0].Subject)
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{keyPair(t, serving)}, ClientCAs: pool,
		ClientAuth: tls.RequireAndVerifyClientCert, Time: clock}
	server.StartTLS()
	defer server.Close()

	for _, name := range []string{"api.demo", "127.0.0.1"} {
		tr := &http.Transport{TLSClientConfig: &tls.Config{Certificates: []tls.Certificate{keyPair(t, client)}, RootCAs: pool,
			ServerName: name, Time: clock}}
		defer tr.CloseIdleConnections()
		req, err := http.NewRequestWithContext(context.Background(), http.MethodGet, server.URL, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := (&http.Client{Transport: tr}).Do(req)
		if err != nil {
			t.Fatalf("as %s: %v", name, err)
		}
		body, _ := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		if string(body) != "CN=admin,O=system:masters" {
			t.Errorf("the server saw %s", body)
		}
	}
}

func keyPair(t *testing.T, b pki.Bundle) tls.Certificate {
	t.Helper()
	pair, err := tls.X509KeyPair(b.Certificate, b.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

func TestOpenSSLVerifies(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		testenv.Lacks(t, "openssl is not installed")
	}
	ca := testCA(t)
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	run := func(args ...string) string {
		out, err := exec.Command(openssl, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("openssl %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	caFile, at := write("ca.pem", ca.Certificate), fmt.Sprint(now.Unix())
	client, err := pki.NewClient(ca, pki.Spec{CommonName: "admin", Organizations: []string{pki.GroupMasters}, KeySize: 2048, Validity: year}, source())
	if err != nil {
		t.Fatal(err)
	}
	run("verify", "-x509_strict", "-attime", at, "-CAfile", caFile, "-purpose", "sslclient", write("client.pem", client.Certificate))

	// A request of openssl's own, signed here.
	key, csr := filepath.Join(dir, "k.pem"), filepath.Join(dir, "r.pem")
	run("req", "-new", "-newkey", "rsa:2048", "-nodes", "-sha512", "-keyout", key, "-out", csr, "-subj", "/O=system:masters/CN=admin")
	request, err := os.ReadFile(csr)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := pki.SignCSR(ca, request, options())
	if err != nil {
		t.Fatal(err)
	}
	signedFile := write("signed.pem", append(signed, '\n'))
	run("verify", "-attime", at, "-CAfile", caFile, signedFile)
	if got := run("x509", "-in", signedFile, "-noout", "-subject", "-nameopt", "RFC2253"); !strings.Contains(got, "CN=admin,O=system:masters") {
		t.Errorf("subject %s", got)
	}

	private, public, err := pki.NewKeyPair(2048)
	if err != nil {
		t.Fatal(err)
	}
	if got := run("pkey", "-in", write("sa.key", private), "-pubout"); got != string(public) {
		t.Errorf("the public key of the pair is not that of its private key")
	}
}

func TestBundleIsNotPrinted(t *testing.T) {
	ca := testCA(t)
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		if got := fmt.Sprintf(format, ca); got != "pki.Bundle(redacted)" {
			t.Errorf("%s prints %.60s", format, got)
		}
	}
}
