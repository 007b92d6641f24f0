package periodic

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/internal/log"
)

// Sights is how clusters and their clouds are looked at. Nothing of it changes anything.
type Sights interface {
	// NodeStates asks a cluster's own API which of its nodes are ready. Its error says why the API does not answer.
	NodeStates(ctx context.Context, s *db.Snapshot) (map[string]bool, error)
	// Certificate tells how long the certificate is good for that the API has shown; ok is false when none was seen yet.
	Certificate(ctx context.Context, s *db.Snapshot) (c ops.Certificates, ok bool)
	// NodeConditions reads the conditions of its nodes.
	NodeConditions(ctx context.Context, s *db.Snapshot) (map[string][]db.Condition, error)
	// GoneHosts tells which nodes have no host any more.
	GoneHosts(ctx context.Context, s *db.Snapshot) ([]string, error)
	// Drift compares the ledger with the cloud, and add-ons with what the cluster has of them.
	Drift(ctx context.Context, s *db.Snapshot) ([]drivers.Drift, error)
	// Image looks an image up with the rights of the cluster; drivers.ErrNoImage when it sees none, or several.
	Image(ctx context.Context, s *db.Snapshot, nameOrID string) (drivers.Image, error)
}

// Watcher looks after clusters. Any number of them may run.
type Watcher struct {
	Config Config
	Health KubernetesConfig
	Store  *db.Store
	Sights Sights
	// ApproveServing approves the requests of a cluster's kubelets for serving certificates, as far as they may have them.
	ApproveServing func(ctx context.Context, s *db.Snapshot) error
	Ring           func(ctx context.Context, operation string) // the queue; what it loses the sweeper finds
	Jitter         func() float64                              // in [0,1)
	NewUUID        func() string
	// CertificateLeft is told for how long the certificate of each API is still good, and what signed it.
	CertificateLeft func(time.Duration)
	InPlace         bool // conductors know where hosts get Kubernetes from that are upgraded where they are
	Log             *zap.Logger
	Metrics         *Metrics

	under sync.Map // looks under way, by pass and cluster
}

const (
	// tick is how often a conductor looks for what is due.
	tick = time.Second
	// lookLimit bounds one look at one cluster.
	lookLimit = 2 * time.Minute
	// batch bounds what one conductor takes at once; others may have the rest.
	batch = 64
	// tryAgain is when a renewal of certificates, or another service user, is asked for once more that did not help.
	tryAgain = 24 * time.Hour
	// farthest is how many intervals a cluster is left alone that is never reached.
	farthest = 5
)

// pass is a reason to look at clusters, and how it is done.
type pass struct {
	kind     db.Pass
	interval time.Duration
	look     func(context.Context, *db.Watch) error
}

func (w *Watcher) health() pass {
	return pass{db.PassHealth, w.Health.HealthInterval, w.lookAtHealth}
}

func (w *Watcher) drift() pass {
	return pass{db.PassDrift, w.Config.DriftInterval, w.lookAtDrift}
}

// Run looks after clusters until ctx ends.
func (w *Watcher) Run(ctx context.Context) error {
	var loops sync.WaitGroup
	loops.Go(func() { w.every(ctx, w.health()) })
	if w.Config.DriftInterval > 0 {
		loops.Go(func() { w.every(ctx, w.drift()) })
	}
	loops.Wait()
	return nil
}

// every takes as many as there are free hands for: a cluster that takes its time keeps one of them, and no other cluster
// waiting.
func (w *Watcher) every(ctx context.Context, p pass) {
	t := time.NewTimer(0)
	defer t.Stop()
	hands := make(chan struct{}, w.Config.Parallel)
	var looks sync.WaitGroup
	defer looks.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		wait := tick
		if free := min(cap(hands)-len(hands), batch); free == 0 {
			wait = tick / 10
		} else {
			n, err := w.process(ctx, p, free, hands, &looks)
			if err != nil && ctx.Err() == nil {
				w.Log.Error("looking for clusters to look after failed", zap.Error(err))
			}
			if n == free { // there are more
				wait = 0
			}
		}
		t.Reset(wait)
	}
}

// ProcessHealth looks at the health of the clusters that are due, and tells how many.
func (w *Watcher) ProcessHealth(ctx context.Context) (int, error) {
	return w.processOne(ctx, w.health())
}

