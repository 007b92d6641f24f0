package kube

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"slices"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
)

// member is one of a cluster's etcd. It is one from when kubeadm adds it until it is removed, whatever becomes of its host.
type member struct {
	id      uint64
	hostID  string
	name    string // of its node, once it has started
	address string
	learner bool // it does not vote yet
	on      bool
}

func (m *member) message() *etcdserverpb.Member {
	out := &etcdserverpb.Member{ID: m.id, Name: m.name, PeerURLs: []string{etcdURL(m.address, "2380")}, IsLearner: m.learner}
	if m.name != "" {
		out.ClientURLs = []string{etcdURL(m.address, "2379")}
	}
	return out
}

func etcdURL(address, port string) string { return "https://" + net.JoinHostPort(address, port) }

// quorum of so many members.
func quorum(members int) int { return members/2 + 1 }

// What etcd says when it starts as a member that was removed, or as one whose disk was another.
var (
	errRemoved = errors.New("the member has been permanently removed from the cluster")
	errLostLog = errors.New("tocommit is out of range [lastIndex(0)]. Was the raft log corrupted, truncated, or lost?")
)

// available says whether etcd has a quorum. A member stays one when its host is gone for good, as in a real etcd that
// nobody tells.
func (c *cluster) available() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.elect() == 0 {
		return errEtcd
	}
	return nil
}

// availableAt says whether the member of one host is up and with a quorum: an API server knows no other.
func (c *cluster) availableAt(hostID string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m := c.member(hostID); m == nil || !m.on || !c.withQuorum(m) {
		return errEtcd
	}
	return nil
}

// member of a host; nil when it has none. c.mu is held.
func (c *cluster) member(hostID string) *member {
	i := slices.IndexFunc(c.members, func(m *member) bool { return m.hostID == hostID })
	if i < 0 {
		return nil
	}
	return c.members[i]
}

// hasMember tells that a host has a member, on or off.
func (c *cluster) hasMember(hostID string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.member(hostID) != nil
}

// memberByID is member by its id. c.mu is held.
func (c *cluster) memberByID(id uint64) *member {
	i := slices.IndexFunc(c.members, func(m *member) bool { return m.id == id })
	if i < 0 {
		return nil
	}
	return c.members[i]
}

// voters are the members that vote. c.mu is held.
func (c *cluster) voters() []*member {
	return slices.DeleteFunc(slices.Clone(c.members), func(m *member) bool { return m.learner })
}

// withQuorum tells that a member which is on reaches enough of those that vote. c.mu is held.
func (c *cluster) withQuorum(m *member) bool {
	return c.together(m.hostID) >= quorum(len(c.voters()))
}

// elect gives the leader, another one if the last cannot be any more, and 0 if nobody can. c.mu is held.
func (c *cluster) elect() uint64 {
	can := func(m *member) bool { return m != nil && m.on && !m.learner && c.withQuorum(m) }
	if can(c.memberByID(c.leader)) {
		return c.leader
	}
	c.leader = 0
	if i := slices.IndexFunc(c.members, can); i >= 0 {
		c.leader = c.members[i].id
		c.term++
	}
	return c.leader
}

// found makes the first member.
func (c *cluster) found(hostID, address string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.members = []*member{{id: rand.Uint64(), hostID: hostID, address: address}}
}

