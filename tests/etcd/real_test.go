package etcd

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/client/pkg/v3/transport"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/membership"

	"github.com/jeroboam-cloud/jeroboam/devstack/sim/portforward"
	"github.com/jeroboam-cloud/jeroboam/drivers/kube"
)

// realEtcd is a cluster of real etcds, beside an API that has their pods and nothing else.
type realEtcd struct {
	t          *testing.T
	kube       kube.Access
	etcd       kube.EtcdAccess
	websockets bool // as since Kubernetes 1.31

	mu      sync.Mutex
	members map[string]*realMember // by node
}

type realMember struct {
	config *embed.Config
	server *embed.Etcd // nil when it is off
}

func newRealEtcd(t *testing.T, nodes ...string) *realEtcd {
	t.Helper()
	ca := newAuthority(t)
	b := &realEtcd{t: t, websockets: true, etcd: ca.access(t), members: map[string]*realMember{}}
	b.kube = serveAPI(t, b)
	server := ca.serving(t)
	info := transport.TLSInfo{
		ClientCertAuth: true, TrustedCAFile: writeFile(t, ca.Certificate),
		CertFile: writeFile(t, server.Certificate), KeyFile: writeFile(t, server.PrivateKey),
	}
	var initial []string
	for _, node := range nodes {
		m := &realMember{config: newEtcdConfig(t, node, info)}
		b.members[node] = m
		initial = append(initial, node+"="+m.config.AdvertisePeerUrls[0].String())
	}
	var starting sync.WaitGroup
	for _, node := range nodes {
		b.members[node].config.InitialCluster = strings.Join(initial, ",")
		starting.Go(func() { b.start(node) })
	}
	starting.Wait()
	t.Cleanup(func() {
		for _, node := range nodes {
			b.stop(node)
		}
	})
	return b
}

func writeFile(t *testing.T, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func newEtcdConfig(t *testing.T, node string, info transport.TLSInfo) *embed.Config {
	t.Helper()
	config := embed.NewConfig()
	config.Name, config.Dir, config.LogLevel, config.ClientTLSInfo = node, t.TempDir(), "panic", info
	config.EnableGRPCGateway = false // it would want a client's certificate
	config.TickMs, config.ElectionMs, config.UnsafeNoFsync = 50, 500, true
	client, peer := freeURL(t, "https"), freeURL(t, "http")
	config.ListenClientUrls, config.AdvertiseClientUrls = []url.URL{client}, []url.URL{client}
	config.ListenPeerUrls, config.AdvertisePeerUrls = []url.URL{peer}, []url.URL{peer}
	return config
}

func freeURL(t *testing.T, scheme string) url.URL {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return url.URL{Scheme: scheme, Host: l.Addr().String()}
}

func (b *realEtcd) access() (kube.Access, kube.EtcdAccess) { return b.kube, b.etcd }

func (b *realEtcd) start(node string) {
	server, err := embed.StartEtcd(b.members[node].config)
	if err != nil {
		b.t.Errorf("start %s: %v", node, err)
		return
	}
	select {
	case <-server.Server.ReadyNotify():
	case <-time.After(30 * time.Second):
		b.t.Errorf("%s does not start", node)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.members[node].server = server
}

func (b *realEtcd) stop(node string) {
	b.mu.Lock()
	var server *embed.Etcd
	if m := b.members[node]; m != nil {
		server, m.server = m.server, nil
	}
	b.mu.Unlock()
	if server != nil {
		server.Close()
	}
}

// ServeHTTP is an API server and its kubelets, who do not answer for nodes that are off.
func (b *realEtcd) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	const pods = "/api/v1/namespaces/kube-system/pods"
	pod, forward := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, pods+"/etcd-"), "/portforward")
	m := b.members[pod]
	switch {
	case r.URL.Path == pods && r.URL.Query().Get("labelSelector") == "component=etcd,tier=control-plane":
		items := []object{}
		for node := range b.members {
			items = append(items, object{"apiVersion": "v1", "kind": "Pod", "metadata": object{"name": "etcd-" + node}, "spec": object{"nodeName": node}})
		}
		answer(w, 200, object{"kind": "PodList", "apiVersion": "v1", "items": items})
	case !forward || m == nil:
		refuse(w, 404, "NotFound", r.URL.Path+" not found")
	case m.server == nil:
		refuse(w, 500, "InternalError", "error dialing backend: dial tcp 10.0.0.1:10250: connect: no route to host")
	case websocket.IsWebSocketUpgrade(r) && !b.websockets:
		http.Error(w, "Upgrade request required", http.StatusBadRequest)
	default:
		address := m.config.ListenClientUrls[0].Host
		b.mu.Unlock()
		defer b.mu.Lock()
		portforward.Serve(w, r, "etcd-"+pod, "uid", func(ctx context.Context, port int) (net.Conn, error) {
			if port != 2379 {
				return nil, fmt.Errorf("dial tcp4 127.0.0.1:%s: connect: connection refused", strconv.Itoa(port))
			}
			return (&net.Dialer{}).DialContext(ctx, "tcp", address)
		})
	}
}

