package flow_test

import (
	"errors"
	"maps"
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

func TestTasksThatAreDueSoonRunWithThoseThatAreDue(t *testing.T) {
	b := newBench(t)
	tasks := []flow.Task{
		b.script("first", nil, flow.Continue(time.Second, "x"), flow.Continue(time.Minute, "x")),
		b.script("second", nil, flow.Continue(1400*time.Millisecond, "y"), flow.Continue(time.Minute, "y")),
		b.script("late", nil, flow.Continue(1600*time.Millisecond, "z"), flow.Continue(time.Minute, "z")),
		b.script("in error", nil, flow.Transient(errors.New("boom"))),
	}
	b.slice(tasks...)
	b.state.Steps["in error"].NextAt = epoch.Add(1200 * time.Millisecond)
	for _, at := range []struct {
		after, slack time.Duration
		runs         map[string]int
		until        time.Duration
	}{
		{900 * time.Millisecond, time.Second, map[string]int{}, time.Second}, // nothing is due
		{time.Second, 500 * time.Millisecond, map[string]int{"first": 1, "second": 1}, 1200 * time.Millisecond},
	} {
		b.now, b.runs, b.runner.Slack = epoch.Add(at.after), map[string]int{"first": 1, "second": 1, "late": 1, "in error": 1}, at.slack // as after the first slice
		before := maps.Clone(b.runs)
		out := b.slice(tasks...)
		for name, n := range before {
			if n = b.runs[name] - n; n != at.runs[name] {
				t.Errorf("after %s %q ran %d times", at.after, name, n)
			}
		}
		if got := out.Until.Sub(epoch); out.Kind != flow.Sleeping || got != at.until {
			t.Errorf("after %s: %s until %s", at.after, out.Kind, got)
		}
	}
}
