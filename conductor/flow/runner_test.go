package flow_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/jeroboam-cloud/jeroboam/conductor/flow"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// bench drives graphs whose tasks answer from scripts, on a clock of its own.
type bench struct {
	t      testing.TB
	now    time.Time
	runner flow.Runner
	state  flow.State
	events []string
	mu     sync.Mutex
	runs   map[string]int
}

func newBench(t testing.TB) *bench {
	b := &bench{t: t, now: epoch, runs: map[string]int{}}
	b.runner = flow.Runner{
		Clock:    func() time.Time { return b.now },
		Jitter:   func() float64 { return 1 },
		Observer: func(e flow.Event) { b.events = append(b.events, describe(e)) },
	}
	return b
}

func describe(e flow.Event) string {
	s := fmt.Sprintf("%s %s", e.Task, e.Kind)
	if e.Waiting != "" {
		s += " " + e.Waiting
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// script is a task that gives these answers, one at a run, and then the last one for ever.
func (b *bench) script(name string, needs []string, results ...flow.Result) flow.Task {
	return flow.Task{Name: name, Needs: needs, Deadline: time.Hour, Run: func(context.Context) flow.Result {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.runs[name]++
		return results[min(b.runs[name], len(results))-1]
	}}
}

func (b *bench) slice(tasks ...flow.Task) flow.Outcome {
	b.t.Helper()
	g := flow.New()
	for _, task := range tasks {
		g.Add(task)
	}
	if err := g.Build(); err != nil {
		b.t.Fatal(err)
	}
	return b.runner.Slice(b.t.Context(), g, &b.state)
}

func (b *bench) wantEvents(want ...string) {
	b.t.Helper()
	if diff := cmp.Diff(want, b.events); diff != "" {
		b.t.Errorf("events (-want +got):\n%s", diff)
	}
	b.events = nil
}

func needs(names ...string) []string { return names }

func TestSlice(t *testing.T) {
	boom := errors.New("boom")
	for _, tt := range []struct {
		name   string
		tasks  func(b *bench) []flow.Task
		want   flow.Outcome
		runs   map[string]int
		events []string
	}{
		{
			name:  "no tasks are a finished graph",
			tasks: func(*bench) []flow.Task { return nil },
			want:  flow.Outcome{Kind: flow.Finished},
			runs:  map[string]int{},
		},
		{
			name: "what a task enables runs in the same slice",
			tasks: func(b *bench) []flow.Task {
				return []flow.Task{b.script("a", nil, flow.Done()), b.script("b", needs("a"), flow.Done()), b.script("c", needs("a", "b"), flow.Done())}
			},
			want:   flow.Outcome{Kind: flow.Finished, Changed: true},
			runs:   map[string]int{"a": 1, "b": 1, "c": 1},
			events: []string{"a started", "a done", "b started", "b done", "c started", "c done"},
		},
		{
			name: "a waiting task holds up only what needs it, and the nearest time is slept until",
			tasks: func(b *bench) []flow.Task {
				return []flow.Task{
					b.script("a", nil, flow.Continue(time.Minute, "a server")), b.script("b", needs("a"), flow.Done()),
					b.script("c", nil, flow.Continue(20*time.Second, "a port")), b.script("d", nil, flow.Done()),
				}
			},
			want:   flow.Outcome{Kind: flow.Sleeping, Until: epoch.Add(20 * time.Second), Changed: true},
			runs:   map[string]int{"a": 1, "c": 1, "d": 1},
			events: []string{"a started", "a waiting a server", "c started", "c waiting a port", "d started", "d done"},
		},
		{
			name:   "a task that wants to go on at once goes on in the next slice",
			tasks:  func(b *bench) []flow.Task { return []flow.Task{b.script("a", nil, flow.Continue(-time.Second, ""))} },
			want:   flow.Outcome{Kind: flow.Sleeping, Until: epoch, Changed: true},
			runs:   map[string]int{"a": 1},
			events: []string{"a started"},
		},
		{
			name:   "a transient error is tried again",
			tasks:  func(b *bench) []flow.Task { return []flow.Task{b.script("a", nil, flow.Transient(boom))} },
			want:   flow.Outcome{Kind: flow.Sleeping, Until: epoch.Add(time.Second), Changed: true},
			runs:   map[string]int{"a": 1},
			events: []string{"a started", "a retry: boom"},
		},
		{
			name: "after a failure nothing new starts",
			tasks: func(b *bench) []flow.Task {
				return []flow.Task{b.script("a", nil, flow.Failed(boom)), b.script("b", nil, flow.Done()), b.script("c", needs("a"), flow.Done())}
			},
			want:   flow.Outcome{Kind: flow.Broken, Task: "a", Err: boom, Changed: true},
			runs:   map[string]int{"a": 1},
			events: []string{"a started", "a failed: boom"},
		},
		{
			name:   "no answer is a failure",
			tasks:  func(b *bench) []flow.Task { return []flow.Task{b.script("a", nil, flow.Result{})} },
			want:   flow.Outcome{Kind: flow.Broken, Task: "a", Err: errors.New("the task ended without a result"), Changed: true},
			runs:   map[string]int{"a": 1},
			events: []string{"a started", "a failed: the task ended without a result"},
		},
		{
			name:   "a failure without a reason",
			tasks:  func(b *bench) []flow.Task { return []flow.Task{b.script("a", nil, flow.Failed(nil))} },
			want:   flow.Outcome{Kind: flow.Broken, Task: "a", Err: errors.New("no reason given"), Changed: true},
			runs:   map[string]int{"a": 1},
			events: []string{"a started", "a failed: no reason given"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			got := b.slice(tt.tasks(b)...)
			if diff := cmp.Diff(tt.want, got, cmp.Comparer(sameText)); diff != "" {
				t.Errorf("outcome (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.runs, b.runs); diff != "" {
				t.Errorf("runs (-want +got):\n%s", diff)
			}
			b.wantEvents(tt.events...)
		})
	}
}

func sameText(a, b error) bool { return fmt.Sprint(a) == fmt.Sprint(b) }

func TestASecondSliceOfAnEndedGraphDoesNothing(t *testing.T) {
	for _, tt := range []struct {
		name string
		last flow.Result
		want flow.OutcomeKind
	}{
		{name: "finished", last: flow.Done(), want: flow.Finished},
		{name: "failed", last: flow.Failed(errors.New("boom")), want: flow.Broken},
		{name: "asleep", last: flow.Continue(time.Hour, "a server"), want: flow.Sleeping},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			tasks := []flow.Task{b.script("a", nil, flow.Done()), b.script("b", needs("a"), tt.last)}
			first := b.slice(tasks...)
			before, _ := json.Marshal(b.state)
			b.events = nil
			b.now = b.now.Add(time.Second)
			second := b.slice(tasks...)
			after, _ := json.Marshal(b.state)
			if !first.Changed || second.Changed {
				t.Errorf("changed: %v, then %v", first.Changed, second.Changed)
			}
			first.Changed = false
			if diff := cmp.Diff(first, second, cmp.Comparer(sameText)); diff != "" || second.Kind != tt.want {
				t.Errorf("want %s again (-first +second):\n%s", tt.want, diff)
			}
			if string(before) != string(after) || b.runs["a"]+b.runs["b"] != 2 {
				t.Errorf("state was %s, is %s; runs %v", before, after, b.runs)
			}
			b.wantEvents()
		})
	}
}

func TestPanicIsAFailureWithoutItsStack(t *testing.T) {
	for _, tt := range []struct {
		name string
		run  func(context.Context) flow.Result
		want string
	}{
		{name: "panic", run: func(context.Context) flow.Result { panic("password is x") }, want: `task "a" panicked`},
		{name: "the goroutine ends", run: func(context.Context) flow.Result { runtime.Goexit(); return flow.Done() }, want: "the task ended without a result"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			out := b.slice(flow.Task{Name: "a", Deadline: time.Minute, Run: tt.run})
			if out.Kind != flow.Broken || out.Err.Error() != tt.want || b.state.Steps["a"].Error != tt.want {
				t.Errorf("got %+v and %+v, want %q", out, b.state.Steps["a"], tt.want)
			}
			var p *flow.PanicError
			if errors.As(out.Err, &p) && (p.Value != "password is x" || !strings.Contains(string(p.Stack), "runner_test.go")) {
				t.Errorf("the log gets value %v and stack %s", p.Value, p.Stack)
			}
		})
	}
}

