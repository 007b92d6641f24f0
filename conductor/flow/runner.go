package flow

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"time"
)

const (
	firstRetry   = time.Second
	defaultRetry = 30 * time.Second
	// The precision of times in the state: it survives JSON and every database.
	precision = time.Millisecond
)

// Runner runs slices of graphs. Its zero value runs one task at a time. It keeps nothing: any runner can run the next
// slice of a state, and one runner can run several states at once.
type Runner struct {
	Clock    func() time.Time // nil stands for time.Now
	Jitter   func() float64   // in [0,1); nil stands for math/rand
	Parallel int              // how many tasks run at once; less than one stands for one
	// Slack: tasks that wait for something and are due within it are run with one that is due now, so that those which look at
	// the same thing do so together. One that was in error waits all of its time.
	Slack    time.Duration
	Observer func(Event) // nil if nobody wants to know
}

// EventKind says which transition of a step an Event tells of.
type EventKind string

// The transitions of a step.
const (
	EventStarted EventKind = "started" // its first start
	EventWaiting EventKind = "waiting" // it waits for something else than before
	EventRetry   EventKind = "retry"   // a transient error: it will be run again
	EventDone    EventKind = "done"
	EventFailed  EventKind = "failed"
)

// Event is a transition of a step. The observer is told of each once, one after the other, from the goroutine of Slice;
// since a crash before the state is kept repeats the slice, events are best kept together with the state.
type Event struct {
	At      time.Time
	Task    string
	Kind    EventKind
	Waiting string // of EventWaiting
	Err     error  // of EventRetry and EventFailed
}

// OutcomeKind says how a slice ended.
type OutcomeKind string

// How a slice ends.
const (
	Finished    OutcomeKind = "finished"    // every task is done
	Sleeping    OutcomeKind = "sleeping"    // nothing can be done before Until
	Broken      OutcomeKind = "failed"      // Task has failed with Err
	Interrupted OutcomeKind = "interrupted" // the context ended
)

// Outcome is what a slice came to.
type Outcome struct {
	Kind    OutcomeKind
	Until   time.Time // of Sleeping
	Task    string    // of Broken
	Err     error     // of Broken: of the first task that failed, of this slice or of an earlier one
	Changed bool      // the state is not what it was before: only then it has to be kept
}

// Slice runs everything that can run now, and records it in the state: tasks whose needs are done and whose time has
// come, each at most once. After a failure nothing new is started, and what runs is let finish. After the end of the
// context nothing new is started either, and errors of tasks are not believed: the next slice runs those again.
func (r Runner) Slice(ctx context.Context, g *Graph, st *State) Outcome {
	if err := g.Build(); err != nil {
		return Outcome{Kind: Broken, Err: err}
	}
	s := newSlice(r, g, st)
	s.out.Changed = st.enlist(g)
	if s.out.Kind == Broken {
		return s.out
	}
	running := 0
	for {
		for running < s.r.Parallel && len(s.ready) > 0 && s.out.Kind != Broken && ctx.Err() == nil {
			s.start(ctx, s.ready[0])
			s.ready = s.ready[1:]
			running++
		}
		if running == 0 {
			return s.outcome(ctx)
		}
		end := <-s.ends
		running--
		s.record(end, ctx.Err() != nil)
	}
}

// slice is one slice under way. Only the goroutine of Slice touches it; tasks report through ends.
type slice struct {
	r        Runner
	g        *Graph
	st       *State
	blockers []int   // per task: how many of its needs are not done
	enables  [][]int // per task: which tasks need it
	ready    []int
	left     int // tasks that are not done
	ends     chan end
	out      Outcome
}

type end struct {
	task   int
	result Result
}

func newSlice(r Runner, g *Graph, st *State) *slice {
	r.Parallel = max(r.Parallel, 1)
	if r.Clock == nil {
		r.Clock = time.Now
	}
	if r.Jitter == nil {
		r.Jitter = rand.Float64
	}
	if r.Observer == nil {
		r.Observer = func(Event) {}
	}
	n := len(g.tasks)
	var soon []int
	s := &slice{r: r, g: g, st: st, blockers: make([]int, n), enables: make([][]int, n), left: n, ends: make(chan end, r.Parallel)}
	now := s.now()
	for i := range g.tasks {
		name := g.tasks[i].Name
		switch st.status(name) {
		case StatusDone:
			s.left--
			continue
		case StatusFailed:
			if s.out.Kind != Broken {
				s.out = Outcome{Kind: Broken, Task: name, Err: errors.New(st.Steps[name].Error)}
			}
			continue
		}
		for _, need := range g.needs[i] {
			if st.status(g.tasks[need].Name) != StatusDone {
				s.blockers[i]++
				s.enables[need] = append(s.enables[need], i)
			}
		}
		switch {
		case s.blockers[i] > 0:
		case s.waits(i, now) && st.Steps[name].Attempts == 0:
			soon = append(soon, i)
		default:
			s.queue(i, now)
		}
	}
	if len(s.ready) > 0 {
		now = now.Add(r.Slack)
	}
	for _, i := range soon {
		s.queue(i, now)
	}
	return s
}

// queue makes a task whose needs are done ready, or notes when it will be.
func (s *slice) queue(i int, now time.Time) {
	if s.waits(i, now) {
		s.sleepUntil(s.st.Steps[s.g.tasks[i].Name].NextAt)
		return
	}
	s.ready = append(s.ready, i)
}