// ProcessDrift compares what is recorded of the clusters that are due with the cloud, and tells how many.
func (w *Watcher) ProcessDrift(ctx context.Context) (int, error) { return w.processOne(ctx, w.drift()) }

func (w *Watcher) processOne(ctx context.Context, p pass) (int, error) {
	var looks sync.WaitGroup
	defer looks.Wait()
	return w.process(ctx, p, batch, make(chan struct{}, w.Config.Parallel), &looks)
}

// process begins looks at clusters that are due, and tells at how many.
func (w *Watcher) process(ctx context.Context, p pass, most int, hands chan struct{}, looks *sync.WaitGroup) (int, error) {
	taken, err := w.Store.TakeDue(ctx, p.kind, most, func(*db.Watch) time.Duration { return w.spread(p.interval) })
	for _, x := range taken {
		if _, already := w.under.LoadOrStore(string(p.kind)+x.ClusterUUID, true); already { // it takes longer than its interval
			continue
		}
		hands <- struct{}{}
		looks.Go(func() {
			defer func() { w.under.Delete(string(p.kind) + x.ClusterUUID); <-hands }()
			l := w.Log.With(log.ClusterUUID(x.ClusterUUID))
			ctx, cancel := context.WithTimeout(log.Into(ctx, l), lookLimit)
			defer cancel()
			err := p.look(ctx, x)
			w.Metrics.looked(p.kind, err)
			if err != nil && !errors.Is(err, db.ErrNotFound) && ctx.Err() == nil {
				l.Warn("looking after a cluster failed", zap.String("pass", string(p.kind)), zap.Error(err))
			}
		})
	}
	return len(taken), err
}

// spread gives between three and five quarters of an interval: clusters that were made together drift apart.
func (w *Watcher) spread(d time.Duration) time.Duration {
	return d*3/4 + time.Duration(w.Jitter()*float64(d/2))
}

func (w *Watcher) lookAtHealth(ctx context.Context, x *db.Watch) error {
	s, err := w.Store.Survey(ctx, x.ClusterUUID)
	if err != nil || !watched(s.Cluster) {
		return err
	}
	v, err := w.see(ctx, s)
	if err != nil {
		return err
	}
	if err := w.pace(ctx, x, v.reached); err != nil {
		return err
	}
	if v.reached {
		if err := w.ApproveServing(ctx, s); err != nil { // the next look tries again
			log.From(ctx).Warn("approving certificates of kubelets failed", zap.Error(err))
		}
	}
	d, err := w.decider(ctx, s, v)
	if err != nil {
		return err
	}
	if d.found, err = w.findUpgrade(ctx, s, v); err != nil {
		return err
	}
	if due, _ := v.certificate(s.Now()); due {
		if d.renewed, err = w.tried(ctx, s, ops.ClusterRenewCertificates); err != nil {
			return err
		}
	}
	return w.decide(ctx, s, func(s *db.Snapshot) error { return d.onHealth(s, v) })
}

// tried tells whether an operation of a kind was asked for lately.
func (w *Watcher) tried(ctx context.Context, s *db.Snapshot, kind ops.Kind) (bool, error) {
	l, err := w.Store.OperationsSince(ctx, s.Cluster.UUID, string(kind), s.Now().Add(-tryAgain))
	return len(l) > 0, err
}

// failed tells whether an operation of a kind was tried lately in vain.
func (w *Watcher) failed(ctx context.Context, s *db.Snapshot, kind ops.Kind) (bool, error) {
	l, err := w.Store.OperationsSince(ctx, s.Cluster.UUID, string(kind), s.Now().Add(-tryAgain))
	return slices.ContainsFunc(l, func(o *db.Operation) bool { return o.Status == db.OpFailed }), err
}

func ofAddon(d drivers.Drift) bool { return d.Kind == drivers.KindAddon }

// see asks the cluster how it is, and the cloud about its hosts only when some are not well for long.
func (w *Watcher) see(ctx context.Context, s *db.Snapshot) (sight, error) {
	v := sight{api: "ok", reached: true, asked: map[string]bool{}}
	for _, n := range expected(s) {
		v.asked[n.Name] = true
	}
	var err error
	if v.ready, err = w.Sights.NodeStates(ctx, s); err != nil {
		if ctx.Err() != nil {
			return v, ctx.Err()
		}
		v.api, v.reached, v.private = err.Error(), false, !reachable(s.Cluster)
		return v, nil
	}
	if c, ok := w.Sights.Certificate(ctx, s); ok {
		v.certificates = c
		w.CertificateLeft(min(c.End.Sub(s.Now()), c.AuthorityEnd.Sub(s.Now())))
	}
	if stale(s, v.ready) {
		if v.details, err = w.Sights.NodeConditions(ctx, s); err != nil {
			return v, err
		}
	}
	if ill(s, v, w.Config.HealAfter) {
		v.hosts, err = w.gone(ctx, s)
	}
	return v, err
}

