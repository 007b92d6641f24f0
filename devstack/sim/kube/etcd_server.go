package kube

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
)

const (
	etcdPort    = 2379
	etcdVersion = "3.7.0" // that of Kubernetes 1.37
)

// etcdServer is what a member of etcd says to clients, as far as it is about members and their health.
type etcdServer struct {
	etcdserverpb.UnimplementedClusterServer
	etcdserverpb.UnimplementedMaintenanceServer

	cluster *cluster
	hostID  string
	grpc    *grpc.Server
	conns   *inbox
	done    chan struct{}
}

// startEtcd starts the member of the host. One that was removed ends at once, every time.
func (n *Node) startEtcd(m *machine, written bool) error {
	cert, trusts, err := n.etcdPKI(m, written)
	if err != nil {
		return fmt.Errorf("etcd: %w", err)
	}
	if err := m.cluster.memberUp(m.hostID, m.name()); err != nil {
		n.say("etcd: " + err.Error())
		return nil
	}
	shows := newShown(cert)
	server := newEtcdServer(m.cluster, m.hostID, shows, trusts)
	unlisten := n.fabric.Listen(m.hostID, etcdPort, server.conns.put)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.etcdShows = shows
	m.endEtcd = func() {
		unlisten()
		server.close()
	}
	return nil
}

// etcdPKI is what the member shows to clients and whom of them it believes. That of its peers it reads as well.
func (n *Node) etcdPKI(m *machine, written bool) (cert tls.Certificate, trusts []*x509.Certificate, err error) {
	if !written {
		own := m.plan.authorities.etcd
		cert, err = own.issueServing(etcdNames(m.name(), n.host.FixedIPs), n.clock.Now(), m.cluster.config.CertificateValidityPeriod.Duration)
		return cert, []*x509.Certificate{own.cert}, err
	}
	files := m.drive.snapshot()
	id, err := readIdentity(files, m.pki("etcd/peer.crt"), m.pki("etcd/ca.crt"))
	if err != nil {
		return cert, nil, err
	}
	m.mu.Lock()
	m.etcd = id
	m.mu.Unlock()
	cert, err = readPair(files, m.pki("etcd/server.crt"), m.pki("etcd/server.key"))
	return cert, id.trusts, err
}

// newEtcdServer serves those who have a certificate of one of the authorities.
func newEtcdServer(c *cluster, hostID string, shows *shown, clients []*x509.Certificate) *etcdServer {
	s := &etcdServer{cluster: c, hostID: hostID, conns: newInbox(), done: make(chan struct{})}
	s.grpc = grpc.NewServer(grpc.Creds(credentials.NewTLS(&tls.Config{
		MinVersion: tls.VersionTLS12, GetCertificate: shows.get,
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: certPool(clients), Time: c.clock.Now,
	})))
	etcdserverpb.RegisterClusterServer(s.grpc, s)
	etcdserverpb.RegisterMaintenanceServer(s.grpc, s)
	go func() {
		defer close(s.done)
		_ = s.grpc.Serve(s.conns) // ends when it is stopped
	}()
	return s
}

func (s *etcdServer) close() {
	_ = s.conns.Close()
	s.grpc.Stop()
	<-s.done
}

func (s *etcdServer) header() *etcdserverpb.ResponseHeader {
	c := s.cluster
	c.mu.Lock()
	defer c.mu.Unlock()
	header := &etcdserverpb.ResponseHeader{ClusterId: 1, RaftTerm: c.term}
	if m := c.member(s.hostID); m != nil {
		header.MemberId = m.id
	}
	return header
}

// refuse is an error as etcd sends it. That it has no quorum it says after its patience.
func (s *etcdServer) refuse(ctx context.Context, err error) error {
	var known rpctypes.EtcdError
	if errors.As(err, &known) && !errors.Is(err, rpctypes.ErrTimeout) {
		return status.Error(known.Code(), known.Error())
	}
	if err := s.cluster.clock.Sleep(ctx, etcdRequestTimeout); err != nil {
		return err
	}
	return rpctypes.ErrGRPCTimeout
}

