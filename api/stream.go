package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/jeroboam-cloud/jeroboam/api/wire"
	"github.com/jeroboam-cloud/jeroboam/db"
)

// Limits of live streams. Each asks the database three short questions at every look.
const (
	streamLook      = time.Second
	streamAlive     = 15 * time.Second // a comment when nothing else was said, so that proxies keep the connection
	streamWrite     = 10 * time.Second // for a client that reads slowly
	streamLife      = time.Hour        // as long as a token lives, about; clients come back with Last-Event-ID
	maxStreams      = 100              // per process
	streamRetryWait = 2000             // milliseconds a client waits before it comes back
)

// stream is a live stream of server-sent events under way.
type stream struct {
	c       echo.Context
	out     *http.ResponseController
	account account
	filter  db.EventFilter
	state   string // the last one that was sent
	silent  time.Duration
}

// EndStreams ends all live streams: a server that shuts down waits for the others, and these would not end by themselves.
func (s *Server) EndStreams() { s.closeStreams() }

// streamEvents writes events as they happen, and the cluster's state whenever it changes, until the cluster is gone, the
// client goes, or the stream is old.
func (s *Server) streamEvents(c echo.Context, a account, f db.EventFilter) error {
	select {
	case s.streams <- struct{}{}:
		defer func() { <-s.streams }()
	default:
		c.Response().Header().Set("Retry-After", "30")
		return fail(http.StatusServiceUnavailable, "There are %d live streams already; ask for the list of events instead, or try again later.", maxStreams)
	}
	if id := c.Request().Header.Get("Last-Event-ID"); id != "" {
		n, err := strconv.ParseInt(id, 10, 64)
		if err != nil || n < 0 {
			return badRequest("Invalid header Last-Event-ID: '%s'. A whole number is expected.", id)
		}
		f.After = n
	}
	h := c.Response().Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // of proxies
	st := &stream{c: c, out: http.NewResponseController(c.Response().Writer), account: a, filter: f}
	c.Response().WriteHeader(http.StatusOK)
	if err := st.write("retry: %d\n\n", streamRetryWait); err != nil {
		return nil //nolint:nilerr // the client is gone: there is nobody to tell
	}
	look, old := time.NewTicker(streamLook), time.NewTimer(streamLife)
	defer look.Stop()
	defer old.Stop()
	for {
		if more, err := s.streamNews(st); err != nil || !more {
			return nil //nolint:nilerr // as above, or the database is away: the client comes back
		}
		select {
		case <-c.Request().Context().Done():
			return nil
		case <-s.closing:
			return nil
		case <-old.C:
			return nil
		case <-look.C:
		}
	}
}

// streamNews writes what is new; more is false when the cluster is gone and all was told.
func (s *Server) streamNews(st *stream) (more bool, err error) {
	ctx := st.c.Request().Context()
	// The state first: events that belong to it are then there.
	state, err := s.clusterState(st)
	if err != nil {
		return false, err
	}
	for {
		rows, err := s.Store.Events(ctx, st.account.clusterUUID, st.filter)
		if err != nil {
			return false, err
		}
		for _, e := range rows {
			if err := st.event("id: "+strconv.FormatInt(e.ID, 10)+"\nevent: event", wire.NewEvent(e)); err != nil {
				return false, err
			}
			st.filter.After = e.ID
		}
		if len(rows) < st.filter.Limit {
			break
		}
	}
	if state == nil {
		return false, st.write("event: end\ndata: {}\n\n")
	}
	raw, err := json.Marshal(state)
	if err != nil {
		return false, fmt.Errorf("encoding the state of a cluster: %w", err)
	}
	if string(raw) != st.state {
		st.state = string(raw)
		return true, st.event("event: cluster", state)
	}
	if st.silent += streamLook; st.silent >= streamAlive {
		return true, st.write(": still here\n\n")
	}
	return true, nil
}

// clusterState is what is streamed of the cluster; nil when it is gone.
func (s *Server) clusterState(st *stream) (*wire.ClusterState, error) {
	ctx := st.c.Request().Context()
	v, err := s.Store.ClusterStatus(ctx, st.account.clusterUUID)
	if errors.Is(err, db.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	l, err := s.Store.Operations(ctx, st.account.clusterUUID, db.OperationFilter{Limit: 1})
	if err != nil {
		return nil, err
	}
	state := &wire.ClusterState{UUID: v.UUID, Status: v.Status, StatusReason: v.StatusReason}
	if len(l) > 0 {
		o := wire.NewOperation(l[0], s.base(st.c))
		state.Operation = &o
	}
	return state, nil
}

func (st *stream) event(head string, data any) error {
	raw, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("encoding an event: %w", err)
	}
	return st.write("%s\ndata: %s\n\n", head, raw)
}

// write sends at once. The server's own deadline is for answers that end; here each write has one.
func (st *stream) write(format string, args ...any) error {
	st.silent = 0
	if err := st.out.SetWriteDeadline(time.Now().Add(streamWrite)); err != nil && !errors.Is(err, http.ErrNotSupported) { //nolint:forbidigo // a deadline of the network
		return err
	}
	if _, err := fmt.Fprintf(st.c.Response(), format, args...); err != nil {
		return err
	}
	return st.out.Flush()
}
