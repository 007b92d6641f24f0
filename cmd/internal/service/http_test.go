package service

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/jeroboam-cloud/jeroboam/cmd/internal/certificate"
)

func TestRequestsUnderWayAreFinished(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	s, err := listen("127.0.0.1:0", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-release
		_, _ = io.WriteString(w, "finished")
	}), zap.NewNop(), nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.run(ctx) }()
	answer := make(chan string, 1)
	go func() {
		r, err := (&http.Client{}).Get("http://" + s.listener.Addr().String())
		if err != nil {
			answer <- err.Error()
			return
		}
		defer r.Body.Close()
		b, _ := io.ReadAll(r.Body)
		answer <- string(b)
	}()
	<-entered
	cancel()
	for { // until no connection is taken any more
		c, err := net.Dial("tcp", s.listener.Addr().String())
		if err != nil {
			break
		}
		_ = c.Close()
	}
	select {
	case err := <-ended:
		t.Fatalf("the server ended with a request under way: %v", err)
	default:
	}
	close(release)
	if got := <-answer; got != "finished" {
		t.Errorf("the request was answered %q", got)
	}
	if err := <-ended; err != nil {
		t.Errorf("the server ended with %v", err)
	}
}

func TestARenewedCertificateIsUsed(t *testing.T) {
	dir := t.TempDir()
	pair := &certificate.Pair{CertFile: filepath.Join(dir, "cert"), KeyFile: filepath.Join(dir, "key")}
	if _, err := listen("127.0.0.1:0", http.NotFoundHandler(), zap.NewNop(), pair); err == nil {
		t.Fatal("a server without its certificate was started")
	}
	writePair(t, pair, 1, time.Unix(1000, 0))
	s, err := listen("127.0.0.1:0", http.NotFoundHandler(), zap.NewNop(), pair)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.run(ctx) }()
	serial := func() int64 {
		c, err := tls.Dial("tcp", s.listener.Addr().String(), &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // only looked at
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
	}
	if got := serial(); got != 1 {
		t.Errorf("certificate %d is served, expected 1", got)
	}
	writePair(t, pair, 2, time.Unix(2000, 0))
	if got := serial(); got != 2 {
		t.Errorf("certificate %d is served, expected the renewed one", got)
	}
	if err := os.WriteFile(pair.KeyFile, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(pair.CertFile, time.Unix(3000, 0), time.Unix(3000, 0)); err != nil {
		t.Fatal(err)
	}
	if got := serial(); got != 2 {
		t.Errorf("certificate %d is served while the new one is broken, expected 2", got)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func writePair(t *testing.T, p *certificate.Pair, serial int64, changed time.Time) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{p.CertFile: {Type: "CERTIFICATE", Bytes: cert}, p.KeyFile: {Type: "PRIVATE KEY", Bytes: raw}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chtimes(p.CertFile, changed, changed); err != nil {
		t.Fatal(err)
	}
}
