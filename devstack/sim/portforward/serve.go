// Package portforward is the server's side of Kubernetes' port forwarding, as API server and kubelet have it between them:
// by SPDY, or by SPDY over a websocket.
package portforward

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/go-logr/logr"
	"github.com/gorilla/websocket"
	tunnel "k8s.io/client-go/tools/portforward"
	"k8s.io/cri-streaming/pkg/streaming/portforward"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"
)

// the kubelet's
const (
	idleTimeout    = 4 * time.Hour
	streamCreation = 30 * time.Second
)

// Serve answers a request for the ports of a pod until the client goes or the request's context is done. dial connects to
// a port of the pod.
func Serve(w http.ResponseWriter, r *http.Request, pod, uid string, dial func(ctx context.Context, port int) (net.Conn, error)) {
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	if websocket.IsWebSocketUpgrade(r) {
		upgraded, ok := upgrade(w, r)
		if !ok {
			return
		}
		w, r = upgraded, spdyRequest(ctx)
	}
	portforward.ServePortForward(bound{ResponseWriter: w, ctx: ctx}, r, forwarder{ctx: ctx, dial: dial}, pod, uid, nil,
		idleTimeout, streamCreation, portforward.SupportedProtocols)
}

// upgrade makes a websocket of a request, and of that what SPDY is spoken over.
func upgrade(w http.ResponseWriter, r *http.Request) (http.ResponseWriter, bool) {
	if !slices.Contains(websocket.Subprotocols(r), portforward.WebsocketsSPDYTunnelingPortForwardV1) {
		http.Error(w, "unable to upgrade: unable to negotiate protocol: only "+portforward.WebsocketsSPDYTunnelingPortForwardV1, http.StatusBadRequest)
		return nil, false
	}
	upgrader := websocket.Upgrader{Subprotocols: []string{portforward.WebsocketsSPDYTunnelingPortForwardV1}}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil { // it has answered
		return nil, false
	}
	return &tunnelled{conn: tunnel.NewTunnelingConnectionWithLogger(logr.Discard(), conn), header: http.Header{}}, true
}

// spdyRequest is the request that a client which spoke SPDY without a websocket would have made.
func spdyRequest(ctx context.Context) *http.Request {
	r := (&http.Request{Method: http.MethodPost, Header: http.Header{}}).WithContext(ctx)
	r.Header.Set(httpstream.HeaderConnection, httpstream.HeaderUpgrade)
	r.Header.Set(httpstream.HeaderUpgrade, spdy.HeaderSpdy31)
	r.Header.Set(httpstream.HeaderProtocolVersion, portforward.ProtocolV1Name)
	return r
}

// tunnelled is the way out of HTTP for a connection that has left it already.
type tunnelled struct {
	conn   net.Conn
	header http.Header
}

func (t *tunnelled) Header() http.Header         { return t.header }
func (t *tunnelled) Write(p []byte) (int, error) { return len(p), nil }
func (t *tunnelled) WriteHeader(int)             {}

func (t *tunnelled) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return t.conn, bufio.NewReadWriter(bufio.NewReader(t.conn), bufio.NewWriter(t.conn)), nil
}

// bound has the connection end with a context.
type bound struct {
	http.ResponseWriter
	ctx context.Context //nolint:containedctx // it is that of the request which this answers
}

func (b bound) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(b.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	context.AfterFunc(b.ctx, func() { _ = conn.Close() })
	return quiet{conn}, buffered, nil
}

// quiet is a connection that may be closed again: spdystream lingers over an error of that.
type quiet struct{ net.Conn }

func (q quiet) Close() error {
	_ = q.Conn.Close()
	return nil
}

// forwarder copies between a stream and a port.
type forwarder struct {
	ctx  context.Context //nolint:containedctx // the streaming package hands out one that never ends
	dial func(ctx context.Context, port int) (net.Conn, error)
}

func (f forwarder) PortForward(_ context.Context, _, _ string, port int32, stream io.ReadWriteCloser) error {
	conn, err := f.dial(f.ctx, int(port))
	if err != nil {
		return err
	}
	defer conn.Close()
	ended := make(chan struct{}, 2)
	go func() {
		_, _ = io.Copy(conn, stream)
		ended <- struct{}{}
		_, _ = io.Copy(io.Discard, stream) // what nobody reads would keep spdystream's connection from ending
	}()
	go func() {
		_, _ = io.Copy(stream, conn)
		ended <- struct{}{}
	}()
	<-ended
	return nil
}
