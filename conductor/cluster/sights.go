package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/kube"
	"github.com/jeroboam-cloud/jeroboam/drivers/pki"
	"github.com/jeroboam-cloud/jeroboam/internal/certmanager"
)

// onlooker gives the client for looking at a cluster's API from outside of an operation.
func (e *Executor) onlooker(ctx context.Context, c *db.Cluster) (*kube.Client, error) {
	if c.APIAddress == nil {
		return nil, errors.New("the address of the Kubernetes API is not known")
	}
	return e.kubeClient(c, *c.APIAddress, func(name string) (pki.Bundle, error) {
		return e.Secrets.Get(ctx, certmanager.Owner{ClusterUUID: c.UUID, ProjectID: c.ProjectID}, c.SecretRefs[name])
	})
}

// NodeStates implements periodic.Sights. The words of its error are the same as long as the reason is.
func (e *Executor) NodeStates(ctx context.Context, s *db.Snapshot) (map[string]bool, error) {
	c, err := e.onlooker(ctx, s.Cluster)
	if err != nil {
		return nil, err
	}
	states, err := c.NodeStates(ctx)
	switch {
	case err == nil:
		return states, nil
	case errors.Is(err, kube.ErrUnreachable):
		return nil, fmt.Errorf("the Kubernetes API cannot be reached at %s", *s.Cluster.APIAddress)
	case errors.Is(err, kube.ErrUnauthorized):
		return nil, fmt.Errorf("the Kubernetes API refuses the certificate of the cluster's own authority")
	}
	var notReady *kube.NotReadyError
	if errors.As(c.Ready(ctx), &notReady) {
		return nil, notReady
	}
	return nil, errors.New(short(err))
}

// Certificate implements periodic.Sights.
func (e *Executor) Certificate(ctx context.Context, s *db.Snapshot) (out ops.Certificates, ok bool) {
	c, err := e.onlooker(ctx, s.Cluster)
	if err != nil {
		return out, false
	}
	seen, ok := c.ServingCertificate()
	return ops.Certificates(seen), ok
}

// NodeConditions implements periodic.Sights.
func (e *Executor) NodeConditions(ctx context.Context, s *db.Snapshot) (map[string][]db.Condition, error) {
	c, err := e.onlooker(ctx, s.Cluster)
	if err != nil {
		return nil, err
	}
	l, err := c.Nodes(ctx)
	out := map[string][]db.Condition{}
	for _, n := range l {
		out[n.Name] = conditions(n)
	}
	return out, err
}

func conditions(n kube.Node) db.Conditions {
	var l db.Conditions
	for _, c := range n.Conditions {
		l = append(l, db.Condition(c))
	}
	return l
}

// onlook prepares the drivers' view of a cluster for looking only: the ledger refuses every write, since no operation stands
// behind it.
func (e *Executor) onlook(ctx context.Context, s *db.Snapshot) (*work, error) {
	w := &work{e: e, op: &db.Operation{ClusterUUID: s.Cluster.UUID}, s: s}
	if err := json.Unmarshal(orEmpty(s.Cluster.Spec), &w.spec); err != nil {
		return nil, fmt.Errorf("reading the cluster's spec: %w", err)
	}
	var err error
	if w.l, err = newLedger(ctx, e.Store, w.op); err != nil {
		return nil, err
	}
	w.site = &drivers.Site{Cluster: w.cluster(), Ledger: w.l, Memo: &drivers.Memo{}}
	w.site.Credential, err = w.credential(ctx)
	return w, err
}

// GoneHosts implements periodic.Sights.
func (e *Executor) GoneHosts(ctx context.Context, s *db.Snapshot) ([]string, error) {
	w, err := e.onlook(ctx, s)
	if err != nil {
		return nil, err
	}
	found, err := w.lostHosts(ctx)
	var l []string
	for _, d := range found {
		l = append(l, d.Node)
	}
	return l, err
}

// lostHosts are servers that the ledger holds and the cloud has no more, of all drivers.
func (w *work) lostHosts(ctx context.Context) ([]drivers.Drift, error) {
	var out []drivers.Drift
	err := w.eachDriver(func(m drivers.Machines) error {
		hosts, err := m.Status(ctx, w.site)
		if err != nil {
			return err
		}
		for _, n := range w.nodesOf(db.NodeWanted, w.groupsOf(m.Name())...) {
			if r, ok := drivers.HostOf(w.l, n.Name); ok && r.ID != "" && hosts[n.Name].State == drivers.HostGone {
				out = append(out, drivers.Drift{Kind: r.Kind, Name: n.Name, Node: n.Name, Gone: true, What: "is gone"})
			}
		}
		return nil
	})
	return out, err
}

func (w *work) groupsOf(driver string) []*db.NodeGroup {
	return slices.DeleteFunc(slices.Clone(w.s.NodeGroups), func(g *db.NodeGroup) bool { return g.Driver != driver })
}

// Drift implements periodic.Sights.
func (e *Executor) Drift(ctx context.Context, s *db.Snapshot) ([]drivers.Drift, error) {
	w, err := e.onlook(ctx, s)
	if err != nil {
		return nil, err
	}
	found, err := e.Infra.Verify(ctx, w.site, w.roles())
	if err != nil || slices.ContainsFunc(found, func(d drivers.Drift) bool { return d.Kind == drivers.KindUser }) {
		return found, err // nothing can be seen without a user
	}
	routes, err := w.lostRoutes(ctx)
	if err != nil {
		return nil, err
	}
	hosts, err := w.lostHosts(ctx)
	if err != nil {
		return nil, err
	}
	return slices.Concat(found, routes, hosts, w.lostAddons(ctx)), nil
}

// lostRoutes are those of nodes whose pods the cluster's router leads to. Which pods are whose Kubernetes knows: while it does
// not answer there is nothing to compare.
func (w *work) lostRoutes(ctx context.Context) ([]drivers.Drift, error) {
	if w.spec.PodNetworkMode != ops.PodsRouted {
		return nil, nil
	}
	c, err := w.e.onlooker(ctx, w.s.Cluster)
	if err != nil {
		return nil, nil //nolint:nilerr // health tells of it
	}
	l, err := c.Nodes(ctx)
	if err != nil {
		return nil, nil //nolint:nilerr // health tells of it
	}
	return w.e.Infra.LostRoutes(ctx, w.site, w.podRanges(l))
}

// podRanges says what is for the pods of each node that is to stay and has been ready.
func (w *work) podRanges(l []kube.Node) map[string]string {
	out := map[string]string{}
	for _, n := range w.nodesOf(db.NodeWanted, w.s.NodeGroups...) {
		i := slices.IndexFunc(l, func(x kube.Node) bool { return x.Name == n.Name })
		if n.Ready && i >= 0 && l[i].PodCIDR != "" {
			out[n.Name] = l[i].PodCIDR
		}
	}
	return out
}

// Image implements periodic.Sights.
func (e *Executor) Image(ctx context.Context, s *db.Snapshot, nameOrID string) (drivers.Image, error) {
	w, err := e.onlook(ctx, s)
	if err != nil {
		return drivers.Image{}, err
	}
	return e.Infra.Image(ctx, w.site, nameOrID)
}

// roles of the nodes that are to stay: true for control planes.
func (w *work) roles() map[string]bool {
	out := map[string]bool{}
	for _, n := range w.nodesOf(db.NodeWanted, w.s.NodeGroups...) {
		if g := w.group(n.NodeGroupUUID); g != nil {
			out[n.Name] = g.Role == db.RoleMaster
		}
	}
	return out
}