// waits tells whether it is too early for another run of a task.
func (s *slice) waits(i int, now time.Time) bool {
	step := s.st.Steps[s.g.tasks[i].Name]
	return step != nil && step.NextAt.After(now)
}

func (s *slice) sleepUntil(t time.Time) {
	if s.out.Until.IsZero() || t.Before(s.out.Until) {
		s.out.Until = t
	}
}

func (s *slice) now() time.Time { return s.r.Clock().UTC().Truncate(precision) }

// start starts a run of a task.
func (s *slice) start(ctx context.Context, i int) {
	t := &s.g.tasks[i]
	if step := s.st.step(t.Name); step.StartedAt.IsZero() {
		step.Status, step.StartedAt = StatusRunning, s.now()
		s.out.Changed = true
		s.r.Observer(Event{At: step.StartedAt, Task: t.Name, Kind: EventStarted})
	}
	go func() {
		e := end{task: i, result: Failed(errNoResult)}
		defer func() { s.ends <- e }() // deferred, so that even runtime.Goexit is an end
		e.result = run(ctx, t)
	}()
}

// run turns a panic into a failure.
func run(ctx context.Context, t *Task) (result Result) {
	defer func() {
		if v := recover(); v != nil {
			result = Failed(&PanicError{Task: t.Name, Value: v, Stack: debug.Stack()})
		}
	}()
	return t.Run(ctx)
}

// record notes the end of a run.
func (s *slice) record(e end, interrupted bool) {
	t, result := &s.g.tasks[e.task], e.result
	if interrupted && result.err != nil {
		return
	}
	step, now := s.st.step(t.Name), s.now()
	before := *step
	defer func() { s.out.Changed = s.out.Changed || *step != before }()
	switch result.kind {
	case resultDone:
		*step = Step{Status: StatusDone, StartedAt: step.StartedAt, FinishedAt: now}
		s.r.Observer(Event{At: now, Task: t.Name, Kind: EventDone})
		s.done(e.task, now)
	case resultContinue:
		s.again(t, step, now, result)
	case resultTransient:
		s.again(t, step, now, result)
	case resultFailed:
		s.fail(t, step, now, result.err)
	default:
		s.fail(t, step, now, errNoResult)
	}
}

// done enables what needed only this task.
func (s *slice) done(i int, now time.Time) {
	s.left--
	for _, next := range s.enables[i] {
		if s.blockers[next]--; s.blockers[next] == 0 {
			s.queue(next, now)
		}
	}
}

// again plans the next run, or fails the task when its deadline is over. The last run is at the deadline, not before: a
// task whose aim was reached while nobody looked is done, however late.
func (s *slice) again(t *Task, step *Step, now time.Time, result Result) {
	deadline := step.StartedAt.Add(t.Deadline)
	if !now.Before(deadline) {
		if result.kind == resultContinue {
			step.Waiting = kept(result.waiting)
		}
		s.fail(t, step, now, &DeadlineError{Task: t.Name, Waiting: step.Waiting, Last: result.err})
		return
	}
	pause := result.after
	event := Event{At: now, Task: t.Name, Kind: EventWaiting, Waiting: result.waiting}
	silent := kept(result.waiting) == step.Waiting
	if result.kind == resultTransient {
		pause = backoff(step.Attempts, t.Retry, s.r.Jitter())
		event = Event{At: now, Task: t.Name, Kind: EventRetry, Err: result.err}
		step.Attempts, step.Error, silent = step.Attempts+1, kept(result.err.Error()), false
	} else {
		step.Attempts, step.Error, step.Waiting = 0, "", kept(result.waiting)
	}
	step.NextAt = now.Add(pause).Truncate(precision)
	if step.NextAt.After(deadline) {
		step.NextAt = deadline
	}
	s.sleepUntil(step.NextAt)
	if !silent {
		s.r.Observer(event)
	}
}

// kept is as much of a text as a state keeps: who says it may say anything.
func kept(text string) string {
	const most = 4 << 10
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most], "") + "…"
}

func (s *slice) fail(t *Task, step *Step, now time.Time, err error) {
	step.Status, step.FinishedAt, step.NextAt, step.Error = StatusFailed, now, time.Time{}, kept(err.Error())
	s.r.Observer(Event{At: now, Task: t.Name, Kind: EventFailed, Err: err})
	if s.out.Kind != Broken {
		s.out.Kind, s.out.Task, s.out.Err = Broken, t.Name, err
	}
}

func (s *slice) outcome(ctx context.Context) Outcome {
	out := s.out
	switch {
	case out.Kind == Broken:
	case s.left == 0:
		out.Kind = Finished
	case ctx.Err() != nil:
		out.Kind = Interrupted
	default:
		out.Kind = Sleeping
	}
	if out.Kind != Sleeping {
		out.Until = time.Time{}
	}
	return out
}

// backoff doubles from a second on, up to limit, and takes between half of that and all of it.
func backoff(attempts int, limit time.Duration, jitter float64) time.Duration {
	if limit == 0 {
		limit = defaultRetry
	}
	d := limit
	if attempts < 32 {
		d = min(firstRetry<<attempts, limit)
	}
	return d/2 + time.Duration(jitter*float64(d/2))
}
