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
	// authorities are the last certificates of the chains by which they were found good, by the same.
	authorities map[string]*x509.Certificate
}

// maxServing bounds what is remembered: control planes come and go while a client lives.
const maxServing = 64

// note is called once per handshake, when the certificate was found good.
func (s *serving) note(state tls.ConnectionState) error {
	leaf := state.PeerCertificates[0]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil || len(s.seen) >= maxServing {
		s.seen, s.authorities = map[string]*x509.Certificate{}, map[string]*x509.Certificate{}
	}
	s.seen[identityOf(leaf)] = leaf
	for _, chain := range state.VerifiedChains {
		s.authorities[identityOf(leaf)] = chain[len(chain)-1]
	}
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

// Certificates say how long those of API servers are good for.
type Certificates struct {
	Begin, End                   time.Time // of the serving certificate that is the first to end
	AuthorityBegin, AuthorityEnd time.Time // of the authority that is
}

// ServingCertificate tells of the certificates that API servers have shown in TLS handshakes with this client; ok is false
// before the first one. It asks for nothing: any request makes a handshake when no connection is open.
func (c *Client) ServingCertificate() (out Certificates, ok bool) {
	c.serving.mu.Lock()
	defer c.serving.mu.Unlock()
	for id, leaf := range c.serving.seen {
		if !ok || leaf.NotAfter.Before(out.End) {
			out.Begin, out.End = leaf.NotBefore, leaf.NotAfter
		}
		if a := c.serving.authorities[id]; a != nil && (out.AuthorityEnd.IsZero() || a.NotAfter.Before(out.AuthorityEnd)) {
			out.AuthorityBegin, out.AuthorityEnd = a.NotBefore, a.NotAfter
		}
		ok = true
	}
	return out, ok
}
