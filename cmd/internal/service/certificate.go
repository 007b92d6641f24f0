package service

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"time"
)

// certificatePair is a server certificate on disk. A renewed one is used without a restart.
type certificatePair struct {
	certFile, keyFile string

	mu      sync.Mutex
	changed time.Time
	loaded  *tls.Certificate
}

// load gives the certificate, read anew when the file changed. While the new one cannot be read, because key and
// certificate are being replaced, the old one serves on.
func (p *certificatePair) load(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	info, err := os.Stat(p.certFile)
	if err == nil && p.loaded != nil && info.ModTime().Equal(p.changed) {
		return p.loaded, nil
	}
	pair, err := tls.LoadX509KeyPair(p.certFile, p.keyFile)
	if err != nil {
		if p.loaded != nil {
			return p.loaded, nil
		}
		return nil, fmt.Errorf("[api] ssl_cert_file and ssl_key_file: %w", err)
	}
	p.loaded = &pair
	if info != nil {
		p.changed = info.ModTime()
	}
	return p.loaded, nil
}