func TestParallelTasksRunSideBySideAndFinishAfterAFailure(t *testing.T) {
	b := newBench(t)
	b.runner.Parallel = 3
	var all sync.WaitGroup
	all.Add(3)
	failed := make(chan struct{})
	together := func(result flow.Result, after <-chan struct{}) func(context.Context) flow.Result {
		return func(context.Context) flow.Result {
			all.Done()
			all.Wait() // hangs unless all three run at once
			<-after
			return result
		}
	}
	closed := make(chan struct{})
	close(closed)
	b.runner.Observer = func(e flow.Event) {
		if e.Kind == flow.EventFailed {
			close(failed)
		}
	}
	out := b.slice(
		flow.Task{Name: "a", Deadline: time.Minute, Run: together(flow.Failed(errors.New("boom")), closed)},
		flow.Task{Name: "b", Deadline: time.Minute, Run: together(flow.Done(), failed)},
		flow.Task{Name: "c", Deadline: time.Minute, Run: together(flow.Continue(time.Second, "x"), failed)},
		b.script("d", nil, flow.Done()),
	)
	if out.Kind != flow.Broken || out.Task != "a" {
		t.Errorf("got %+v", out)
	}
	got := map[string]flow.Status{}
	for name, step := range b.state.Steps {
		got[name] = step.Status
	}
	want := map[string]flow.Status{"a": flow.StatusFailed, "b": flow.StatusDone, "c": flow.StatusRunning}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("statuses (-want +got):\n%s", diff)
	}
}

