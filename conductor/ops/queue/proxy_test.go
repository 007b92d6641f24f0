package queue_test

import (
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// proxy is the network between a queue and its broker, which tests cut and stop.
type proxy struct {
	t        testing.TB
	target   string
	listener net.Listener
	copying  sync.WaitGroup

	mu       sync.Mutex
	flows    *sync.Cond
	conns    map[net.Conn]bool
	stopped  bool // nothing passes
	refusing bool // new connections are cut at once
	over     bool
	accepted int
}

// newProxy starts a proxy to the host of a URL with one host.
func newProxy(t testing.TB, brokerURL string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{t: t, target: parse(t, brokerURL).Host, listener: listener, conns: make(map[net.Conn]bool)}
	p.flows = sync.NewCond(&p.mu)
	p.copying.Go(p.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		p.mu.Lock()
		p.over = true
		p.mu.Unlock()
		p.cut()
		p.copying.Wait()
	})
	return p
}

func parse(t testing.TB, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal("the URL of the broker is wrong")
	}
	return u
}

// url is the URL of the broker through the proxy.
func (p *proxy) url(brokerURL string) string {
	return strings.Replace(brokerURL, p.target, p.listener.Addr().String(), 1)
}

func (p *proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.target)
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		p.conns[client], p.conns[server] = true, true
		p.accepted++
		if p.refusing || p.over {
			_, _ = client.Close(), server.Close()
		}
		p.mu.Unlock()
		p.copying.Go(func() { p.copy(client, server) })
		p.copying.Go(func() { p.copy(server, client) })
	}
}

func (p *proxy) copy(to, from net.Conn) {
	defer func() { _, _ = to.Close(), from.Close() }()
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		p.mu.Lock()
		for p.stopped && !p.over {
			p.flows.Wait()
		}
		p.mu.Unlock()
		if _, werr := to.Write(buffer[:n]); err != nil || werr != nil {
			return
		}
	}
}

// cut breaks all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
	clear(p.conns)
	p.flows.Broadcast()
}

// refuse cuts all connections, and every new one, until it is called with false.
func (p *proxy) refuse(yes bool) {
	p.mu.Lock()
	p.refusing = yes
	p.mu.Unlock()
	if yes {
		p.cut()
	}
}

// stop lets nothing through, as a network that drops packets, until it is called with false.
func (p *proxy) stop(yes bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = yes
	p.flows.Broadcast()
}

// connections is how many connections have been made.
func (p *proxy) connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted
}
