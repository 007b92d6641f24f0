package kube

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	etcdPort = 2379
	// etcdAddress is where a member listens in its pod; kubeadm has the IP in each member's certificate.
	etcdAddress = "127.0.0.1:2379"
	// etcdTimeout bounds a whole call: the slowest that a member answers itself is after 7 s, that etcd has no quorum.
	etcdTimeout = 30 * time.Second
	// etcdProbeTimeout is what a member has to be connected to and to say how it is.
	etcdProbeTimeout = 10 * time.Second
)

var errEtcdProbe = fmt.Errorf("no answer within %s", etcdProbeTimeout)

// etcdSession are the connections of one call to the members of etcd. Members are reached each by its own pod, for only
// itself can say how it is. etcd's own client is not used: it waits and repeats where an error is wanted.
type etcdSession struct{ peers []*etcdPeer }

type etcdPeer struct {
	node        string
	forwarding  *forwarding
	conn        *grpc.ClientConn
	cluster     etcdserverpb.ClusterClient
	maintenance etcdserverpb.MaintenanceClient
	status      *etcdserverpb.StatusResponse // nil when it did not answer
	err         error                        // why
}

// withEtcd connects to etcd for the time of a call.
func (c *Client) withEtcd(ctx context.Context, access EtcdAccess, use func(context.Context, *etcdSession) error) error {
	config, err := access.config()
	if err != nil {
		return fmt.Errorf("connect to etcd: %w", err)
	}
	// what is connected ends with this
	ctx, cancel := context.WithTimeout(ctx, etcdTimeout)
	defer cancel()
	pods, err := c.etcdPods(ctx)
	if err != nil {
		return err
	}
	e := &etcdSession{}
	defer e.close()
	for _, pod := range pods {
		e.peers = append(e.peers, &etcdPeer{node: pod.Spec.NodeName})
	}
	var probes sync.WaitGroup
	for i, p := range e.peers {
		probes.Go(func() { p.err = p.connect(ctx, c, pods[i].Name, config) })
	}
	probes.Wait()
	if errors.Is(ctx.Err(), context.Canceled) {
		return wrap(ctx, ctx.Err(), "connect to etcd")
	}
	return use(ctx, e)
}

func (a EtcdAccess) config() (*tls.Config, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(a.CA) {
		return nil, errors.New("the certificate of etcd's authority is not PEM")
	}
	cert, err := tls.X509KeyPair(a.ClientCert, a.ClientKey)
	if err != nil {
		return nil, errors.New("client certificate and key do not fit together or are not PEM")
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool, Certificates: []tls.Certificate{cert}}, nil
}

// etcdPods are the static pods that kubeadm runs etcd in, by their labels.
func (c *Client) etcdPods(ctx context.Context) ([]corev1.Pod, error) {
	ctx, cancel := c.quiet(ctx)
	defer cancel()
	list, err := c.dynamic.Resource(podResource()).Namespace(metav1.NamespaceSystem).List(ctx, metav1.ListOptions{
		LabelSelector: "component=etcd,tier=control-plane",
	})
	if err != nil {
		return nil, wrap(ctx, err, "list the pods of etcd")
	}
	var pods []corev1.Pod
	for i := range list.Items {
		pod, err := typed[corev1.Pod](&list.Items[i])
		if err != nil {
			return nil, err
		}
		pods = append(pods, *pod)
	}
	return pods, nil
}

// connect reaches a member through its pod and asks how it is.
func (p *etcdPeer) connect(ctx context.Context, c *Client, pod string, config *tls.Config) error {
	// its connection, too, ends with this context: it goes on after the probe if that was in time
	ctx, cancel := context.WithCancelCause(ctx)
	late := time.AfterFunc(etcdProbeTimeout, func() { cancel(errEtcdProbe) })
	defer late.Stop()
	err := p.probe(ctx, c, pod, config)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	p.status = nil
	cancel(err)
	return err
}

func (p *etcdPeer) probe(ctx context.Context, c *Client, pod string, config *tls.Config) error {
	var err error
	if p.forwarding, err = c.forward(ctx, metav1.NamespaceSystem, pod); err != nil {
		return err
	}
	p.conn, err = grpc.NewClient("passthrough:///"+etcdAddress, grpc.WithTransportCredentials(credentials.NewTLS(config)),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return p.forwarding.dial(ctx, etcdPort) }))
	if err != nil {
		return err
	}
	p.cluster, p.maintenance = etcdserverpb.NewClusterClient(p.conn), etcdserverpb.NewMaintenanceClient(p.conn)
	p.status, err = p.maintenance.Status(ctx, &etcdserverpb.StatusRequest{})
	return err
}

