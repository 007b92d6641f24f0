package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/jeroboam-cloud/jeroboam/conductor/flow"
	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/kube"
	"github.com/jeroboam-cloud/jeroboam/internal/certmanager"
)

// work is one slice of one operation: the rows as they were when it began, and where they are written.
type work struct {
	e    *Executor
	op   *db.Operation
	s    *db.Snapshot
	spec ops.ClusterSpec
	site *drivers.Site
	l    *ledger
	// locked is why nobody can act for the cluster in this slice: its password cannot be read. Nil: somebody can.
	locked error

	state flow.State // of the steps

	mu       sync.Mutex
	events   []*db.Event
	inKube   map[string]kube.Node // the cluster's nodes, if this slice has looked at them
	rebooted map[string]bool      // nodes whose hosts this slice has told to start again
}

// load reads the rows under the fence, plans nodes on the first slice, and prepares the drivers' view.
func (e *Executor) load(ctx context.Context, op *db.Operation) (*work, error) {
	w, first := &work{e: e, op: op}, unplanned(op)
	err := e.Store.Record(ctx, op, func(s *db.Snapshot) error {
		if err := plan(op, s, first, e.Now(), e.rebuilds); err != nil {
			return err
		}
		if first {
			op.State = db.RawJSON(planned)
			if err := e.announce(op, s); err != nil {
				return err
			}
		}
		w.s = s.Clone()
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(orEmpty(w.s.Cluster.Spec), &w.spec); err != nil {
		return nil, fmt.Errorf("reading the cluster's spec: %w", err)
	}
	if err := json.Unmarshal(orEmpty(op.State), &w.state); err != nil {
		return nil, fmt.Errorf("reading the operation's state: %w", err)
	}
	if w.l, err = newLedger(ctx, e.Store, op); err != nil {
		return nil, err
	}
	w.site = &drivers.Site{Cluster: w.cluster(), Ledger: w.l, Memo: &drivers.Memo{}, LastResort: ops.Kind(op.Kind) == ops.ClusterDelete}
	w.site.Credential, w.locked = w.credential(ctx)
	return w, nil
}

func orEmpty(raw db.RawJSON) []byte {
	if len(raw) == 0 {
		return []byte("{}")
	}
	return raw
}

// cluster is what the drivers are told.
func (w *work) cluster() drivers.Cluster {
	c, sp := w.s.Cluster, w.spec
	return drivers.Cluster{UUID: c.UUID, Name: c.Name, Prefix: c.StackID, ProjectID: c.ProjectID, Roles: sp.RoleNames,
		ExternalNetworkID: sp.ExternalNetworkID, NetworkID: sp.NetworkID, SubnetID: sp.SubnetID, SubnetCIDR: sp.SubnetCIDR, DNSNameservers: sp.DNSNameservers,
		LoadBalancer: c.MasterLBEnabled, LBProvider: sp.LBProvider, FloatingIP: sp.APIFloatingIP, APIPort: sp.APIPort, AllowedCIDRs: sp.APIAllowedCIDRs,
		PodCIDR: sp.PodCIDR, ServerGroupPolicy: sp.ServerGroupPolicy}
}

// credential of the cluster's service user, once it is there.
func (w *work) credential(ctx context.Context) (drivers.Credential, error) {
	user, ok := w.l.Find(drivers.KindUser, w.cluster().UserName(ops.GenerationOf(w.s.Cluster.SecretRefs, ops.CredentialGeneration)))
	ref := w.s.Cluster.SecretRefs[ops.SecretCredential]
	if w.e.OwnCredentials || !ok || user.ID == "" || ref == "" {
		return drivers.Credential{}, nil
	}
	b, err := w.e.Secrets.Get(ctx, w.owner(), ref)
	switch {
	case err == nil:
	case w.site.LastResort: // it went with the other secrets, or its keeper is away: the service itself cleans up
		return drivers.Credential{}, nil
	case errors.Is(err, certmanager.ErrNotFound) && ops.Kind(w.op.Kind) == ops.ClusterRotateCredential: // which brings another one
		return drivers.Credential{}, nil
	}
	if err != nil {
		return drivers.Credential{}, fmt.Errorf("reading the service user's password: %w", err)
	}
	return drivers.Credential{UserID: user.ID, Password: string(b.Passphrase), ProjectID: w.s.Cluster.ProjectID}, nil
}

// lockedTask is all that there is to do while the password of the service user cannot be read.
const lockedTask = "password of the service user"

// graph of the operation.
func (w *work) graph() (*flow.Graph, error) {
	b := &builder{w: w, g: flow.New(), has: map[string]bool{}}
	if w.locked != nil {
		b.add(lockedTask, deadlineCall, func(context.Context) drivers.Result { return drivers.FromError(w.locked) })
		return b.g, b.g.Build()
	}
	delete(w.state.Steps, lockedTask) // the next time it has all of its own time
	switch ops.Kind(w.op.Kind) {
	case ops.ClusterCreate:
		b.createCluster()
	case ops.ClusterDelete:
		b.deleteCluster()
	case ops.NodeGroupCreate, ops.NodeGroupResize:
		b.resizeGroup()
	case ops.NodeGroupDelete:
		b.deleteGroup()
	case ops.NodeGroupUpdate:
		b.updateGroup()
	case ops.ClusterRotateCA:
		b.rotateCA()
	case ops.ClusterRotateCredential:
		b.rotateCredential()
	case ops.ClusterRenewCertificates:
		b.renewCertificates()
	case ops.NodeGroupHeal:
		b.healGroup()
	case ops.ClusterUpdate:
		b.updateAddons()
	case ops.ClusterRepair:
		b.repairCluster()
	case ops.ClusterHibernate, ops.ClusterResume:
		b.restOrWake()
	case ops.ClusterUpgrade, ops.NodeGroupUpgrade:
		b.upgrade()
	default:
		return nil, fmt.Errorf("there is no operation of kind %q", w.op.Kind)
	}
	if b.err != nil {
		return nil, b.err
	}
	b.spreadDNS()
	return b.g, b.g.Build()
}

// group of a node.
func (w *work) group(uuid string) *db.NodeGroup {
	i := slices.IndexFunc(w.s.NodeGroups, func(g *db.NodeGroup) bool { return g.UUID == uuid })
	if i < 0 {
		return nil
	}
	return w.s.NodeGroups[i]
}

// machines that make the hosts of a group.
func (w *work) machines(g *db.NodeGroup) (drivers.Machines, error) {
	m := w.e.Machines[g.Driver]
	if m == nil {
		return nil, &drivers.Fault{Class: drivers.ClassInternal, Err: fmt.Errorf("node group %s wants driver %q, which is not in this conductor", g.Name, g.Driver)}
	}
	return m, nil
}

// eachDriver has every driver of the cluster's node groups do something, once, until one fails.
func (w *work) eachDriver(do func(drivers.Machines) error) error {
	asked := map[string]bool{}
	for _, g := range w.s.NodeGroups {
		if asked[g.Driver] {
			continue
		}
		asked[g.Driver] = true
		m, err := w.machines(g)
		if err == nil {
			err = do(m)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// nodesOf lists the nodes of the groups in this state.
func (w *work) nodesOf(state string, groups ...*db.NodeGroup) []*db.Node {
	var l []*db.Node
	for _, n := range w.s.Nodes {
		if n.State == state && slices.ContainsFunc(groups, func(g *db.NodeGroup) bool { return g.UUID == n.NodeGroupUUID }) {
			l = append(l, n)
		}
	}
	return l
}

// controlPlanes lists the control-plane groups.
func (w *work) controlPlanes() []*db.NodeGroup {
	var l []*db.NodeGroup
	for _, g := range w.s.NodeGroups {
		if g.Role == db.RoleMaster {
			l = append(l, g)
		}
	}
	return l
}

// fenced tells whether a write of the ledger found the lease gone.
func (w *work) fenced() error {
	if w.l.lost() {
		return db.ErrFenced
	}
	return nil
}

// answer turns a driver's answer into the graph's. A lost lease ends the slice at once.
func (w *work) answer(r drivers.Result) flow.Result {
	out := flow.Done()
	r.Switch(func() {}, func(d time.Duration, waiting string) { out = flow.Continue(min(d, w.e.PollInterval), waiting) },
		func(err error) { out = flow.Failed(err) },
		func(err error) {
			if errors.Is(err, db.ErrFenced) {
				out = flow.Failed(err)
				return
			}
			out = flow.Transient(err)
		})
	return out
}

// endpoint is where hosts of the cluster reach its API: the load balancer's address or the first control plane's.
func (w *work) endpoint() (address, portID string, ok bool) {
	if w.s.Cluster.MasterLBEnabled {
		r, _ := w.l.findKind(drivers.KindLoadBalancer)
		return r.Attrs[drivers.AttrAddress], r.Attrs[drivers.AttrPortID], r.ID != "" && r.Attrs[drivers.AttrAddress] != ""
	}
	for _, n := range w.s.Nodes {
		if n.First {
			r, _ := w.l.Find(drivers.KindPort, n.Name)
			return r.Attrs[drivers.AttrAddress], r.ID, r.ID != ""
		}
	}
	return "", "", false
}

// publicAddress is where everybody else reaches it.
func (w *work) publicAddress() (string, bool) {
	if w.spec.APIFloatingIP {
		r, _ := w.l.Find(drivers.KindFloatingIP, w.floatingIPName())
		return r.Attrs[drivers.AttrAddress], r.ID != ""
	}
	address, _, ok := w.endpoint()
	return address, ok
}

func (w *work) floatingIPName() string { return w.s.Cluster.StackID + "-api" }