func TestInterrupted(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer func(ctx context.Context) flow.Result
		want   flow.Status
		kind   flow.OutcomeKind
	}{
		{name: "a failure is not believed", answer: func(ctx context.Context) flow.Result { return flow.Failed(ctx.Err()) }, want: flow.StatusRunning, kind: flow.Interrupted},
		{name: "nor a transient error", answer: func(ctx context.Context) flow.Result { return flow.Transient(ctx.Err()) }, want: flow.StatusRunning, kind: flow.Interrupted},
		{name: "done is done, but enables nothing", answer: func(context.Context) flow.Result { return flow.Done() }, want: flow.StatusDone, kind: flow.Interrupted},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t)
			ctx, cancel := context.WithCancel(t.Context())
			g := flow.New()
			g.Add(flow.Task{Name: "a", Deadline: time.Minute, Run: func(ctx context.Context) flow.Result {
				cancel()
				return tt.answer(ctx)
			}})
			g.Add(b.script("b", needs("a"), flow.Done()))
			out := b.runner.Slice(ctx, g, &b.state)
			if out.Kind != tt.kind || b.runs["b"] != 0 {
				t.Errorf("got %+v, runs %v", out, b.runs)
			}
			if step := b.state.Steps["a"]; step.Status != tt.want || step.Attempts != 0 || step.Error != "" {
				t.Errorf("got step %+v, want it %s", step, tt.want)
			}
			b.events = nil
			if out := b.runner.Slice(ctx, g, &b.state); out.Kind != flow.Interrupted || out.Changed {
				t.Errorf("with an ended context: got %+v", out)
			}
			b.wantEvents()
		})
	}
}

func TestTheGraphMayChangeBetweenSlices(t *testing.T) {
	b := newBench(t)
	b.slice(b.script("a", nil, flow.Done()), b.script("gone", nil, flow.Failed(errors.New("boom"))))
	b.events = nil
	out := b.slice(b.script("a", nil, flow.Done()), b.script("new", needs("a"), flow.Done()))
	if out.Kind != flow.Finished {
		t.Errorf("got %+v", out)
	}
	b.wantEvents("new started", "new done")
}

func TestProgress(t *testing.T) {
	b := newBench(t)
	g := flow.New()
	g.Add(b.script("a", nil, flow.Done()))
	g.Add(b.script("b", nil, flow.Continue(time.Second, "server w-0")))
	g.Add(b.script("c", nil, flow.Transient(errors.New("503"))))
	g.Add(b.script("d", needs("b"), flow.Done()))
	b.runner.Slice(t.Context(), g, &b.state)
	b.state.Steps["gone"] = &flow.Step{Status: flow.StatusDone}
	finished, total, running, waiting := flow.Progress(g, &b.state)
	if finished != 1 || total != 4 || !cmp.Equal(running, []string{"b", "c"}) || !cmp.Equal(waiting, []string{"server w-0"}) {
		t.Errorf("got %d of %d, running %v, waiting for %v", finished, total, running, waiting)
	}
}
