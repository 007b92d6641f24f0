// Package cluster carries out operations on clusters: each is a graph of named tasks over the drivers, rebuilt from the
// rows at every slice. Nothing is remembered between slices but what the rows and the ledger say, so any conductor can run
// the next one.
package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/jeroboam-cloud/jeroboam/conductor/flow"
	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/kube"
	"github.com/jeroboam-cloud/jeroboam/internal/certmanager"
	"github.com/jeroboam-cloud/jeroboam/internal/log"
)

// Executor runs slices of operations.
type Executor struct {
	Store    *db.Store
	Infra    drivers.Infrastructure
	Machines map[string]drivers.Machines // by name
	Secrets  certmanager.Manager
	Kube     *KubeClients
	Log      *zap.Logger
	Runner   flow.Runner
	Now      func() time.Time

	// KeySize of RSA keys and Validity of certificates of a cluster's PKI.
	KeySize  int
	Validity time.Duration
	// PollInterval bounds how long a step that waits for the cloud sleeps.
	PollInterval time.Duration
	// DrainTimeout is how long disruption budgets can keep pods on a node that is to go.
	DrainTimeout time.Duration
	// Authorities that hosts trust beside their own, PEM: those of the cloud's endpoints.
	Authorities []byte
	// Binaries of Kubernetes, for nodes that are upgraded where they are.
	Binaries kube.Binaries
	// Addons is where manifests and what add-ons log in with come from.
	Addons AddonSources
	// RebootTimeout is how long a node may take to be back after a reboot, before more is done about it.
	RebootTimeout time.Duration
	// OwnCredentials: there are no service users; whoever the service is acts for all clusters.
	OwnCredentials bool
	// Publisher is whom notifications come from; "": none are written.
	Publisher string
}

// clock is the one by which steps are timed.
func (e *Executor) clock() time.Time {
	if e.Runner.Clock != nil {
		return e.Runner.Clock()
	}
	return e.Now()
}

// Verdict is what a slice came to.
type Verdict struct {
	Ended bool          // the operation has its verdict; its row says which
	After time.Duration // otherwise: when the next slice is due
	Woken []string      // operations that may run now because this one ended
}

// strangerTime is how long operations of a kind that is not known here are left to conductors of a newer version: while they
// are replaced one by one there are both.
const strangerTime = 30 * time.Minute

// Advance runs one slice of a claimed operation and records what it came to. An error means that nothing could be
// recorded: the lease was lost (db.ErrFenced) or the database is away; the operation is run again by whoever claims it.
func (e *Executor) Advance(ctx context.Context, op *db.Operation) (Verdict, error) {
	if !ops.Kind(op.Kind).Known() && !op.CancelRequested && e.Now().Sub(op.CreatedAt) < strangerTime {
		return Verdict{After: e.PollInterval}, e.Store.Park(ctx, op, e.PollInterval, op.State) // unplanned as it is
	}
	w, err := e.load(ctx, op)
	if err != nil {
		return Verdict{}, err
	}
	if op.CancelRequested {
		w.forgetFiles(ctx)
		return e.end(ctx, w, (*work).cancelled)
	}
	graph, err := w.graph()
	if err != nil {
		return e.fail(ctx, w, "", &drivers.Fault{Class: drivers.ClassInternal, Err: err})
	}
	runner := e.Runner
	runner.Observer, runner.Slack = w.observe, e.PollInterval/2 // hosts that are built together are looked at together
	out := runner.Slice(ctx, graph, &w.state)
	if out.Changed {
		if op.State, err = json.Marshal(w.state); err != nil {
			return Verdict{}, fmt.Errorf("encoding the operation's state: %w", err)
		}
	}
	if out.Kind == flow.Finished {
		w.conclude()
	}
	if err := w.saveEvents(ctx); err != nil {
		return Verdict{}, err
	}
	return e.record(ctx, w, out, waitingFor(graph, &w.state))
}

func (e *Executor) record(ctx context.Context, w *work, out flow.Outcome, waiting string) (Verdict, error) {
	if err := w.fenced(); err != nil {
		return Verdict{}, err
	}
	switch out.Kind {
	case flow.Finished:
		return e.end(ctx, w, func(w *work) { w.op.Status = db.OpComplete; w.complete() })
	case flow.Broken:
		return e.fail(ctx, w, out.Task, out.Err)
	case flow.Interrupted:
		return Verdict{}, context.Cause(ctx)
	}
	after := out.Until.Sub(e.Now())
	if left, limited := w.timeLeft(); limited && left <= 0 {
		return e.fail(ctx, w, out.Task, &drivers.Fault{Class: drivers.ClassTimeout,
			Err: fmt.Errorf("not complete after the create timeout of %d minutes: waiting for %s", *w.s.Cluster.CreateTimeout, waiting)})
	}
	if err := w.noteNodes(ctx); err != nil {
		return Verdict{}, err
	}
	after = max(min(after, e.PollInterval), 0) // NextAt is at most that far, but for the back-off of errors
	return Verdict{After: after}, e.Store.Park(ctx, w.op, after, w.op.State)
}

// waitingFor says what the steps that have begun wait for.
func waitingFor(g *flow.Graph, st *flow.State) string {
	_, _, running, waiting := flow.Progress(g, st)
	switch {
	case len(waiting) > 0:
		return strings.Join(waiting[:min(len(waiting), 3)], "; ")
	case len(running) > 0:
		return strings.Join(running[:min(len(running), 3)], "; ")
	}
	return "its next step"
}

// end records the verdict, tells of it and frees the scope, in one transaction.
func (e *Executor) end(ctx context.Context, w *work, apply func(w *work)) (Verdict, error) {
	err := e.Store.Record(ctx, w.op, func(s *db.Snapshot) error {
		w.s = s
		apply(w)
		return e.tell(w.op, s)
	})
	return Verdict{Ended: true, Woken: w.op.Woken}, err
}

func (e *Executor) fail(ctx context.Context, w *work, task string, cause error) (Verdict, error) {
	class := drivers.ClassOf(cause)
	var late *flow.DeadlineError
	if errors.As(cause, &late) {
		class = drivers.ClassTimeout
	}
	reason := cause.Error()
	if task != "" {
		reason = task + ": " + reason
	}
	reason = db.Words(reason)
	w.forgetFiles(ctx)
	log.From(ctx).Warn("operation failed", zap.String("step", task), zap.String("fault_class", string(class)), zap.Error(cause))
	return e.end(ctx, w, func(w *work) {
		w.op.Status, w.op.FaultClass, w.op.Fault = db.OpFailed, string(class), reason
		w.failed(reason)
	})
}

// timeLeft of create_timeout.
func (w *work) timeLeft() (time.Duration, bool) {
	minutes := w.s.Cluster.CreateTimeout
	if ops.Kind(w.op.Kind) != ops.ClusterCreate || minutes == nil || *minutes == 0 {
		return 0, false
	}
	return w.op.CreatedAt.Add(time.Duration(*minutes) * time.Minute).Sub(w.e.Now()), true
}
