package etcd

import (
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	sim "github.com/jeroboam-cloud/jeroboam/devstack/sim/kube"
	"github.com/jeroboam-cloud/jeroboam/drivers/kube"
	"github.com/jeroboam-cloud/jeroboam/drivers/pki"
	"github.com/jeroboam-cloud/jeroboam/drivers/userdata"
)

const version = "v1.37.2"

// simEtcd is a cluster of simulated hosts behind a load balancer, made from the user data that real hosts get.
type simEtcd struct {
	t        *testing.T
	fabric   *fabric
	nodes    []string
	ca, etcd authority
	keys     *userdata.PKI
	clock    fastClock

	mu    sync.Mutex
	hosts map[string]*sim.Node // those that are on
}

func newSimEtcd(t *testing.T, nodes ...string) *simEtcd {
	t.Helper()
	b := &simEtcd{t: t, nodes: nodes, ca: newAuthority(t), etcd: newAuthority(t), clock: 50, hosts: map[string]*sim.Node{}}
	b.fabric = &fabric{nodes: nodes, listeners: map[string]func(net.Conn){}}
	front := newAuthority(t)
	private, public, err := pki.NewKeyPair(keySize)
	if err != nil {
		t.Fatal(err)
	}
	pair := func(a authority) userdata.KeyPair {
		return userdata.KeyPair{Certificate: a.Certificate, PrivateKey: a.PrivateKey}
	}
	b.keys = &userdata.PKI{CA: pair(b.ca), FrontProxyCA: pair(front), EtcdCA: pair(b.etcd), SigningCA: b.ca.Certificate,
		ServiceAccountPrivate: private, ServiceAccountPublic: public, EncryptionKey: []byte(base64.StdEncoding.EncodeToString(make([]byte, 32)))}
	for _, node := range nodes {
		b.start(node)
	}
	b.awaitReady(nodes...)
	t.Cleanup(func() {
		for _, node := range b.nodes {
			b.stop(node)
		}
	})
	return b
}

func (b *simEtcd) access() (kube.Access, kube.EtcdAccess) {
	client := b.ca.access(b.t)
	return kube.Access{
		Endpoint: "https://10.0.0.5:6443", CA: client.CA, ClientCert: client.ClientCert, ClientKey: client.ClientKey,
		Dial: func(ctx context.Context, _, address string) (net.Conn, error) { return b.fabric.Dial(ctx, "", address) },
	}, b.etcd.access(b.t)
}

func (b *simEtcd) start(node string) {
	b.t.Helper()
	host := userdata.Host{
		Name: node, Role: userdata.RoleControlPlane, Distro: "debian", ClusterName: "demo", KubernetesVersion: version,
		ControlPlaneEndpoint: "10.0.0.5:6443", PodSubnet: "10.100.0.0/16", ServiceSubnet: "10.254.0.0/16",
		BootstrapToken: "abcdef.0123456789abcdef", PKI: b.keys, ClusterCA: b.keys.CA.Certificate,
	}
	if node == b.nodes[0] {
		host.Role = userdata.RoleInit
	}
	data, err := userdata.Render(host)
	if err != nil {
		b.t.Fatal(err)
	}
	on, err := sim.Boot(context.Background(), sim.Host{
		ID: node, Name: node, FixedIPs: []string{b.fabric.address(node)}, UserData: data,
		Image: map[string]string{"kube_version": version, "os_distro": "debian"},
	}, b.fabric, b.clock)
	if err != nil {
		b.t.Fatal(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.hosts[node] = on
}

func (b *simEtcd) stop(node string) {
	b.mu.Lock()
	host := b.hosts[node]
	delete(b.hosts, node)
	b.mu.Unlock()
	if host != nil {
		host.Stop()
	}
}

func (b *simEtcd) host(node string) *sim.Node {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.hosts[node]
}

func (b *simEtcd) awaitReady(nodes ...string) {
	b.t.Helper()
	for _, node := range nodes {
		eventually(b.t, func() error {
			if host := b.host(node); host.State() != sim.StateReady {
				return fmt.Errorf("%s is %s:\n%s", node, host.State(), strings.Join(host.Console(), "\n"))
			}
			return nil
		})
	}
	b.approve(nodes...)
}

// approve gives kubelets their serving certificates, as a conductor does: without them nothing is forwarded.
func (b *simEtcd) approve(nodes ...string) {
	b.t.Helper()
	addresses := map[string][]string{}
	b.fabric.mu.Lock()
	for _, node := range nodes {
		addresses[node] = []string{b.fabric.address(node)}
	}
	b.fabric.mu.Unlock()
	access, _ := b.access()
	c := connect(b.t, access)
	eventually(b.t, func() error {
		s, err := c.ApproveServing(b.t.Context(), addresses)
		for _, node := range nodes {
			if err == nil && s.Issued[node] == nil {
				err = fmt.Errorf("the kubelet of %s has no serving certificate: %v", node, s.Refused)
			}
		}
		return err
	})
}

func (b *simEtcd) awaitLine(node, text string) {
	b.t.Helper()
	eventually(b.t, func() error {
		console := strings.Join(b.host(node).Console(), "\n")
		if !strings.Contains(console, text) {
			return fmt.Errorf("%s does not say %q:\n%s", node, text, console)
		}
		return nil
	})
}

// add makes room for one more host.
func (b *simEtcd) add(node string) {
	b.fabric.mu.Lock()
	defer b.fabric.mu.Unlock()
	b.nodes = append(b.nodes, node)
	b.fabric.nodes = b.nodes
}

// fabric connects hosts. 10.0.0.5 is a load balancer, whose monitor sees at once who does not listen.
type fabric struct {
	sim.Clusters
	nodes []string

	mu        sync.Mutex
	listeners map[string]func(net.Conn)
	dials     int
}

// address of a host; f.mu is held, or nobody adds one.
func (f *fabric) address(node string) string {
	for i, name := range f.nodes {
		if name == node {
			return fmt.Sprintf("10.0.0.%d", 10+i)
		}
	}
	return ""
}

func (f *fabric) Dial(_ context.Context, from, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.dials++
	for i := range f.nodes {
		node := f.nodes[(i+f.dials)%len(f.nodes)]
		if host != f.address(node) && host != "10.0.0.5" && (host != "127.0.0.1" || node != from) {
			continue
		}
		if accept := f.listeners[node+":"+port]; accept != nil {
			near, far, err := pair()
			if err == nil {
				accept(far)
			}
			return near, err
		}
	}
	return nil, fmt.Errorf("dial tcp %s: connect: connection refused", address)
}

// pair connects two ends. They have buffers, unlike those of a pipe: TLS ends with words that nobody need read.
func pair() (near, far net.Conn, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	if near, err = net.Dial("tcp", l.Addr().String()); err != nil {
		return nil, nil, err
	}
	if far, err = l.Accept(); err != nil {
		_ = near.Close()
		return nil, nil, err
	}
	return near, far, nil
}

func (f *fabric) Listen(hostID string, port int, accept func(net.Conn)) func() {
	key := fmt.Sprintf("%s:%d", hostID, port)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.listeners[key] = accept
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.listeners, key)
	}
}

