// Package certificate reads server certificates.
package certificate

import (
	"crypto/tls"
	"os"
	"sync"
	"time"
)

// Pair is a server certificate on disk. A renewed one is used without a restart.
type Pair struct {
	CertFile, KeyFile string

	mu      sync.Mutex
	changed time.Time
	loaded  *tls.Certificate
}

// Load gives the certificate, read anew when the file changed. While the new one cannot be read, because key and
// certificate are being replaced, the old one serves on.
func (p *Pair) Load(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	info, err := os.Stat(p.CertFile)
	if err == nil && p.loaded != nil && info.ModTime().Equal(p.changed) {
		return p.loaded, nil
	}
	pair, err := tls.LoadX509KeyPair(p.CertFile, p.KeyFile)
	if err != nil {
		if p.loaded != nil {
			return p.loaded, nil
		}
		return nil, err
	}
	p.loaded = &pair
	if info != nil {
		p.changed = info.ModTime()
	}
	return p.loaded, nil
}
