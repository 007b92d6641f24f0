package cluster

import (
	"context"
	"time"

	"github.com/jeroboam-cloud/jeroboam/conductor/flow"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/drivers"
)

// Deadlines of steps, from their first start. They bound what a healthy but slow cloud takes; create_timeout bounds the whole.
const (
	deadlineCall  = 10 * time.Minute // one object that is there when the call returns
	deadlineBuild = 30 * time.Minute // what the cloud builds: load balancers, servers
	deadlineBoot  = 45 * time.Minute // a host that boots and joins
	deadlineDrain = 15 * time.Minute
	deadlineGone  = 60 * time.Minute // what is deleted may wait for other things to go
)

// builder makes the graph of one operation.
type builder struct {
	w   *work
	g   *flow.Graph
	has map[string]bool
	// shared is the task for what the hosts of a group share, by its UUID
	shared map[string]string
	// force: what a delete cannot take away soon is left behind
	force bool
	err   error
}

// add adds a task and returns its name, for the needs of later ones.
func (b *builder) add(name string, deadline time.Duration, run func(ctx context.Context) drivers.Result, needs ...string) string {
	b.has[name] = true
	b.g.Add(flow.Task{Name: name, Deadline: deadline, Needs: needs, Run: func(ctx context.Context) flow.Result {
		r := run(ctx)
		if text := r.Remarked(); text != "" {
			b.w.tell(levelInfo, name, text)
		}
		return b.w.answer(r)
	}})
	return name
}

func hostTask(n *db.Node) string { return "host " + n.Name }

func readyTask(n *db.Node) string { return "node " + n.Name + " is ready" }

func (b *builder) serverGroup(g *db.NodeGroup, needs ...string) string {
	w := b.w
	return b.add("server group of "+g.Name, deadlineCall, func(ctx context.Context) drivers.Result {
		m, err := w.machines(g)
		if err != nil {
			return drivers.FromError(err)
		}
		return m.EnsureGroup(ctx, w.site, g.Name)
	}, needs...)
}

// address reserves a host's address. It is added once, whoever needs it first.
func (b *builder) address(g *db.NodeGroup, n *db.Node, needs ...string) string {
	w, name := b.w, "address of "+n.Name
	if b.has[name] {
		return name
	}
	return b.add(name, deadlineCall, func(ctx context.Context) drivers.Result {
		m, err := w.machines(g)
		if err != nil {
			return drivers.FromError(err)
		}
		h, err := w.host(g, n)
		if err != nil {
			return drivers.FromError(err)
		}
		return m.EnsureAddress(ctx, w.site, h)
	}, needs...)
}

func (b *builder) host(g *db.NodeGroup, n *db.Node, needs ...string) string {
	w := b.w
	return b.add(hostTask(n), w.e.buildTime(g), func(ctx context.Context) drivers.Result { return w.ensureHost(ctx, g, n) }, needs...)
}

// node waits until a node is what its group wants.
func (b *builder) node(g *db.NodeGroup, n *db.Node, needs ...string) string {
	return b.nodeAt(n, b.w.versionOf(g, n), needs...)
}

func (b *builder) nodeAt(n *db.Node, version string, needs ...string) string {
	w := b.w
	return b.add(readyTask(n), deadlineBoot, func(ctx context.Context) drivers.Result { return w.nodeReady(ctx, n, version) }, needs...)
}
