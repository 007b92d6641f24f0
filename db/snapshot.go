package db

import (
	"context"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/uptrace/bun"
)

// Snapshot is everything of a cluster that decisions are made on, read in one transaction that keeps others out. What is
// changed in it, or appended to it, is written when the decision is made.
type Snapshot struct {
	Cluster    *Cluster
	NodeGroups []*NodeGroup
	Nodes      []*Node
	Operations []*Operation // the active ones, oldest first
	Events     []*Event     // written along with the decision
	// Notifications are written along too, also when the cluster goes: they are sent afterwards.
	Notifications []*Notification
	// Quotas bound the nodes that the decision adds, and refuse none that there were before.
	Quotas []NodeQuota

	now     int64 // the database's clock
	gone    bool
	removed struct{ groups, nodes []string }
	woken   []*Operation
	newer   func(*Operation) (bool, error)
}

// Clone is a copy whose changes touch nothing.
func (s *Snapshot) Clone() *Snapshot {
	out := &Snapshot{now: s.now}
	if s.Cluster != nil {
		c := *s.Cluster
		c.Labels, c.SecretRefs, c.HealthStatusReason = maps.Clone(c.Labels), maps.Clone(c.SecretRefs), maps.Clone(c.HealthStatusReason)
		out.Cluster = &c
	}
	for _, g := range s.NodeGroups {
		x := *g
		x.Labels, x.NodeLabels, x.NodeAddresses = maps.Clone(g.Labels), maps.Clone(g.NodeLabels), slices.Clone(g.NodeAddresses)
		out.NodeGroups = append(out.NodeGroups, &x)
	}
	for _, n := range s.Nodes {
		x := *n
		x.Addresses, x.Conditions = slices.Clone(n.Addresses), slices.Clone(n.Conditions)
		out.Nodes = append(out.Nodes, &x)
	}
	for _, o := range s.Operations {
		x := *o
		out.Operations = append(out.Operations, &x)
	}
	return out
}

// Now is the database's clock when the snapshot was read.
func (s *Snapshot) Now() time.Time { return time.UnixMilli(s.now).UTC() }

// RemoveCluster takes the cluster with everything below it out. Its ended operations and its events stay, for reading.
func (s *Snapshot) RemoveCluster() { s.gone = true }

// RemoveNodeGroup takes a node group and its nodes out.
func (s *Snapshot) RemoveNodeGroup(uuid string) {
	s.removed.groups = append(s.removed.groups, uuid)
	s.NodeGroups = slices.DeleteFunc(s.NodeGroups, func(g *NodeGroup) bool { return g.UUID == uuid })
	s.Nodes = slices.DeleteFunc(s.Nodes, func(n *Node) bool { return n.NodeGroupUUID == uuid })
}

// RemoveNode takes a node out.
func (s *Snapshot) RemoveNode(uuid string) {
	s.removed.nodes = append(s.removed.nodes, uuid)
	s.Nodes = slices.DeleteFunc(s.Nodes, func(n *Node) bool { return n.UUID == uuid })
}

// Wake makes an operation due now.
func (s *Snapshot) Wake(o *Operation) { s.woken = append(s.woken, o) }

// Superseded tells whether a newer operation, ended or not, has changed or will change what this one was about.
func (s *Snapshot) Superseded(o *Operation) (bool, error) { return s.newer(o) }

// ChangeCluster decides on a cluster in one transaction that no other change of it runs beside. Decide may be run again
// when the transaction met another one: it MUST depend on the snapshot only and have no effects but on it. Its error rolls
// everything back and is returned.
func (s *Store) ChangeCluster(ctx context.Context, uuid string, decide func(*Snapshot) error) error {
	return s.tx(ctx, func(ctx context.Context, tx bun.Tx) error {
		if err := s.lockCluster(ctx, tx, uuid); err != nil {
			return err
		}
		return s.change(ctx, tx, uuid, decide)
	})
}

// lockCluster keeps everybody else who changes the cluster waiting until the transaction ends. It is a write, not a
// SELECT FOR UPDATE, so that it also holds where nodes of a database cluster only compare writes.
func (s *Store) lockCluster(ctx context.Context, tx bun.Tx, uuid string) error {
	n, err := affected(tx.NewRaw("UPDATE cluster SET seq = seq + 1 WHERE uuid = ?", uuid).Exec(ctx))
	if err == nil && n == 0 {
		return ErrNotFound
	}
	return wrap(err, "locking a cluster")
}

func (s *Store) change(ctx context.Context, tx bun.Tx, uuid string, decide func(*Snapshot) error) error {
	snap, err := s.snapshot(ctx, tx, uuid)
	if err != nil {
		return err
	}
	before := snap.Clone()
	if err := decide(snap); err != nil {
		return err
	}
	for _, q := range snap.Quotas {
		if err := s.admit(ctx, tx, snap.Cluster.ProjectID, q, q.nodes(snap.NodeGroups)-q.nodes(before.NodeGroups)); err != nil {
			return err
		}
	}
	return s.save(ctx, tx, before, snap)
}

