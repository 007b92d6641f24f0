package cluster

import (
	"context"

	"go.uber.org/zap"

	"github.com/jeroboam-cloud/jeroboam/conductor/flow"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/internal/log"
)

// Levels of events.
const (
	levelInfo    = "info"
	levelWarning = "warning"
	levelError   = "error"
)

// observe turns the transitions of steps into events for the user.
func (w *work) observe(ev flow.Event) {
	e := &db.Event{ClusterUUID: w.op.ClusterUUID, OperationUUID: w.op.UUID, Time: ev.At, Level: levelInfo, Step: ev.Task}
	switch ev.Kind {
	case flow.EventStarted:
		e.Message = "started"
	case flow.EventWaiting:
		e.Message = "waiting: " + ev.Waiting
	case flow.EventRetry:
		e.Level, e.Message = levelWarning, "will be tried again: "+ev.Err.Error()
	case flow.EventDone:
		e.Message = "done"
	case flow.EventFailed:
		e.Level, e.Message = levelError, ev.Err.Error()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.events = append(w.events, e)
}

// saveEvents is fenced by nothing: a step that was seen was seen, whoever owns the operation now.
func (w *work) saveEvents(ctx context.Context) error {
	w.mu.Lock()
	events := w.events
	w.events = nil
	w.mu.Unlock()
	for _, e := range events {
		log.From(ctx).Debug("step", zap.String("step", e.Step), zap.String("event", e.Message))
	}
	if len(events) == 0 {
		return nil
	}
	return w.e.Store.AddEvents(ctx, events)
}