func (e *etcdSession) close() {
	var closing sync.WaitGroup
	for _, p := range e.peers {
		closing.Go(p.close)
	}
	closing.Wait()
}

func (p *etcdPeer) close() {
	if p.conn != nil {
		_ = p.conn.Close()
	}
	if p.forwarding != nil {
		p.forwarding.close()
	}
}

// peer gives the connection to a member; nil when it did not answer.
func (e *etcdSession) peer(id uint64) *etcdPeer {
	i := slices.IndexFunc(e.peers, func(p *etcdPeer) bool { return p.status != nil && p.status.Header.MemberId == id })
	if i < 0 {
		return nil
	}
	return e.peers[i]
}

// speaker is the member that speaks for all: the leader, or one that sees a leader.
func (e *etcdSession) speaker() (*etcdPeer, error) {
	var found *etcdPeer
	reasons := []string{"there are no pods of it"}
	for _, p := range e.peers {
		switch reason := p.problem(); {
		case reason != "":
			reasons = append(reasons, p.node+": "+reason)
		case p.status.Leader == p.status.Header.MemberId:
			return p, nil
		default:
			found = p
		}
	}
	if found != nil {
		return found, nil
	}
	if len(e.peers) > 0 {
		reasons = reasons[1:]
	}
	return nil, fmt.Errorf("%w: %s", ErrEtcdUnavailable, strings.Join(reasons, "; "))
}

// problem says why a member is not healthy.
func (p *etcdPeer) problem() string {
	switch {
	case p.err != nil:
		return p.err.Error()
	case p.status.Leader == 0:
		return rpctypes.ErrNoLeader.Error()
	}
	return ""
}

func (e *etcdSession) members(ctx context.Context) ([]EtcdMember, error) {
	speaker, err := e.speaker()
	if err != nil {
		return nil, fmt.Errorf("list the members of etcd: %w", err)
	}
	list, err := speaker.cluster.MemberList(ctx, &etcdserverpb.MemberListRequest{Linearizable: true})
	if err != nil {
		return nil, wrapEtcd(ctx, err, "list the members of etcd")
	}
	var members []EtcdMember
	for _, m := range list.Members {
		members = append(members, e.member(m, speaker.status.Leader))
	}
	return members, nil
}

func (e *etcdSession) member(m *etcdserverpb.Member, leader uint64) EtcdMember {
	out := EtcdMember{
		ID: m.ID, Name: m.Name, PeerURLs: m.PeerURLs, Learner: m.IsLearner, Started: m.Name != "", Leader: m.ID == leader,
	}
	p := e.peer(m.ID)
	if p == nil {
		out.Reason = "its node has no pod of etcd"
		if i := slices.IndexFunc(e.peers, func(p *etcdPeer) bool { return p.node == m.Name }); i >= 0 {
			out.Reason = "the pod of its node runs another member"
			if err := e.peers[i].err; err != nil {
				out.Reason = err.Error()
			}
		}
		return out
	}
	out.Reason = p.problem()
	out.Healthy = out.Reason == ""
	return out
}

// compareProgress orders members by how much of etcd's log they have.
func (e *etcdSession) compareProgress(a, b EtcdMember) int {
	return cmp.Compare(e.peer(a.ID).status.RaftAppliedIndex, e.peer(b.ID).status.RaftAppliedIndex)
}

// alarms are those that are raised, in words.
func (e *etcdSession) alarms(ctx context.Context, members []EtcdMember) ([]string, error) {
	speaker, err := e.speaker()
	if err != nil {
		return nil, err
	}
	raised, err := speaker.maintenance.Alarm(ctx, &etcdserverpb.AlarmRequest{Action: etcdserverpb.AlarmRequest_GET})
	if err != nil {
		return nil, wrapEtcd(ctx, err, "ask etcd for alarms")
	}
	var alarms []string
	for _, a := range raised.Alarms {
		name := fmt.Sprintf("%x", a.MemberID)
		if i := slices.IndexFunc(members, func(m EtcdMember) bool { return m.ID == a.MemberID }); i >= 0 && members[i].Started {
			name = members[i].Name
		}
		alarms = append(alarms, fmt.Sprintf("the member of %s raises the alarm %s", name, a.Alarm))
	}
	return alarms, nil
}

// wrapEtcd is wrap for what etcd answers.
func wrapEtcd(ctx context.Context, err error, format string, args ...any) error {
	code := status.Code(err)
	if code == codes.Unavailable || code == codes.DeadlineExceeded {
		err = fmt.Errorf("%w: %w", ErrEtcdUnavailable, rpctypes.Error(err))
	}
	return wrap(ctx, err, format, args...)
}
