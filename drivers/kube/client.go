package kube

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/klog/v2"
)

const (
	dialTimeout    = 5 * time.Second
	defaultTimeout = 15 * time.Second
	userAgent      = "jeroboam"
	// One conductor talks to many clusters, but to each of them only now and then.
	requestsPerSecond = 50
	requestBurst      = 100
	idleConnections   = 2
	// A cluster's health is looked at about once a minute: its connection lasts from one look to the next.
	idleTime = 2 * time.Minute
	// The other end is its tenant's. What it sends bounds neither our memory nor our time: not an answer, nor a list of which
	// there always is one page more.
	maxAnswer   = 32 << 20
	maxRequests = 8 // times the timeout of one request
)

// Access is how to reach the API of one cluster, and as whom.
type Access struct {
	Endpoint   string        // https://host:port
	CA         []byte        // PEM; nothing else is trusted
	ClientCert []byte        // PEM
	ClientKey  []byte        // PEM
	Timeout    time.Duration // of one request; 0: 15 s
	// Dial makes the connections; nil: TCP within 5 s.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Format keeps the key out of logs, whatever the verb.
func (a Access) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "kube.Access("+a.Endpoint+")") }

// Client talks to one cluster. It is safe for concurrent use. Close it when it is no longer needed.
type Client struct {
	endpoint  *url.URL
	tls       *tls.Config
	transport *http.Transport
	dynamic   dynamic.Interface
	rest      rest.Interface
	mapper    *restmapper.DeferredDiscoveryRESTMapper
	discovery discovery.DiscoveryInterfaceWithContext
	timeout   time.Duration
	serving   *serving
}

// New makes a client. It connects to nothing yet.
func New(a Access) (*Client, error) {
	u, err := url.Parse(a.Endpoint)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("connect to the cluster: endpoint %q is not https://host:port", a.Endpoint)
	}
	seen := &serving{}
	transport, err := newTransport(a, seen)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", a.Endpoint, err)
	}
	timeout := a.Timeout
	if timeout == 0 {
		timeout = defaultTimeout
	}
	config := &rest.Config{Host: a.Endpoint, QPS: requestsPerSecond, Burst: requestBurst}
	// A client of our own: the one that client-go would make stays in a cache of the process for ever.
	client := &http.Client{Transport: plainTransport{freshTransport{transport}}, Timeout: timeout}
	dyn, err := dynamic.NewForConfigAndClient(config, client)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", a.Endpoint, err)
	}
	disc, err := discovery.NewDiscoveryClientForConfigAndClient(config, client)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", a.Endpoint, err)
	}
	return &Client{
		// a copy, since the transport adds HTTP/2 to its own
		endpoint: u, tls: transport.TLSClientConfig.Clone(),
		transport: transport, dynamic: dyn, rest: disc.RESTClient(), discovery: disc, timeout: timeout, serving: seen,
		mapper: restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(disc)),
	}, nil
}

// Close closes the connections that no request uses. The client may be used afterwards.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

func newTransport(a Access, seen *serving) (*http.Transport, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(a.CA) {
		return nil, errors.New("the certificate of the authority is not PEM")
	}
	cert, err := tls.X509KeyPair(a.ClientCert, a.ClientKey)
	if err != nil {
		return nil, errors.New("client certificate and key do not fit together or are not PEM")
	}
	dial := a.Dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: dialTimeout}).DialContext
	}
	return &http.Transport{
		DialContext: dial,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool, Certificates: []tls.Certificate{cert},
			VerifyConnection: seen.note},
		TLSHandshakeTimeout: dialTimeout,
		MaxIdleConnsPerHost: idleConnections,
		IdleConnTimeout:     idleTime,
		ForceAttemptHTTP2:   true,
		// A connection whose other end is gone without a word must not cost every later request its whole timeout.
		HTTP2: &http.HTTP2Config{SendPingTimeout: dialTimeout, PingTimeout: dialTimeout},
	}, nil
}

// freshTransport lets go of kept connections when the API server at their other end fails: behind a load balancer that is
// one of several, and one whose etcd has left the cluster answers like that for ever. The next request finds another one.
type freshTransport struct{ *http.Transport }

func (f freshTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := f.Transport.RoundTrip(r)
	if err == nil && resp.StatusCode >= http.StatusInternalServerError {
		resp.Body = lastBody{resp.Body, f.Transport}
	}
	return resp, err
}

// lastBody is the last that is read from a connection: until then it is in use.
type lastBody struct {
	io.ReadCloser
	from *http.Transport
}

func (b lastBody) Close() error {
	err := b.ReadCloser.Close()
	b.from.CloseIdleConnections()
	return err
}

// plainTransport names us, and hides Retry-After from client-go, which would sleep and repeat the request up to ten times:
// when to try again is our callers' business.
type plainTransport struct{ next http.RoundTripper }

func (p plainTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("User-Agent", userAgent)
	resp, err := p.next.RoundTrip(r)
	if resp != nil {
		resp.Header.Del("Retry-After")
		resp.Body = &boundedBody{resp.Body, maxAnswer}
	}
	return resp, err
}

// boundedBody ends with an error where more comes than any answer has.
type boundedBody struct {
	io.ReadCloser
	left int
}

func (b *boundedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= n; b.left < 0 {
		return 0, errTooLarge
	}
	return n, err
}

// lists bounds a list of several pages.
func (c *Client) lists(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, maxRequests*c.timeout)
}

// quiet is ctx for client-go: bounded, and with a logger that says nothing.
func (c *Client) quiet(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(klog.NewContext(ctx, logr.Discard()), c.timeout)
}
