package kube

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
)

// server is the API server of one control plane.
type server struct {
	cluster *cluster
	hostID  string
	dial    func(ctx context.Context, address string) (net.Conn, error) // as its host
	memory  *Clusters
	http    *http.Server
	conns   *inbox
	done    chan struct{}
	cut     context.CancelFunc
	clients []*x509.Certificate // authorities of those who may ask
}

func newServer(c *cluster, n *Node, shows *shown, clients []*x509.Certificate) *server {
	s := &server{cluster: c, hostID: n.host.ID, memory: n.fabric.memory(), conns: newInbox(), done: make(chan struct{}), clients: clients}
	s.dial = func(ctx context.Context, address string) (net.Conn, error) {
		return n.fabric.Dial(ctx, n.host.ID, address)
	}
	ctx, cut := context.WithCancel(context.Background())
	s.cut = cut
	s.http = &http.Server{
		Handler: s.handler(),
		TLSConfig: &tls.Config{
			GetCertificate: shows.get,
			MinVersion:     tls.VersionTLS12,
			// a certificate is verified per request, as the real one does: a bad one is a 401, not a failed handshake
			ClientAuth: tls.RequestClientCert,
		},
		ErrorLog: log.New(io.Discard, "", 0), // of clients that go away
		// what was upgraded is not the HTTP server's any more, and ends with this
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	go func() {
		defer close(s.done)
		_ = s.http.ServeTLS(s.conns, "", "") // always ends with ErrServerClosed
	}()
	return s
}

// accept takes a connection from the fabric.
func (s *server) accept(conn net.Conn) { s.conns.put(conn) }

// close cuts all connections, open watches included.
func (s *server) close() {
	s.cut()
	_ = s.conns.Close()
	_ = s.http.Close()
	<-s.done
}

// inbox is a listener whose connections are handed in.
type inbox struct {
	mu     sync.Mutex
	queue  []net.Conn
	filled chan struct{} // has a token when queue may not be empty
	closed chan struct{}
	once   sync.Once
}

func newInbox() *inbox {
	return &inbox{filled: make(chan struct{}, 1), closed: make(chan struct{})}
}

func (i *inbox) put(conn net.Conn) {
	i.mu.Lock()
	i.queue = append(i.queue, conn)
	i.mu.Unlock()
	select {
	case <-i.closed:
		i.drop()
	case i.filled <- struct{}{}:
	default:
	}
}

func (i *inbox) Accept() (net.Conn, error) {
	for {
		i.mu.Lock()
		if len(i.queue) > 0 {
			conn := i.queue[0]
			i.queue = i.queue[1:]
			i.mu.Unlock()
			return conn, nil
		}
		i.mu.Unlock()
		select {
		case <-i.filled:
		case <-i.closed:
			return nil, errors.New("listener is closed")
		}
	}
}

func (i *inbox) Close() error {
	i.once.Do(func() { close(i.closed) })
	i.drop()
	return nil
}

// drop closes what nobody will accept any more.
func (i *inbox) drop() {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, conn := range i.queue {
		_ = conn.Close()
	}
	i.queue = nil
}

func (i *inbox) Addr() net.Addr { return &net.TCPAddr{} }
