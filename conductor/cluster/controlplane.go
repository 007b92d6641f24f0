package cluster

import (
	"context"
	"slices"

	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/drivers"
)

// members makes these control planes those behind the load balancer.
func (b *builder) members(name string, nodes []*db.Node, needs ...string) string {
	w := b.w
	return b.add(name, deadlineBuild, func(ctx context.Context) drivers.Result { return w.ensureMembers(ctx, nodes) }, needs...)
}

// join brings nodes of a group to life that are not yet, and gives the tasks that saw each of them ready.
func (b *builder) join(g *db.NodeGroup, nodes []*db.Node, needs ...string) []string {
	if len(nodes) == 0 {
		return needs
	}
	if b.shared == nil {
		b.shared = map[string]string{}
	}
	if b.shared[g.UUID] == "" {
		b.shared[g.UUID] = b.serverGroup(g)
	}
	if !b.has[joinTokenTask] {
		b.add(joinTokenTask, deadlineCall, b.w.renewToken)
	}
	ready := make([]string, 0, len(nodes))
	for _, n := range nodes {
		needs := slices.Clip(append([]string{b.shared[g.UUID], joinTokenTask}, needs...))
		ready = append(ready, b.node(n, b.host(g, n, append(needs, b.address(g, n, needs...))...)))
	}
	return ready
}

const joinTokenTask = "join token"
