package kube

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"sync"
	"time"
)

// serving remembers the certificates that API servers showed. Behind a load balancer they are several, told apart by the
// names and addresses in them: each control plane's has its own.
type serving struct {
	mu   sync.Mutex
	seen map[string]*x509.Certificate
}

// maxServing bounds what is remembered: control planes come and go while a client lives.
const maxServing = 64

// note is called once per handshake, when the certificate was found good.
func (s *serving) note(state tls.ConnectionState) error {
	leaf := state.PeerCertificates[0]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil || len(s.seen) >= maxServing {
		s.seen = map[string]*x509.Certificate{}
	}
	s.seen[identityOf(leaf)] = leaf
	return nil
}

func identityOf(leaf *x509.Certificate) string {
	id := ""
	for _, name := range leaf.DNSNames {
		id += name + ","
	}
	for _, ip := range leaf.IPAddresses {
		id += net.IP.String(ip) + ","
	}
	return id
}

// ServingCertificate is the time that the first of the certificates to end is good for, of those that API servers have shown
// in TLS handshakes with this client; ok is false before the first one. It asks for nothing: any request makes a handshake
// when no connection is open.
func (c *Client) ServingCertificate() (begin, end time.Time, ok bool) {
	c.serving.mu.Lock()
	defer c.serving.mu.Unlock()
	for _, leaf := range c.serving.seen {
		if !ok || leaf.NotAfter.Before(end) {
			begin, end, ok = leaf.NotBefore, leaf.NotAfter, true
		}
	}
	return begin, end, ok
}
