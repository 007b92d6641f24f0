package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jeroboam-cloud/jeroboam/conductor/flow"
	"github.com/jeroboam-cloud/jeroboam/db"
)

// lookInterval is how often the progress is looked at; every look is a query or two of SQLite.
const lookInterval = 150 * time.Millisecond

// progress is what is shown of an operation.
type progress struct {
	elapsed time.Duration
	steps   map[string]*flow.Step
	events  []*db.Event // since the last look
	now     time.Time
	begun   time.Time
	ended   bool
}

// screen shows progress.
type screen interface{ show(p progress) }

// watch shows the newest operation of a kind until its end; one that did not succeed is an error.
func watch(ctx context.Context, store *db.Store, clusterID, kind string, s screen) error {
	id, err := newest(ctx, store, clusterID, kind)
	if err != nil {
		return err
	}
	tick := time.NewTicker(lookInterval)
	defer tick.Stop()
	var seen int64
	for {
		op, err := store.Operation(ctx, id)
		if err != nil {
			return fmt.Errorf("reading the operation: %w", err)
		}
		p := progress{now: time.Now(), begun: op.CreatedAt, ended: !op.Active()}
		p.elapsed = p.now.Sub(op.CreatedAt)
		if p.ended && op.FinishedAt != nil {
			p.elapsed = op.FinishedAt.Sub(op.CreatedAt)
		}
		if p.steps, err = steps(op.State); err != nil {
			return err
		}
		if p.events, err = eventsAfter(ctx, store, op, &seen); err != nil {
			return err
		}
		s.show(p)
		switch {
		case op.Status == db.OpComplete:
			return nil
		case p.ended:
			return fmt.Errorf("%s %s: %s", kind, op.Status, op.Fault)
		}
		select {
		case <-ctx.Done():
			return errors.New("interrupted")
		case <-tick.C:
		}
	}
}

func newest(ctx context.Context, store *db.Store, clusterID, kind string) (string, error) {
	l, err := store.Operations(ctx, clusterID, db.OperationFilter{})
	if err != nil {
		return "", fmt.Errorf("reading the operations: %w", err)
	}
	for _, op := range l {
		if op.Kind == kind {
			return op.UUID, nil
		}
	}
	return "", fmt.Errorf("there is no operation %s", kind)
}

func steps(raw db.RawJSON) (map[string]*flow.Step, error) {
	var st flow.State
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &st); err != nil {
			return nil, fmt.Errorf("reading the operation's state: %w", err)
		}
	}
	return st.Steps, nil
}

// eventsAfter gives the operation's events that were not seen yet.
func eventsAfter(ctx context.Context, store *db.Store, op *db.Operation, seen *int64) ([]*db.Event, error) {
	const batch = 1000
	var out []*db.Event
	for {
		l, err := store.Events(ctx, op.ClusterUUID, db.EventFilter{After: *seen, OperationUUID: op.UUID, Limit: batch})
		if err != nil {
			return nil, fmt.Errorf("reading the events: %w", err)
		}
		for _, e := range l {
			*seen = max(*seen, e.ID)
		}
		out = append(out, l...)
		if len(l) < batch {
			return out, nil
		}
	}
}
