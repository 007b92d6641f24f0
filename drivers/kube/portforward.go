package kube

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/gorilla/websocket"
	"github.com/moby/spdystream"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	protocol "k8s.io/apimachinery/pkg/util/portforward"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/streaming/pkg/httpstream"
	"k8s.io/streaming/pkg/httpstream/spdy"
)

const (
	// replyInterval is how often the wait for a stream's reply looks whether there still is a connection for it.
	replyInterval = 50 * time.Millisecond
	// maxRefusal bounds what is read of an answer that refuses a connection.
	maxRefusal = 64 << 10
	// maxFailure bounds what is read of why a connection to a port failed.
	maxFailure = 4 << 10
)

var errForwardingEnded = errors.New("the api has ended the port forwarding")

// forwarding is a connection to the API that carries connections to the ports of one pod. client-go's dialers know
// neither contexts nor Access.Dial, and its streams wait half a minute for the reply of an API that is gone, so their
// parts are put together here.
type forwarding struct {
	spdy     *spdystream.Connection
	under    net.Conn // what SPDY is spoken over
	served   chan struct{}
	requests atomic.Uint64

	mu      sync.Mutex
	streams []*spdystream.Stream
	ended   bool
}

// forward connects to a pod: over a websocket, or as API servers did before Kubernetes 1.31 if that is refused. What is
// connected ends with ctx at the latest.
func (c *Client) forward(ctx context.Context, namespace, pod string) (*forwarding, error) {
	path := c.endpoint.JoinPath("api/v1/namespaces", namespace, "pods", pod, "portforward")
	under, err := c.dialWebsocket(ctx, path)
	var refused *refusedError
	if errors.As(err, &refused) {
		under, err = c.dialSPDY(ctx, path)
	}
	if err != nil {
		return nil, err
	}
	session, err := spdystream.NewConnection(under, false)
	if err != nil {
		_ = under.Close()
		return nil, err
	}
	f := &forwarding{spdy: session, under: under, served: make(chan struct{})}
	go func() {
		defer close(f.served)
		session.Serve(spdystream.NoOpStreamHandler)
	}()
	return f, nil
}

// close cuts all connections through it and returns when nothing of it runs any more.
func (f *forwarding) close() {
	_ = f.under.Close()
	f.mu.Lock()
	f.ended = true
	streams := f.streams
	f.streams = nil
	f.mu.Unlock()
	for _, stream := range streams { // what arrived and nobody reads would keep it from ending
		_ = stream.Reset()
	}
	<-f.served
}

// dial connects to a port of the pod. An error of the pod's side comes with the first read.
func (f *forwarding) dial(ctx context.Context, port int) (net.Conn, error) {
	headers := http.Header{}
	headers.Set(corev1.PortHeader, strconv.Itoa(port))
	headers.Set(corev1.PortForwardRequestIDHeader, strconv.FormatUint(f.requests.Add(1), 10))
	failures, err := f.stream(ctx, headers, corev1.StreamTypeError)
	if err != nil {
		return nil, err
	}
	data, err := f.stream(ctx, headers, corev1.StreamTypeData)
	if err != nil {
		_ = failures.Reset()
		return nil, err
	}
	_ = failures.Close() // nothing is written to it
	t := &tunnel{Stream: data, failures: failures, failure: make(chan string, 1)}
	go func() {
		defer close(t.failure)
		text, _ := io.ReadAll(io.LimitReader(failures, maxFailure))
		t.failure <- string(text)
	}()
	return t, nil
}

func (f *forwarding) stream(ctx context.Context, headers http.Header, kind string) (*spdystream.Stream, error) {
	headers = headers.Clone()
	headers.Set(corev1.StreamType, kind)
	stream, err := f.spdy.CreateStream(headers, nil, false)
	if err != nil {
		return nil, err
	}
	if !f.keep(stream) {
		_ = stream.Reset()
		return nil, errForwardingEnded
	}
	for {
		if err := stream.WaitTimeout(replyInterval); !errors.Is(err, spdystream.ErrTimeout) {
			return stream, err
		}
		select {
		case <-f.served:
			err = errForwardingEnded
		case <-ctx.Done():
			err = ctx.Err()
		default:
			continue
		}
		_ = stream.Reset()
		return nil, err
	}
}

// keep remembers a stream for close, unless that has been called.
func (f *forwarding) keep(stream *spdystream.Stream) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.streams = append(f.streams, stream)
	return !f.ended
}

