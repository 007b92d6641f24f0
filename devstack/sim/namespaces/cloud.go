package namespaces

import (
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
)

// CloudURL is the root of the cloud's services as hosts reach it, in every network.
const CloudURL = "http://192.0.2.1"

const (
	cloudAt    = "192.0.2.1:80"
	metadataAt = "169.254.169.254:80"
)

// offer lets hosts reach the cloud's API and other services, which listen on this machine, and the metadata service.
func (n *network) offer(plumbing sim.Plumbing, services map[string]string, metadata http.Handler) error {
	to, err := url.Parse(plumbing.URL())
	if err != nil {
		return fmt.Errorf("find the cloud: %w", err)
	}
	leads := map[string]string{cloudAt: to.Host}
	maps.Copy(leads, services)
	for at, to := range leads {
		l, err := n.listen(at)
		if err != nil {
			return fmt.Errorf("offer what is at %s: %w", at, err)
		}
		n.cloud = append(n.cloud, l)
		go forward(l, to)
	}
	meta, err := n.listen(metadataAt)
	if err != nil {
		return fmt.Errorf("offer metadata: %w", err)
	}
	n.cloud = append(n.cloud, meta)
	server := &http.Server{Handler: metadata, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(meta) }() // until the listener is closed
	return nil
}

// listen listens at an address that the network's router gets for it.
func (n *network) listen(at string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(at)
	if err != nil {
		return nil, err
	}
	if err := n.ip("address replace " + host + "/32 dev " + bridge); err != nil {
		return nil, err
	}
	var l net.Listener
	err = n.inside(func() error {
		var err error
		l, err = net.Listen("tcp", at)
		return err
	})
	return l, err
}

// forward carries connections to an address on this machine, until the listener is closed.
func forward(l net.Listener, to string) {
	for {
		near, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			far, err := net.DialTimeout("tcp", to, dialTimeout)
			if err != nil {
				_ = near.Close()
				return
			}
			carry(near, far)
		}()
	}
}

// tell answers as the metadata service does, to the host whose address the request comes from.
func (w *wires) tell(networkID string, rw http.ResponseWriter, r *http.Request) {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || r.URL.Path != "/openstack/latest/meta_data.json" {
		http.NotFound(rw, r)
		return
	}
	picture, _ := w.picture()
	for _, p := range picture.Ports {
		for _, a := range p.Addresses {
			if p.Network != networkID || a.Addr() != from.Addr().Unmap() {
				continue
			}
			if meta, err := w.meta(p.Host); err == nil {
				rw.Header().Set("Content-Type", "application/json")
				_, _ = rw.Write(meta)
				return
			}
		}
	}
	http.NotFound(rw, r)
}
