package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/kube"
)

// How long a delete waits for what it can go on without.
const (
	patienceServices = 5 * time.Minute  // for the cloud controller manager of the cluster
	patienceMade     = 15 * time.Minute // for what the cluster had made and no network hangs on
	patiencePending  = 10 * time.Minute // for Octavia, before a way out is named
	patienceForced   = time.Minute      // for each step, when the delete is forced
	callForced       = 30 * time.Second // for one run of such a step
)

const (
	servicesTask = "Services of type LoadBalancer are gone"
	sweepTask    = "the cloud is searched for leftovers"
)

// take adds a task that takes something away. A forced delete gives each of them up soon.
func (b *builder) take(name string, deadline time.Duration, run func(ctx context.Context) drivers.Result, needs ...string) string {
	if b.force {
		return b.within(name, patienceForced, run, needs...)
	}
	return b.add(name, deadline, run, needs...)
}

// within adds a task that the operation goes on without when it fails or its time is over: an event says what was given up.
func (b *builder) within(name string, patience time.Duration, run func(ctx context.Context) drivers.Result, needs ...string) string {
	w := b.w
	call := patience
	if b.force {
		patience, call = min(patience, patienceForced), callForced
	}
	since := w.state.Step(name).StartedAt
	return b.add(name, patience+deadlineCall, func(ctx context.Context) drivers.Result {
		bounded, cancel := context.WithTimeout(ctx, call)
		defer cancel()
		r := run(bounded)
		if why, final := shortfall(r); why != "" && ctx.Err() == nil && (final || w.over(since, patience)) {
			w.tell(levelWarning, name, "given up: "+why)
			return drivers.Done()
		}
		return r
	}, needs...)
}

// shortfall says why a step is not done, and whether waiting is of no use. A lost lease is not the step's affair.
func shortfall(r drivers.Result) (why string, final bool) {
	r.Switch(func() {}, func(_ time.Duration, waiting string) { why = waiting }, func(err error) { why, final = err.Error(), true },
		func(err error) {
			if !errors.Is(err, db.ErrFenced) {
				why = err.Error()
			}
		})
	return why, final
}

// over tells whether a step that began then has had its time.
func (w *work) over(since time.Time, patience time.Duration) bool {
	return !since.IsZero() && w.e.clock().Sub(since) >= patience
}

// tell notes an event beside those of the steps.
func (w *work) tell(level, step, message string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, &db.Event{ClusterUUID: w.op.ClusterUUID, OperationUUID: w.op.UUID, Time: w.e.clock().UTC(), Level: level, Step: step, Message: message})
}

// releaseServices has the cluster itself take its load balancers away, as long as it can.
func (b *builder) releaseServices() string {
	w := b.w
	since := w.state.Step(servicesTask).StartedAt
	return b.within(servicesTask, patienceServices, func(ctx context.Context) drivers.Result { return w.releaseServices(ctx, since) })
}

func (w *work) releaseServices(ctx context.Context, since time.Time) drivers.Result {
	if w.s.Cluster.APIAddress == nil { // nobody has ever been there
		return drivers.Done()
	}
	c, err := w.kube(ctx)
	if err != nil {
		return drivers.Failed(drivers.ClassInternal, "%w", err)
	}
	left, err := c.DeleteLoadBalancers(ctx)
	switch {
	case errors.Is(err, kube.ErrUnauthorized), errors.Is(err, kube.ErrUnreachable) && since.IsZero(): // it will hardly come back
		return drivers.Failed(drivers.ClassCloud, "%s; what the Services have in the cloud is looked up there", short(err))
	case err != nil:
		return drivers.Transient(err)
	case len(left) > 0:
		return drivers.Continue(drivers.PollInterval, "%d Services of type LoadBalancer to go: %s", len(left), some(left))
	}
	return drivers.Done()
}

// takeBalancer is take for load balancers. One that stays pending is Octavia's own, and nobody else can end that.
func (b *builder) takeBalancer(name string, run func(ctx context.Context) drivers.Result, needs ...string) string {
	w, since := b.w, b.w.state.Step(name).StartedAt
	return b.take(name, deadlineBuild, func(ctx context.Context) drivers.Result {
		r := run(ctx)
		if why, _ := shortfall(r); r.Err() == nil && strings.Contains(why, "PENDING_") && w.over(since, patiencePending) {
			return drivers.Continue(drivers.PollInterval, "%s; an operator has to set it to ERROR in Octavia's database, and then this can be tried again", why)
		}
		return r
	}, needs...)
}

// removeMade removes what the cluster made in the cloud and did not take away itself. Networks hang on its load balancers:
// one that does not go is a failure. Volumes are touched only where the label says so.
func (b *builder) removeMade(needs []string) []string {
	w := b.w
	remove := func(kinds ...string) func(ctx context.Context) drivers.Result {
		return func(ctx context.Context) drivers.Result { return w.removeMade(ctx, kinds...) }
	}
	balancers := b.takeBalancer("load balancers of Services are gone", remove(drivers.KindServiceLoadBalancer), needs...)
	gone := []string{balancers, b.within("floating IPs and security groups of Services are gone", patienceMade,
		remove(drivers.KindServiceFloatingIP, drivers.KindServiceSecurityGroup, drivers.KindStrayPort), balancers)}
	if w.spec.VolumeDeletePolicy == ops.DeleteVolumes {
		gone = append(gone, b.within("volumes of PersistentVolumeClaims are gone", patienceMade, remove(drivers.KindVolumeSnapshot, drivers.KindPersistentVolume), needs...))
	}
	return gone
}

