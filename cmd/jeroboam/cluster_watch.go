package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/jeroboam-cloud/jeroboam/api/wire"
	"github.com/jeroboam-cloud/jeroboam/cmd/internal/containerinfra"
	"github.com/jeroboam-cloud/jeroboam/conductor/flow"
	"github.com/jeroboam-cloud/jeroboam/db"
)

const (
	streamTries = 5               // in a row without a word, then the API is away
	streamPause = 2 * time.Second // between them
)

// watcher follows a cluster's stream and shows it.
type watcher struct {
	c       *clusterCall
	cluster string
	screen  screen

	last      string // id of the last event
	tries     int
	state     *wire.ClusterState
	operation *wire.Operation
	events    []wire.Event // not shown yet
}

// watchCluster shows what is being done until nothing is under way any more.
func watchCluster(ctx context.Context, c *clusterCall, args []string) error {
	w := &watcher{c: c, cluster: args[0], screen: newScreen(c.stdout)}
	for {
		over, err := w.stream(ctx)
		if over || ctx.Err() != nil {
			return err
		}
		if w.tries++; w.tries > streamTries || refused(err) {
			return err
		}
		select { // the API was restarted, or the stream was old
		case <-ctx.Done():
			return errors.New("interrupted")
		case <-time.After(streamPause):
		}
	}
}

// refused tells whether the API has answered, and asking again would change nothing.
func refused(err error) bool { return err != nil && strings.Contains(err.Error(), "(HTTP 4") }

// stream reads one stream to its end; over says that there is nothing more to watch.
func (w *watcher) stream(ctx context.Context) (over bool, err error) {
	o := w.c.api.Options(http.StatusOK)
	o.KeepResponseBody = true
	o.MoreHeaders["Accept"] = "text/event-stream"
	if w.last != "" {
		o.MoreHeaders["Last-Event-ID"] = w.last
	}
	resp, err := w.c.api.Service.Get(ctx, w.c.api.Service.ServiceURL(containerinfra.ClusterPath(w.cluster, "/events")), nil, o)
	if err != nil {
		return false, containerinfra.Told(err)
	}
	defer func() { _ = resp.Body.Close() }()
	messages := bufio.NewScanner(resp.Body)
	messages.Buffer(nil, 8<<20)
	messages.Split(splitMessages)
	for messages.Scan() {
		w.tries = 0
		if over, err := w.message(messages.Text()); over || err != nil {
			return over, err
		}
	}
	if ctx.Err() != nil {
		return true, errors.New("interrupted")
	}
	return false, errors.New("the stream of events ended")
}

// splitMessages cuts a stream of server-sent events at empty lines.
func splitMessages(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if i := strings.Index(string(data), "\n\n"); i >= 0 {
		return i + 2, data[:i], nil
	}
	if atEOF && len(data) > 0 { // cut off: it comes again
		return len(data), nil, io.ErrUnexpectedEOF
	}
	return 0, nil, nil
}

// message takes one in. The screen is drawn with each state, and events before it.
func (w *watcher) message(text string) (over bool, err error) {
	fields := map[string]string{}
	for line := range strings.SplitSeq(text, "\n") {
		key, value, _ := strings.Cut(line, ":")
		fields[key] = strings.TrimPrefix(value, " ")
	}
	if id := fields["id"]; id != "" {
		w.last = id
	}
	switch fields["event"] {
	case "event":
		var e wire.Event
		if err := json.Unmarshal([]byte(fields["data"]), &e); err != nil {
			return true, fmt.Errorf("reading an event: %w", err)
		}
		w.events = append(w.events, e)
	case "cluster":
		w.state = new(wire.ClusterState)
		if err := json.Unmarshal([]byte(fields["data"]), w.state); err != nil {
			return true, fmt.Errorf("reading the state of the cluster: %w", err)
		}
		return w.shown()
	case "end":
		w.finish()
		fmt.Fprintf(w.c.stdout, "Cluster %s is gone.\n", w.cluster)
		return true, nil
	}
	return false, nil
}

// shown draws the state; over when nothing is under way.
func (w *watcher) shown() (over bool, err error) {
	now := time.Now() //nolint:forbidigo // shown
	if w.state.Operation != nil {
		w.operation = w.state.Operation
		w.draw(now, w.operation.FinishedAt != nil)
	}
	if strings.HasSuffix(w.state.Status, "_IN_PROGRESS") {
		return false, nil
	}
	fmt.Fprintf(w.c.stdout, "Cluster %s is %s.\n", w.cluster, w.state.Status)
	if !strings.HasSuffix(w.state.Status, "_FAILED") {
		return true, nil
	}
	if w.state.StatusReason != nil {
		return true, errors.New(*w.state.StatusReason)
	}
	return true, errors.New("it failed")
}

// finish draws the last of an operation whose end was not seen: it took its cluster away.
func (w *watcher) finish() {
	if w.operation != nil {
		for i := range w.operation.Steps {
			s := &w.operation.Steps[i]
			if s.Status != string(flow.StatusDone) && w.doneBy(s.Name) {
				s.Status = string(flow.StatusDone)
			}
		}
		w.draw(time.Now(), true) //nolint:forbidigo // shown
	}
}

func (w *watcher) doneBy(step string) bool {
	for _, e := range w.events {
		if e.Step == step && e.Message == "done" {
			return true
		}
	}
	return false
}

// draw hands the operation to the screen, with those of the events that are its own.
func (w *watcher) draw(now time.Time, ended bool) {
	o := w.operation
	p := progress{now: now, begun: moment(&o.CreatedAt), ended: ended, steps: map[string]*flow.Step{}}
	p.elapsed = now.Sub(p.begun)
	if o.FinishedAt != nil {
		p.elapsed = moment(o.FinishedAt).Sub(p.begun)
	}
	for _, s := range o.Steps {
		if s.StartedAt != nil {
			p.steps[s.Name] = &flow.Step{Status: flow.Status(s.Status), StartedAt: moment(s.StartedAt), FinishedAt: moment(s.FinishedAt), Attempts: s.Attempts,
				Waiting: value(s.WaitingFor), Error: value(s.Error)}
		}
	}
	for _, e := range w.events {
		if e.OperationID == o.UUID {
			p.events = append(p.events, &db.Event{ID: e.ID, Time: moment(&e.Time), Level: e.Level, Step: e.Step, Message: e.Message})
		}
	}
	w.events = nil
	w.screen.show(p)
}

// moment reads a time of the API; the zero time when there is none.
func moment(s *string) time.Time {
	if s == nil {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, *s)
	if err != nil {
		return time.Time{}
	}
	return t
}

func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