// tunnel is a connection to a port of a pod. It has no deadlines: those of a SPDY stream would be those of all that share
// its connection.
type tunnel struct {
	*spdystream.Stream
	failures *spdystream.Stream
	failure  chan string
}

// Read says at the end why the other side ended it, where it tells.
func (t *tunnel) Read(p []byte) (int, error) {
	n, err := t.Stream.Read(p)
	if errors.Is(err, io.EOF) {
		if failure := <-t.failure; failure != "" {
			return n, errors.New(failure)
		}
	}
	return n, err
}

func (t *tunnel) Close() error {
	_ = t.failures.Reset()
	return t.Stream.Reset()
}

func (t *tunnel) SetDeadline(time.Time) error      { return os.ErrNoDeadline }
func (t *tunnel) SetReadDeadline(time.Time) error  { return os.ErrNoDeadline }
func (t *tunnel) SetWriteDeadline(time.Time) error { return os.ErrNoDeadline }

// refusedError is an answer of the API that is no connection.
type refusedError struct{ cause error }

func (e *refusedError) Error() string { return e.cause.Error() }
func (e *refusedError) Unwrap() error { return e.cause }

// refusal reads an answer that should have been a connection.
func refusal(answer *http.Response) error {
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxRefusal))
	if err != nil {
		return err
	}
	var status metav1.Status
	if json.Unmarshal(body, &status) == nil && status.Status == metav1.StatusFailure {
		return &refusedError{&apierrors.StatusError{ErrStatus: status}}
	}
	return &refusedError{apierrors.NewGenericServerResponse(answer.StatusCode, "connect",
		schema.GroupResource{Resource: "pods/portforward"}, "", strings.TrimSpace(string(body)), 0, true)}
}

// dialAPI makes a connection for one use that ends with ctx, whoever holds it.
func (c *Client) dialAPI(ctx context.Context) (net.Conn, error) {
	raw, err := c.transport.DialContext(ctx, "tcp", c.endpoint.Host)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { _ = raw.Close() })
	config := c.tls.Clone()
	config.ServerName = c.endpoint.Hostname()
	config.NextProtos = []string{"http/1.1"} // that of HTTP/2 cannot be upgraded
	conn := tls.Client(raw, config)
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = raw.Close()
		return nil, err
	}
	return conn, nil
}

func (c *Client) dialWebsocket(ctx context.Context, path *url.URL) (net.Conn, error) {
	dialer := websocket.Dialer{
		NetDialTLSContext: func(context.Context, string, string) (net.Conn, error) { return c.dialAPI(ctx) },
		Subprotocols:      []string{protocol.WebsocketsSPDYTunnelingPortForwardV1},
	}
	secure := *path
	secure.Scheme = "wss"
	conn, answer, err := dialer.DialContext(ctx, secure.String(), http.Header{"User-Agent": {userAgent}})
	if answer != nil {
		defer answer.Body.Close()
	}
	if errors.Is(err, websocket.ErrBadHandshake) {
		return nil, refusal(answer)
	}
	if err != nil {
		return nil, err
	}
	if got := conn.Subprotocol(); got != protocol.WebsocketsSPDYTunnelingPortForwardV1 {
		_ = conn.Close()
		return nil, &refusedError{fmt.Errorf("the api speaks %q over websockets", got)}
	}
	return portforward.NewTunnelingConnectionWithLogger(logr.Discard(), conn), nil
}

func (c *Client) dialSPDY(ctx context.Context, path *url.URL) (net.Conn, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, path.String(), nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("User-Agent", userAgent)
	request.Header.Set(httpstream.HeaderConnection, httpstream.HeaderUpgrade)
	request.Header.Set(httpstream.HeaderUpgrade, spdy.HeaderSpdy31)
	request.Header.Set(httpstream.HeaderProtocolVersion, protocol.PortForwardV1Name)
	conn, err := c.dialAPI(ctx)
	if err != nil {
		return nil, err
	}
	reader := bufio.NewReader(conn)
	answer, err := exchange(conn, reader, request)
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusSwitchingProtocols {
		defer conn.Close()
		return nil, refusal(answer)
	}
	return &upgraded{Conn: conn, reader: reader}, nil
}

func exchange(conn net.Conn, reader *bufio.Reader, request *http.Request) (*http.Response, error) {
	if err := request.Write(conn); err != nil {
		return nil, err
	}
	return http.ReadResponse(reader, request)
}

// upgraded is a connection after its HTTP; the reader may have more of it already.
type upgraded struct {
	net.Conn
	reader *bufio.Reader
}

func (u *upgraded) Read(p []byte) (int, error) { return u.reader.Read(p) }