// removeMade removes all of these kinds, one kind after the other.
func (w *work) removeMade(ctx context.Context, kinds ...string) drivers.Result {
	for _, kind := range kinds {
		found, err := w.e.Infra.Leftovers(ctx, w.site, kind)
		if err != nil {
			return drivers.FromError(err)
		}
		var waiting []string
		for _, r := range found {
			if w.spared(r) != "" {
				continue
			}
			res := w.e.Infra.Remove(ctx, w.site, r)
			if res.Err() != nil {
				return res
			}
			if why, _ := shortfall(res); why != "" {
				waiting = append(waiting, why)
			}
		}
		if len(waiting) > 0 {
			return drivers.Continue(drivers.PollInterval, "%d to go: %s", len(waiting), some(waiting))
		}
	}
	return drivers.Done()
}

// spared says why an object of the cluster stays in the cloud on purpose; "" when it does not.
func (w *work) spared(r drivers.Resource) string {
	switch {
	case r.Attrs[drivers.AttrSharedWith] != "":
		return "it is shared with " + r.Attrs[drivers.AttrSharedWith]
	case (r.Kind == drivers.KindPersistentVolume || r.Kind == drivers.KindVolumeSnapshot) && w.spec.VolumeDeletePolicy != ops.DeleteVolumes:
		return "kept: the label volume_delete_policy is " + ops.KeepVolumes
	}
	return ""
}

// leftover is an object in the cloud with the driver that knows how to remove it.
type leftover struct {
	drivers.Resource
	remove func(ctx context.Context, s *drivers.Site, r drivers.Resource) drivers.Result
}

// leftovers asks all drivers.
func (w *work) leftovers(ctx context.Context) ([]leftover, error) {
	var all []leftover
	add := func(found []drivers.Resource, remove func(context.Context, *drivers.Site, drivers.Resource) drivers.Result) {
		for _, r := range found {
			all = append(all, leftover{r, remove})
		}
	}
	err := w.eachDriver(func(m drivers.Machines) error {
		found, err := m.Leftovers(ctx, w.site)
		add(found, m.Remove)
		return err
	})
	if err != nil {
		return nil, err
	}
	found, err := w.e.Infra.Leftovers(ctx, w.site)
	add(found, w.e.Infra.Remove)
	return all, err
}

// sweep looks once more for everything that is there in the cluster's name. What carries our mark and is in no ledger was
// asked for by somebody whose answer got lost for good: it goes. The rest is named in the result.
func (b *builder) sweep(needs []string) string {
	w, patience := b.w, patienceMade
	if b.force {
		patience = patienceForced
	}
	since := w.state.Step(sweepTask).StartedAt
	return b.add(sweepTask, patience+deadlineCall, func(ctx context.Context) drivers.Result { return w.sweep(ctx, w.over(since, patience), b.force) }, needs...)
}

func (w *work) sweep(ctx context.Context, over, force bool) drivers.Result {
	bounded, cancel := ctx, context.CancelFunc(func() {})
	if force {
		bounded, cancel = context.WithTimeout(ctx, callForced)
	}
	defer cancel()
	all, err := w.leftovers(bounded)
	if blind := w.e.Infra.Sees(bounded, w.site).Err(); err == nil {
		err = blind
	}
	if err != nil && (!over || !force || ctx.Err() != nil) {
		return drivers.FromError(err)
	}
	var left db.Leftovers
	var waiting []string
	if err != nil {
		left = append(left, db.Leftover{Kind: "unknown", Reason: "the cloud could not be searched: " + short(err)})
	}
	for _, x := range all {
		why := w.spared(x.Resource)
		if why == "" {
			final := false
			if why, final = shortfall(x.remove(bounded, w.site, x.Resource)); why == "" {
				continue
			}
			if !final {
				waiting = append(waiting, why)
			}
		}
		left = append(left, db.Leftover{Kind: x.Kind, Name: x.Name, ID: x.ID, Reason: why})
	}
	if len(waiting) > 0 && (!over || ctx.Err() != nil) {
		return drivers.Continue(drivers.PollInterval, "%d to go: %s", len(waiting), some(waiting))
	}
	return drivers.FromError(w.e.Store.Leave(ctx, w.op, left))
}

// conclude says what a delete came to. What the ledger still holds was never seen to be gone.
func (w *work) conclude() {
	if ops.Kind(w.op.Kind) != ops.ClusterDelete {
		return
	}
	left := slices.Clone(w.op.Leftovers)
	for _, r := range w.l.All() {
		left = append(left, db.Leftover{Kind: r.Kind, Name: r.Name, ID: r.ID, Reason: "it was not seen to be gone"})
	}
	w.op.Leftovers = left
	if len(left) == 0 {
		w.tell(levelInfo, sweepTask, "nothing left")
		return
	}
	const most = 20
	var names []string
	for _, x := range left[:min(len(left), most)] {
		names = append(names, strings.TrimSpace(fmt.Sprintf("%s %s %s", x.Kind, x.Name, x.ID))+": "+x.Reason)
	}
	if more := len(left) - most; more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	w.tell(levelWarning, sweepTask, "left in the cloud: "+strings.Join(names, "; "))
}