func TestRealEtcd(t *testing.T) {
	testSuite(t, func(t *testing.T, nodes ...string) bed { return newRealEtcd(t, nodes...) })
}

// TestRealMemberAdd sees when etcd wants no other member, and that one which has never started is found by its address.
func TestRealMemberAdd(t *testing.T) {
	t.Parallel()
	const m0, m1, m2, address = "demo-master-0", "demo-master-1", "demo-master-2", "127.0.0.9"
	b := newRealEtcd(t, m0, m1, m2)
	c := connect(t, b.kube)
	add := func(host string) error {
		b.mu.Lock()
		server := b.members[m0].server.Server
		b.mu.Unlock()
		peer := url.URL{Scheme: "http", Host: net.JoinHostPort(host, "2380")}
		_, err := server.AddMember(t.Context(), *membership.NewMemberAsLearner("", []url.URL{peer}, "", &time.Time{}))
		return err
	}
	wants := func(err error, text string) error {
		if err == nil || !strings.Contains(err.Error(), text) {
			return fmt.Errorf("not %q: %w", text, err)
		}
		return nil
	}
	b.stop(m1)
	eventually(t, func() error { return wants(add(address), "unhealthy cluster") })
	b.start(m1)
	eventually(t, func() error { return add(address) })
	if err := wants(add("127.0.0.10"), "too many learner members in cluster"); err != nil {
		t.Error(err)
	}
	err := c.EtcdHealthy(t.Context(), b.etcd, []string{m0, m1, m2})
	if err := wants(err, "the member at [http://127.0.0.9:2380] has not started"); err != nil {
		t.Error(err)
	}
	if err := c.RemoveEtcdMember(t.Context(), b.etcd, "demo-master-3", address); err != nil {
		t.Error(err)
	}
	eventually(t, func() error { return c.EtcdHealthy(t.Context(), b.etcd, []string{m0, m1, m2}) })
}

// TestRealAlarm has a member run out of room.
func TestRealAlarm(t *testing.T) {
	t.Parallel()
	const m0 = "demo-master-0"
	b := newRealEtcd(t, m0)
	c := connect(t, b.kube)
	server := b.members[m0].server.Server
	_, err := server.Alarm(t.Context(), &etcdserverpb.AlarmRequest{
		Action: etcdserverpb.AlarmRequest_ACTIVATE, MemberID: uint64(server.MemberID()), Alarm: etcdserverpb.AlarmType_NOSPACE,
	})
	if err != nil {
		t.Fatal(err)
	}
	var unhealthy *kube.EtcdUnhealthyError
	err = c.EtcdHealthy(t.Context(), b.etcd, []string{m0})
	if !errors.As(err, &unhealthy) || !slices.Equal(unhealthy.Problems, []string{"the member of demo-master-0 raises the alarm NOSPACE"}) {
		t.Errorf("with an alarm: %v", err)
	}
}

// TestEtcdWithoutWebsockets reaches etcd through an API server that forwards ports by SPDY only.
func TestEtcdWithoutWebsockets(t *testing.T) {
	b := newRealEtcd(t, "demo-master-0")
	b.websockets = false
	c := connect(t, b.kube)
	eventually(t, func() error { return c.EtcdHealthy(t.Context(), b.etcd, []string{"demo-master-0"}) })
}