// fastClock runs so many times as fast as the wall's.
type fastClock time.Duration

func (fastClock) Now() time.Time { return time.Now() }

func (c fastClock) Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d / time.Duration(c))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func TestSimulatedEtcd(t *testing.T) {
	testSuite(t, func(t *testing.T, nodes ...string) bed { return newSimEtcd(t, nodes...) })
}

// TestSimulatedJoin has a control plane join when etcd does not want another member, as TestRealMemberAdd sees it.
func TestSimulatedJoin(t *testing.T) {
	t.Parallel()
	const m0, m1, m2, m3, m4 = "demo-master-0", "demo-master-1", "demo-master-2", "demo-master-3", "demo-master-4"
	b := newSimEtcd(t, m0, m1, m2)
	access, etcd := b.access()
	c := connect(t, access)
	b.stop(m1)
	b.add(m3)
	b.start(m3)
	b.awaitLine(m3, "etcd-join: error creating local etcd static pod manifest file: etcdserver: unhealthy cluster")
	eventually(t, func() error { return c.RemoveEtcdMember(t.Context(), etcd, m1) })
	b.awaitReady(m3)
	eventually(t, func() error { return c.EtcdHealthy(t.Context(), etcd, []string{m0, m2, m3}) })

	// a host that dies while it joins leaves a member behind that nobody knows by name, and that keeps all others out
	b.clock = 2
	b.add(m4)
	b.start(m4)
	b.awaitLine(m4, "[kubelet-start]")
	b.stop(m4)
	if err := c.EtcdHealthy(t.Context(), etcd, []string{m0, m2, m3}); err == nil || !strings.Contains(err.Error(), "the member at [https://10.0.0.14:2380] has not started") {
		t.Errorf("with a dead learner: %v", err)
	}
	b.clock = 50
	b.fabric.Forget(m1)
	b.start(m1)
	b.awaitLine(m1, "too many learner members in cluster")
	if err := c.RemoveEtcdMember(t.Context(), etcd, m4, "10.0.0.14"); err != nil {
		t.Fatal(err)
	}
	b.awaitReady(m1)
	eventually(t, func() error { return c.EtcdHealthy(t.Context(), etcd, []string{m0, m1, m2, m3}) })
}

// TestSimulatedRemoval leaves the host of a removed member on: its etcd has ended, and its API server knows no other.
func TestSimulatedRemoval(t *testing.T) {
	t.Parallel()
	const m0, m1, m2 = "demo-master-0", "demo-master-1", "demo-master-2"
	b := newSimEtcd(t, m0, m1, m2)
	access, etcd := b.access()
	c := connect(t, access)
	eventually(t, func() error { return c.RemoveEtcdMember(t.Context(), etcd, m2) })
	b.awaitLine(m2, "permanently removed from the cluster")
	for node, works := range map[string]bool{m0: true, m1: true, m2: false} {
		access.Endpoint = "https://" + b.fabric.address(node) + ":6443"
		direct := connect(t, access)
		if err := direct.Ready(t.Context()); (err == nil) != works {
			t.Errorf("%s: %v", node, err)
		}
		if _, err := direct.Nodes(t.Context()); (err == nil) != works {
			t.Errorf("%s: %v", node, err)
		}
	}
	b.awaitLine(m2, "kube-apiserver failed liveness probe")
	b.stop(m2)
	b.start(m2) // its disk still has what it was
	b.awaitLine(m2, "permanently removed from the cluster")
}