func (s *Store) snapshot(ctx context.Context, tx bun.IDB, uuid string) (*Snapshot, error) {
	snap := &Snapshot{Cluster: new(Cluster), newer: func(o *Operation) (bool, error) { return superseded(ctx, tx, o) }}
	var err error
	if snap.now, err = s.now(ctx, tx); err != nil {
		return nil, err
	}
	if err := tx.NewSelect().Model(snap.Cluster).Where("uuid = ?", uuid).Scan(ctx); err != nil {
		return nil, wrap(err, "reading a cluster")
	}
	if err := tx.NewSelect().Model(&snap.NodeGroups).Where("cluster_uuid = ?", uuid).Order("id").Scan(ctx); err != nil {
		return nil, wrap(err, "reading node groups")
	}
	if err := tx.NewSelect().Model(&snap.Nodes).Where("cluster_uuid = ?", uuid).Order("id").Scan(ctx); err != nil {
		return nil, wrap(err, "reading nodes")
	}
	err = tx.NewSelect().Model(&snap.Operations).Where("cluster_uuid = ? AND status IN (?)", uuid, bun.List(activeStatuses())).Order("id").Scan(ctx)
	return snap, wrap(err, "reading operations")
}

// save writes what differs.
func (s *Store) save(ctx context.Context, tx bun.Tx, before, after *Snapshot) error {
	if err := s.addNotifications(ctx, tx, after); err != nil {
		return err
	}
	if after.gone {
		return s.removeCluster(ctx, tx, before.Cluster.UUID)
	}
	now := time.UnixMilli(after.now).UTC()
	if !reflect.DeepEqual(before.Cluster, after.Cluster) {
		after.Cluster.UpdatedAt = &now
		if _, err := tx.NewUpdate().Model(after.Cluster).ExcludeColumn("seq").WherePK().Exec(ctx); err != nil {
			return wrap(err, "updating a cluster")
		}
	}
	if err := s.remove(ctx, tx, after); err != nil {
		return err
	}
	for _, g := range after.NodeGroups {
		if old := find(before.NodeGroups, func(x *NodeGroup) bool { return x.ID == g.ID }); g.ID != 0 && !reflect.DeepEqual(old, g) {
			g.UpdatedAt = &now
		} else if g.ID != 0 {
			continue
		}
		if err := put(ctx, tx, g, g.ID == 0); err != nil {
			return err
		}
	}
	for _, n := range after.Nodes {
		if old := find(before.Nodes, func(x *Node) bool { return x.ID == n.ID }); n.ID != 0 && !reflect.DeepEqual(old, n) {
			n.UpdatedAt = &now
		} else if n.ID != 0 {
			continue
		}
		if err := put(ctx, tx, n, n.ID == 0); err != nil {
			return err
		}
	}
	if len(after.Events) > 0 {
		if _, err := tx.NewInsert().Model(&after.Events).Exec(ctx); err != nil {
			return wrap(err, "writing events")
		}
	}
	return s.saveOperations(ctx, tx, before, after)
}

func find[T any](l []*T, is func(*T) bool) *T {
	if i := slices.IndexFunc(l, is); i >= 0 {
		return l[i]
	}
	return nil
}

func put[T any](ctx context.Context, tx bun.Tx, row *T, fresh bool) error {
	var err error
	if fresh {
		_, err = tx.NewInsert().Model(row).Exec(ctx)
	} else {
		_, err = tx.NewUpdate().Model(row).WherePK().Exec(ctx)
	}
	return wrap(err, "writing a row")
}

func (s *Store) remove(ctx context.Context, tx bun.Tx, after *Snapshot) error {
	for _, uuid := range after.removed.groups {
		if _, err := tx.NewDelete().Model((*Node)(nil)).Where("nodegroup_uuid = ?", uuid).Exec(ctx); err != nil {
			return wrap(err, "removing nodes")
		}
		if _, err := tx.NewDelete().Model((*NodeGroup)(nil)).Where("uuid = ?", uuid).Exec(ctx); err != nil {
			return wrap(err, "removing a node group")
		}
	}
	for _, uuid := range after.removed.nodes {
		if _, err := tx.NewDelete().Model((*Node)(nil)).Where("uuid = ?", uuid).Exec(ctx); err != nil {
			return wrap(err, "removing a node")
		}
	}
	return nil
}

func (s *Store) removeCluster(ctx context.Context, tx bun.Tx, uuid string) error {
	for _, m := range []any{(*Node)(nil), (*NodeGroup)(nil), (*Secret)(nil), (*Resource)(nil), (*Scope)(nil), (*Watch)(nil)} {
		if _, err := tx.NewDelete().Model(m).Where("cluster_uuid = ?", uuid).Exec(ctx); err != nil {
			return wrap(err, "removing what belongs to a cluster")
		}
	}
	_, err := tx.NewDelete().Model((*Cluster)(nil)).Where("uuid = ?", uuid).Exec(ctx)
	return wrap(err, "removing a cluster")
}

// saveOperations inserts new ones, and writes of others only what a decision may change: the rest is their owner's.
func (s *Store) saveOperations(ctx context.Context, tx bun.Tx, before, after *Snapshot) error {
	for _, o := range after.Operations {
		if o.ID == 0 {
			if err := s.insertOperation(ctx, tx, o); err != nil {
				return err
			}
			continue
		}
		old := find(before.Operations, func(x *Operation) bool { return x.ID == o.ID })
		woken := slices.Contains(after.woken, o)
		if old != nil && old.CancelRequested == o.CancelRequested && !woken {
			continue
		}
		q := tx.NewUpdate().Model((*Operation)(nil)).Set("cancel_requested = ?", o.CancelRequested).Where("id = ?", o.ID)
		if woken {
			q = q.Set("wake_at = ?", after.now).Set("ring_at = ?", after.now+ringGrace.Milliseconds())
		}
		if _, err := q.Exec(ctx); err != nil {
			return wrap(err, "updating an operation")
		}
	}
	return nil
}