// addMember is what kubeadm does before it starts etcd on a host: it adds a learner, unless the address is a member's
// already. What is refused is what etcd 3.7 refuses; that it also wants all to have been connected for 5 s is not
// simulated.
func (c *cluster) addMember(hostID, address string) error {
	if err := c.available(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := slices.IndexFunc(c.members, func(m *member) bool { return m.address == address }); i >= 0 {
		if c.members[i].name != "" { // kubeadm goes on, and etcd starts as somebody who has lost all that it has promised
			return errLostLog
		}
		c.members[i].hostID = hostID
		return nil
	}
	voters, up := c.voters(), 0
	for _, m := range voters {
		if m.on {
			up++
		}
	}
	switch {
	case len(voters) > 1 && up < quorum(len(voters)+1):
		return rpctypes.ErrUnhealthy
	case slices.ContainsFunc(c.members, func(m *member) bool { return m.learner }):
		return rpctypes.ErrTooManyLearners
	}
	c.members = append(c.members, &member{id: rand.Uint64(), hostID: hostID, address: address, learner: true})
	return nil
}

// promoteMember gives a host's member its vote, once it has caught up.
func (c *cluster) promoteMember(hostID string) error {
	if err := c.available(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.member(hostID)
	if m == nil {
		return rpctypes.ErrMemberNotFound
	}
	m.learner = false
	return nil
}

// memberUp starts the member of a host. The first one that is on starts the controllers.
func (c *cluster) memberUp(hostID, name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.member(hostID)
	if m == nil {
		return errRemoved
	}
	m.name, m.on = name, true
	if c.on() > 1 {
		return nil
	}
	c.startControllers()
	return nil
}

// memberDown switches a member off, and with the last one the controllers.
func (c *cluster) memberDown(hostID string) {
	c.mu.Lock()
	if m := c.member(hostID); m != nil {
		m.on = false
	}
	stopped := c.stopControllersIfLast()
	c.mu.Unlock()
	stopped()
}

// on counts the members that are on. c.mu is held.
func (c *cluster) on() int {
	count := 0
	for _, m := range c.members {
		if m.on {
			count++
		}
	}
	return count
}

// removeMember forgets a member for good, unless that would be unwise in the eyes of etcd.
func (c *cluster) removeMember(by string, id uint64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.memberByID(id)
	if m != nil && !m.learner {
		if err := c.mayRemove(by, m); err != nil {
			return err
		}
	}
	if asked := c.member(by); asked == nil || !c.withQuorum(asked) {
		return rpctypes.ErrTimeout
	}
	if m == nil {
		return rpctypes.ErrMemberNotFound
	}
	c.members = slices.DeleteFunc(c.members, func(o *member) bool { return o == m })
	c.elect()
	if host := c.machines[m.hostID]; m.on && host != nil {
		if node := host.on(); node != nil {
			node.spawn(func(ctx context.Context) { node.loseEtcd(ctx, host) })
		}
	}
	return nil
}

// loseEtcd is what happens on the host of a member that was removed: etcd learns of it from the log and ends itself, and
// the API server, which knows no other, fails its probes until the kubelet ends that as well.
func (n *Node) loseEtcd(ctx context.Context, m *machine) {
	n.say("etcd: " + errRemoved.Error())
	n.stopComponent(m, componentEtcd)
	if n.clock.Sleep(ctx, livenessPatience) == nil {
		n.say("kubelet: Container kube-apiserver failed liveness probe, will be restarted")
		n.stopComponent(m, componentAPI)
	}
}

// mayRemove is etcd's own check of a member that votes. c.mu is held.
func (c *cluster) mayRemove(by string, m *member) error {
	voters := c.voters()
	started, up := 0, 0
	for _, o := range voters {
		if o != m && o.name != "" {
			started++
		}
		if o.on {
			up++
		}
	}
	switch rest := len(voters) - 1; {
	case started < quorum(rest):
		return rpctypes.ErrMemberNotEnoughStarted
	case !m.on && m.hostID != by: // it is part of no quorum now
		return nil
	case up-1 < quorum(rest):
		return rpctypes.ErrUnhealthy
	}
	return nil
}

// moveLeader has another member lead.
func (c *cluster) moveLeader(by string, to uint64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	from, heir := c.member(by), c.memberByID(to)
	switch {
	case from == nil || c.elect() != from.id:
		return rpctypes.ErrNotLeader
	case heir == nil || heir.learner:
		return rpctypes.ErrBadLeaderTransferee
	case !heir.on:
		return rpctypes.ErrTimeout
	}
	c.leader = heir.id
	c.term++
	return nil
}
