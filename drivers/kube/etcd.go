package kube

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
)

// EtcdAccess is how to be somebody for the etcd of a kubeadm cluster, which has an authority of its own.
type EtcdAccess struct {
	CA         []byte // PEM; nothing else is trusted
	ClientCert []byte // PEM, signed by the CA
	ClientKey  []byte // PEM
}

// Format keeps the key out of logs, whatever the verb.
func (EtcdAccess) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "kube.EtcdAccess") }

// EtcdMember is a member of a cluster's etcd.
type EtcdMember struct {
	ID       uint64
	Name     string // that of its node; empty until the member has started for the first time
	PeerURLs []string
	Learner  bool // it has no vote yet
	Started  bool // it has started once; whether it runs is what Healthy says
	Healthy  bool // it answers and sees a leader
	Leader   bool
	Reason   string // why it is not healthy
}

// EtcdMembers lists the members of etcd, each asked by itself how it is. Members whose node is dead are among them.
func (c *Client) EtcdMembers(ctx context.Context, access EtcdAccess) ([]EtcdMember, error) {
	var members []EtcdMember
	err := c.withEtcd(ctx, access, func(ctx context.Context, e *etcdSession) error {
		var err error
		members, err = e.members(ctx)
		return err
	})
	return members, err
}

// RemoveEtcdMember takes a node's member out of etcd; one that is not there is no error, whether its node lives does not
// matter. A member that leads hands that over first. *EtcdQuorumError means that it was left in, for without it etcd would
// have no quorum. The node's own API server, which knows no other member, fails from then on: it should be behind no load
// balancer any more.
//
// A member whose host has died while it joined has told no name. It is known by one of the host's addresses, and better
// removed: as long as it is there etcd takes no other.
func (c *Client) RemoveEtcdMember(ctx context.Context, access EtcdAccess, node string, addresses ...string) error {
	return c.withEtcd(ctx, access, func(ctx context.Context, e *etcdSession) error {
		members, err := e.members(ctx)
		if err != nil {
			return err
		}
		for _, m := range members {
			if !m.belongsTo(node, addresses) {
				continue
			}
			rest := slices.DeleteFunc(slices.Clone(members), func(o EtcdMember) bool { return o.ID == m.ID })
			if err := e.remove(ctx, node, m, rest); err != nil {
				return err
			}
			members = rest
			// which might be to the API server that has lost its etcd now
			c.transport.CloseIdleConnections()
		}
		return nil
	})
}

func (m EtcdMember) belongsTo(node string, addresses []string) bool {
	if m.Started {
		return m.Name == node
	}
	return slices.ContainsFunc(m.PeerURLs, func(peer string) bool {
		u, err := url.Parse(peer)
		return err == nil && slices.ContainsFunc(addresses, func(a string) bool {
			ip := net.ParseIP(a)
			return ip != nil && ip.Equal(net.ParseIP(u.Hostname()))
		})
	})
}

// remove takes out one member; rest are the others.
func (e *etcdSession) remove(ctx context.Context, node string, m EtcdMember, rest []EtcdMember) error {
	voters := slices.DeleteFunc(slices.Clone(rest), func(o EtcdMember) bool { return o.Learner })
	healthy := slices.DeleteFunc(slices.Clone(voters), func(o EtcdMember) bool { return !o.Healthy })
	if quorum := len(voters)/2 + 1; len(healthy) < quorum {
		return &EtcdQuorumError{Node: node, Healthy: len(healthy), Quorum: quorum}
	}
	heir := e.peer(slices.MaxFunc(healthy, func(a, b EtcdMember) int { return e.compareProgress(a, b) }).ID)
	if m.Leader {
		if err := e.moveLeader(ctx, m, heir); err != nil {
			return err
		}
	}
	_, err := heir.cluster.MemberRemove(ctx, &etcdserverpb.MemberRemoveRequest{ID: m.ID})
	switch known := rpctypes.Error(err); {
	case errors.Is(known, rpctypes.ErrMemberNotFound):
		return nil
	case errors.Is(known, rpctypes.ErrMemberNotEnoughStarted):
		return fmt.Errorf("%w: %w", &EtcdQuorumError{Node: node, Healthy: len(healthy), Quorum: len(voters)/2 + 1}, err)
	}
	return wrapEtcd(ctx, err, "remove the etcd member of %s", node)
}

// moveLeader makes the heir the leader. Only the leader itself can do that.
func (e *etcdSession) moveLeader(ctx context.Context, leader EtcdMember, heir *etcdPeer) error {
	from := e.peer(leader.ID)
	if from == nil {
		return fmt.Errorf("move the lead of etcd away from %s: %w: it leads and is not reached", leader.Name, ErrEtcdUnavailable)
	}
	_, err := from.maintenance.MoveLeader(ctx, &etcdserverpb.MoveLeaderRequest{TargetID: heir.status.Header.MemberId})
	if errors.Is(rpctypes.Error(err), rpctypes.ErrNotLeader) { // it does not lead any more
		return nil
	}
	return wrapEtcd(ctx, err, "move the lead of etcd from %s to %s", leader.Name, heir.node)
}

// EtcdHealthy is nil when each of the nodes has a member of etcd that votes and is healthy, there is no other member, and no
// alarm is raised. *EtcdUnhealthyError says what is otherwise.
func (c *Client) EtcdHealthy(ctx context.Context, access EtcdAccess, want []string) error {
	return c.withEtcd(ctx, access, func(ctx context.Context, e *etcdSession) error {
		members, err := e.members(ctx)
		if err != nil {
			return err
		}
		problems := etcdProblems(members, want)
		alarms, err := e.alarms(ctx, members)
		if err != nil {
			return err
		}
		if problems = append(problems, alarms...); len(problems) > 0 {
			return &EtcdUnhealthyError{Problems: problems}
		}
		return nil
	})
}

// etcdProblems compares members with the nodes that are to have one each.
func etcdProblems(members []EtcdMember, want []string) []string {
	var problems []string
	missing := slices.Clone(want)
	for _, m := range members {
		wanted := slices.Index(missing, m.Name)
		if wanted >= 0 {
			missing = slices.Delete(missing, wanted, wanted+1)
		}
		switch {
		case !m.Started:
			problems = append(problems, fmt.Sprintf("the member at %v has not started", m.PeerURLs))
		case wanted < 0 && slices.Contains(want, m.Name):
			problems = append(problems, m.Name+" has another member, "+m.id())
		case wanted < 0:
			problems = append(problems, "the member of "+m.Name+" is none of the cluster's control planes")
		case !m.Healthy:
			problems = append(problems, "the member of "+m.Name+" is not healthy: "+m.Reason)
		case m.Learner:
			problems = append(problems, "the member of "+m.Name+" has no vote yet")
		}
	}
	for _, name := range missing {
		problems = append(problems, name+" has no member")
	}
	return problems
}

func (m EtcdMember) id() string { return fmt.Sprintf("%x", m.ID) }
