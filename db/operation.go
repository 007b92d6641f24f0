package db

import (
	"context"
	"database/sql/driver"
	"errors"
	"time"

	"github.com/uptrace/bun"
)

// States of an operation.
//
//	pending ──claim──► running ──► complete | failed | cancelled
//	   ▲                 │ park (wake_at), lease lost, conductor gone
//	   └─────────────────┘
//
// A parked operation stays "running" without an owner: it holds its scope and waits for wake_at.
const (
	OpPending   = "pending"
	OpRunning   = "running"
	OpComplete  = "complete"
	OpFailed    = "failed"
	OpCancelled = "cancelled"
)

// ScopeCluster is the scope of an operation that needs the whole cluster; any other scope is a node group's UUID.
const ScopeCluster = "cluster"

// Operation is a row of operation: something a conductor is to do to a cluster. The row is the truth; the queue only rings for it.
type Operation struct {
	bun.BaseModel `bun:"table:operation,alias:o"`

	ID            int64   `bun:"id,pk,autoincrement"`
	UUID          string  `bun:"uuid"`
	ClusterUUID   string  `bun:"cluster_uuid"`
	NodeGroupUUID string  `bun:"nodegroup_uuid"` // "" when it is not about one group
	ProjectID     string  `bun:"project_id"`
	UserID        string  `bun:"user_id"`
	RequestID     string  `bun:"request_id"`
	Kind          string  `bun:"kind"` // package ops names them
	Scope         string  `bun:"scope"`
	Params        RawJSON `bun:"params,type:text"`

	Status          string `bun:"status"`
	CancelRequested bool   `bun:"cancel_requested"`
	Owner           string `bun:"owner"`            // conductor, "" when nobody works on it now
	Epoch           int64  `bun:"epoch"`            // raised by each claim; every write of a conductor is guarded by it
	LeaseExpiresAt  int64  `bun:"lease_expires_at"` // milliseconds since 1970, the database's clock
	WakeAt          int64  `bun:"wake_at"`          // the same clock: not to be claimed before
	RingAt          int64  `bun:"ring_at"`          // the same clock: when the sweeper rings (again)

	State      RawJSON `bun:"state,type:text"` // steps of the task graph (flow.State)
	FaultClass string  `bun:"fault_class"`
	Fault      string  `bun:"fault"` // in words a user can act on
	// Leftovers are what a delete left in the cloud.
	Leftovers Leftovers `bun:"leftovers,type:text"`

	CreatedAt  time.Time  `bun:"created_at"`
	StartedAt  *time.Time `bun:"started_at"`
	FinishedAt *time.Time `bun:"finished_at"`

	// Woken are operations that may run now, after Record ended this one.
	Woken []string `bun:"-"`
}

// Leftover is an object in the cloud that outlived its cluster.
type Leftover struct {
	Kind   string `json:"kind"` // as in the ledger
	Name   string `json:"name"`
	ID     string `json:"id"`
	Reason string `json:"reason"` // why it is still there
}

// Leftovers are stored as JSON text.
type Leftovers []Leftover

// Value implements driver.Valuer.
func (l Leftovers) Value() (driver.Value, error) { return encode(l, l == nil, "[]") }

// Scan implements sql.Scanner.
func (l *Leftovers) Scan(src any) error {
	*l = Leftovers{}
	return decode(src, l)
}

// Active tells whether the operation has no verdict yet.
func (o *Operation) Active() bool { return o.Status == OpPending || o.Status == OpRunning }

// OperationFilter says which operations of a cluster are listed.
type OperationFilter struct {
	ProjectID string // only of this project, unless empty
	Active    bool   // only those without a verdict
	Marker    string // UUID of the last one of the page before
	Limit     int    // 0: no limit
}

// Operations lists a cluster's, newest first. They outlive the cluster.
func (s *Store) Operations(ctx context.Context, clusterUUID string, f OperationFilter) ([]*Operation, error) {
	var l []*Operation
	q := s.db.NewSelect().Model(&l).Where("cluster_uuid = ?", clusterUUID).Order("id DESC")
	if f.ProjectID != "" {
		q = q.Where("project_id = ?", f.ProjectID)
	}
	if f.Active {
		q = q.Where("status IN (?)", bun.List(activeStatuses()))
	}
	if f.Limit > 0 {
		q = q.Limit(int64(f.Limit))
	}
	if f.Marker != "" {
		last, err := s.Operation(ctx, f.Marker)
		if errors.Is(err, ErrNotFound) || (err == nil && last.ClusterUUID != clusterUUID) {
			return nil, ErrBadMarker
		}
		if err != nil {
			return nil, err
		}
		q = q.Where("id < ?", last.ID)
	}
	return l, wrap(q.Scan(ctx), "listing operations")
}

// superseded is Snapshot.Superseded within its transaction.
func superseded(ctx context.Context, tx bun.IDB, o *Operation) (bool, error) {
	n, err := tx.NewSelect().Model((*Operation)(nil)).Where("cluster_uuid = ? AND id > ?", o.ClusterUUID, o.ID).
		Where("(scope = ? OR scope = ? OR ? = ?)", o.Scope, ScopeCluster, o.Scope, ScopeCluster).Count(ctx)
	return n > 0, wrap(err, "looking for newer operations")
}