func (w *Watcher) gone(ctx context.Context, s *db.Snapshot) (map[string]string, error) {
	l, err := w.Sights.GoneHosts(ctx, s)
	hosts := map[string]string{}
	for _, name := range l {
		hosts[name] = hostGone
	}
	return hosts, err
}

// pace leaves a cluster that is not reached alone for longer each time.
func (w *Watcher) pace(ctx context.Context, x *db.Watch, reached bool) error {
	if reached && x.Failures == 0 {
		return nil
	}
	if reached {
		x.Failures = 0
	} else {
		x.Failures++
	}
	return w.Store.PutOff(ctx, db.PassHealth, x, w.spread(w.Health.HealthInterval*time.Duration(min(max(x.Failures, 1), farthest))))
}

func (w *Watcher) lookAtDrift(ctx context.Context, x *db.Watch) error {
	s, err := w.Store.Survey(ctx, x.ClusterUUID)
	if err != nil || s.Cluster.APIAddress == nil || len(s.Operations) > 0 || ops.Allowed(ops.ClusterRepair, s.Cluster.Status) != nil {
		return err
	}
	found, err := w.Sights.Drift(ctx, s)
	if err != nil || len(found) == 0 {
		return err
	}
	if slices.ContainsFunc(found, ofAddon) {
		if failed, err := w.failed(ctx, s, ops.ClusterUpdate); err != nil {
			return err
		} else if failed { // its reason stands in the cluster's events, and would be the same now
			found = slices.DeleteFunc(found, ofAddon)
		}
	}
	v := sight{reached: s.Cluster.HealthStatusReason["api"] == "ok", hosts: map[string]string{}}
	userGone := false
	for _, f := range found {
		if f.Gone && f.Node != "" {
			v.hosts[f.Node] = hostGone
		}
		userGone = userGone || f.Kind == drivers.KindUser
	}
	d, err := w.decider(ctx, s, v)
	if err != nil {
		return err
	}
	if userGone {
		if tried, err := w.tried(ctx, s, ops.ClusterRotateCredential); err != nil || tried {
			return err // what came of it is told with the operation
		}
	}
	return w.decide(ctx, s, func(s *db.Snapshot) error { return d.onDrift(s, found, v) })
}

func (w *Watcher) decider(ctx context.Context, s *db.Snapshot, v sight) (decider, error) {
	c := w.Config
	d := decider{rules: rules{after: c.HealAfter, share: c.HealShare, perHour: c.HealPerHour}, newUUID: w.NewUUID, inPlace: w.InPlace}
	if len(v.hosts) == 0 && !ill(s, v, c.HealAfter) {
		return d, nil
	}
	l, err := w.Store.OperationsSince(ctx, s.Cluster.UUID, string(ops.NodeGroupHeal), s.Now().Add(-time.Hour))
	if err != nil {
		return d, err
	}
	d.recent, err = healedLately(l)
	return d, err
}

// decide writes a decision, if it changes anything, and rings for the operations that come of it.
func (w *Watcher) decide(ctx context.Context, s *db.Snapshot, decision func(*db.Snapshot) error) error {
	after := s.Clone()
	if err := decision(after); err != nil {
		return err
	}
	if reflect.DeepEqual(s.Clone(), after) {
		return nil
	}
	var fresh []string
	err := w.Store.ChangeCluster(ctx, s.Cluster.UUID, func(s *db.Snapshot) error {
		before := len(s.Operations)
		if err := decision(s); err != nil {
			return err
		}
		fresh = nil
		for _, o := range s.Operations[before:] {
			fresh = append(fresh, o.UUID)
			log.From(ctx).Info("operation asked for by itself", log.OperationID(o.UUID), zap.String("operation", o.Kind))
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, id := range fresh {
		w.Ring(ctx, id)
	}
	return nil
}
