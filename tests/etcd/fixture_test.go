package etcd

import (
	"crypto/tls"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/jeroboam-cloud/jeroboam/drivers/kube"
	"github.com/jeroboam-cloud/jeroboam/drivers/pki"
)

const (
	keySize  = 2048
	validity = time.Hour
)

// authority signs certificates.
type authority struct{ pki.Bundle }

func newAuthority(t *testing.T) authority {
	t.Helper()
	ca, err := pki.NewCA("ca", keySize, validity, pki.Source{Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	return authority{ca}
}

// access is somebody whom the authority knows.
func (a authority) access(t *testing.T) kube.EtcdAccess {
	t.Helper()
	client, err := pki.NewClient(a.Bundle, pki.Spec{CommonName: "conductor", Organizations: []string{pki.GroupMasters}, KeySize: keySize, Validity: validity},
		pki.Source{Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	return kube.EtcdAccess{CA: a.Certificate, ClientCert: client.Certificate, ClientKey: client.PrivateKey}
}

func (a authority) serving(t *testing.T) pki.Bundle {
	t.Helper()
	server, err := pki.NewServing(a.Bundle, pki.Spec{CommonName: "server", IPs: []net.IP{net.IPv4(127, 0, 0, 1)}, KeySize: keySize, Validity: validity},
		pki.Source{Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	return server
}

// serveAPI starts an API server over TLS.
func serveAPI(t *testing.T, handler http.Handler) kube.Access {
	t.Helper()
	ca := newAuthority(t)
	serving := ca.serving(t)
	pair, err := tls.X509KeyPair(serving.Certificate, serving.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(handler)
	server.EnableHTTP2 = true
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	server.StartTLS()
	t.Cleanup(server.Close)
	client := ca.access(t)
	return kube.Access{Endpoint: server.URL, CA: client.CA, ClientCert: client.ClientCert, ClientKey: client.ClientKey}
}

func connect(t *testing.T, a kube.Access) *kube.Client {
	t.Helper()
	c, err := kube.New(a)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

type object = map[string]any

func answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body)
}

func refuse(w http.ResponseWriter, code int, reason, message string) {
	answer(w, code, object{"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message})
}
