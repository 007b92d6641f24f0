package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/jeroboam-cloud/jeroboam/internal/externalgrpc"
)

// authority signs certificates of one test.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{t: t}
	a.cert = &x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	a.pem, a.key = a.sign(a.cert)
	return a
}

// sign makes a certificate and its key; the authority's own is the first.
func (a *authority) sign(template *x509.Certificate) ([]byte, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	signer := a.key
	if signer == nil {
		signer = key
	}
	template.SerialNumber, template.NotBefore, template.NotAfter = big.NewInt(time.Now().UnixNano()), time.Now().Add(-time.Minute), time.Now().Add(time.Hour)
	raw, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: raw}), key
}

// pair signs one for a server on loopback or for a client.
func (a *authority) pair(usage x509.ExtKeyUsage) (cert, key []byte) {
	a.t.Helper()
	cert, private := a.sign(&x509.Certificate{Subject: pkix.Name{CommonName: "x"}, ExtKeyUsage: []x509.ExtKeyUsage{usage}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		a.t.Fatal(err)
	}
	return cert, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw})
}

// files of a server whose callers the authority vouches for.
func (a *authority) files() tlsFiles {
	a.t.Helper()
	dir := a.t.TempDir()
	cert, key := a.pair(x509.ExtKeyUsageServerAuth)
	f := tlsFiles{filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), filepath.Join(dir, "ca.pem")}
	for path, text := range map[string][]byte{f.cert: cert, f.key: key, f.clientCA: a.pem} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			a.t.Fatal(err)
		}
	}
	return f
}

// dial connects as cluster-autoscaler does with cert, key and cacert in its configuration; callers of another authority
// trust the server all the same. It waits until the server is there.
func dial(t *testing.T, address string, server, caller *authority) externalgrpc.CloudProviderClient {
	t.Helper()
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(server.pem)
	c := &tls.Config{ServerName: "127.0.0.1", RootCAs: trusted}
	if caller != nil {
		pair, err := tls.X509KeyPair(caller.pair(x509.ExtKeyUsageClientAuth))
		if err != nil {
			t.Fatal(err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return dialWith(t, address, credentials.NewTLS(c))
}

func dialWith(t *testing.T, address string, c credentials.TransportCredentials) externalgrpc.CloudProviderClient {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(c))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return externalgrpc.NewCloudProviderClient(conn)
}

// strangers: nobody without a certificate of the client CA gets an answer.
func strangers(t *testing.T, address string, server *authority) {
	other := newAuthority(t, "another")
	for name, c := range map[string]externalgrpc.CloudProviderClient{
		"no certificate": dial(t, address, server, nil), "a certificate of another authority": dial(t, address, server, other),
		"no TLS": dialWith(t, address, insecure.NewCredentials()), "a server that is not trusted": dial(t, address, other, server),
	} {
		if _, err := c.GPULabel(t.Context(), &externalgrpc.GPULabelRequest{}); status.Code(err) != codes.Unavailable {
			t.Errorf("%s: %v", name, err)
		}
	}
}
