package flow_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jeroboam-cloud/jeroboam/conductor/flow"
)

func TestWaitingTextIsToldOnce(t *testing.T) {
	b := newBench(t)
	task := b.script("a", nil, flow.Continue(time.Second, "BUILD"), flow.Continue(time.Second, "BUILD"),
		flow.Transient(errors.New("503")), flow.Continue(time.Second, "BUILD"), flow.Continue(time.Second, "ACTIVE"), flow.Done())
	for range 6 {
		out := b.slice(task)
		if !out.Changed {
			t.Errorf("a slice that ran something changed nothing: %+v", out)
		}
		if out.Kind == flow.Sleeping {
			b.now = out.Until
		}
	}
	b.wantEvents("a started", "a waiting BUILD", "a retry: 503", "a waiting ACTIVE", "a done")
	want := flow.Step{Status: flow.StatusDone, StartedAt: epoch, FinishedAt: epoch.Add(5 * time.Second)}
	if diff := cmp.Diff(want, *b.state.Steps["a"]); diff != "" {
		t.Errorf("step (-want +got):\n%s", diff)
	}
}

func TestTransientErrorsBackOff(t *testing.T) {
	b := newBench(t)
	boom := errors.New("boom")
	task := b.script("a", nil, flow.Transient(boom), flow.Transient(boom), flow.Transient(boom), flow.Transient(boom),
		flow.Continue(0, "x"), flow.Transient(boom))
	task.Retry = 5 * time.Second
	var pauses []time.Duration
	for i := range 6 {
		if i == 1 {
			b.runner.Jitter = func() float64 { return 0 }
		}
		out := b.slice(task)
		pauses = append(pauses, out.Until.Sub(b.now))
		b.now = out.Until
	}
	want := []time.Duration{time.Second, time.Second, 2 * time.Second, 2500 * time.Millisecond, 0, time.Second / 2}
	if diff := cmp.Diff(want, pauses); diff != "" {
		t.Errorf("pauses (-want +got):\n%s", diff)
	}
}

func TestDeadline(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer flow.Result
		late   time.Duration // how long after the deadline the last slice comes
		last   flow.Result
		want   string // the error; empty: it finishes
	}{
		{name: "waiting", answer: flow.Continue(time.Minute, "a server"), last: flow.Continue(time.Minute, "its address"), want: `task "a" was not done in time: waited for its address`},
		{name: "waiting for nothing named", answer: flow.Continue(time.Minute, ""), last: flow.Continue(time.Minute, ""), want: `task "a" was not done in time`},
		{name: "retrying", answer: flow.Continue(time.Minute, "a server"), last: flow.Transient(errors.New("503")), want: `task "a" was not done in time: last error: 503`},
		{name: "done at the very last", answer: flow.Continue(time.Minute, "a server"), last: flow.Done()},
		{name: "done long before anybody looked", answer: flow.Continue(time.Minute, "a server"), late: 48 * time.Hour, last: flow.Done()},
		{name: "not done when somebody looked at last", answer: flow.Continue(time.Minute, "a server"), late: 48 * time.Hour, last: flow.Continue(1, "a server"), want: `task "a" was not done in time: waited for a server`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			task := b.script("a", nil, tt.answer, tt.last)
			task.Deadline = 30 * time.Second // sooner than the answer wants to go on
			out := b.slice(task)
			if want := epoch.Add(task.Deadline); out.Kind != flow.Sleeping || !out.Until.Equal(want) {
				t.Fatalf("got %+v, want to sleep until the deadline at %s", out, want)
			}
			b.now = out.Until.Add(tt.late)
			out = b.slice(task)
			if tt.want == "" {
				if out.Kind != flow.Finished {
					t.Errorf("got %+v, want it finished", out)
				}
				return
			}
			var err *flow.DeadlineError
			if !errors.As(out.Err, &err) || err.Error() != tt.want || err.Task != "a" {
				t.Fatalf("got %+v, want %s", out, tt.want)
			}
			if err.Last != nil && err.Waiting != "a server" {
				t.Errorf("does not say what it waited for before the error: %+v", err)
			}
			if b.state.Steps["a"].Error != tt.want {
				t.Errorf("state has %q", b.state.Steps["a"].Error)
			}
		})
	}
}