func (s *etcdServer) MemberList(ctx context.Context, r *etcdserverpb.MemberListRequest) (*etcdserverpb.MemberListResponse, error) {
	if err := s.cluster.availableAt(s.hostID); err != nil && r.Linearizable {
		return nil, s.refuse(ctx, err)
	}
	return &etcdserverpb.MemberListResponse{Header: s.header(), Members: s.members()}, nil
}

func (s *etcdServer) members() []*etcdserverpb.Member {
	s.cluster.mu.Lock()
	defer s.cluster.mu.Unlock()
	var out []*etcdserverpb.Member
	for _, m := range s.cluster.members {
		out = append(out, m.message())
	}
	return out
}

func (s *etcdServer) MemberRemove(ctx context.Context, r *etcdserverpb.MemberRemoveRequest) (*etcdserverpb.MemberRemoveResponse, error) {
	header := s.header()
	if err := s.cluster.removeMember(s.hostID, r.ID); err != nil {
		return nil, s.refuse(ctx, err)
	}
	return &etcdserverpb.MemberRemoveResponse{Header: header, Members: s.members()}, nil
}

func (s *etcdServer) MoveLeader(ctx context.Context, r *etcdserverpb.MoveLeaderRequest) (*etcdserverpb.MoveLeaderResponse, error) {
	if err := s.cluster.moveLeader(s.hostID, r.TargetID); err != nil {
		return nil, s.refuse(ctx, err)
	}
	return &etcdserverpb.MoveLeaderResponse{Header: s.header()}, nil
}

// Status is about the member itself, and answered without a quorum.
func (s *etcdServer) Status(context.Context, *etcdserverpb.StatusRequest) (*etcdserverpb.StatusResponse, error) {
	header, c := s.header(), s.cluster
	lonely := c.availableAt(s.hostID) != nil
	c.store.mu.Lock()
	revision := c.store.revision
	c.store.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	own := c.member(s.hostID)
	out := &etcdserverpb.StatusResponse{
		Header: header, Version: etcdVersion, RaftTerm: c.term, RaftIndex: revision, RaftAppliedIndex: revision,
		IsLearner: own != nil && own.learner,
	}
	if lonely {
		out.Errors = []string{rpctypes.ErrNoLeader.Error()}
	} else {
		out.Leader = c.elect()
	}
	for _, a := range c.alarms {
		out.Errors = append(out.Errors, fmt.Sprintf("memberID:%d alarm:%s ", a.MemberID, a.Alarm))
	}
	return out, nil
}

// Alarm lists alarms, raises and ends them.
func (s *etcdServer) Alarm(ctx context.Context, r *etcdserverpb.AlarmRequest) (*etcdserverpb.AlarmResponse, error) {
	if err := s.cluster.availableAt(s.hostID); err != nil {
		return nil, s.refuse(ctx, err)
	}
	out := &etcdserverpb.AlarmResponse{Header: s.header()}
	c := s.cluster
	c.mu.Lock()
	defer c.mu.Unlock()
	asked := &etcdserverpb.AlarmMember{MemberID: r.MemberID, Alarm: r.Alarm}
	same := func(a *etcdserverpb.AlarmMember) bool { return a.MemberID == asked.MemberID && a.Alarm == asked.Alarm }
	switch r.Action {
	case etcdserverpb.AlarmRequest_ACTIVATE:
		if !slices.ContainsFunc(c.alarms, same) {
			c.alarms = append(c.alarms, asked)
		}
		out.Alarms = []*etcdserverpb.AlarmMember{asked}
	case etcdserverpb.AlarmRequest_DEACTIVATE:
		c.alarms = slices.DeleteFunc(c.alarms, same)
		out.Alarms = []*etcdserverpb.AlarmMember{asked}
	default:
		out.Alarms = slices.Clone(c.alarms)
	}
	return out, nil
}
