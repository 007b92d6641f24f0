package flow_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/jeroboam-cloud/jeroboam/conductor/flow"
)

// plan is a random graph: per task, what it needs and what it answers at each run.
type plan struct {
	needs    [][]int
	answers  [][]flow.Result
	deadline time.Duration
}

func drawPlan(t *rapid.T, failures bool) plan {
	n := rapid.IntRange(0, 12).Draw(t, "tasks")
	p := plan{needs: make([][]int, n), answers: make([][]flow.Result, n), deadline: time.Duration(rapid.IntRange(1, 60).Draw(t, "deadline")) * time.Second}
	kinds := []string{"done", "done", "continue", "transient"}
	if failures {
		kinds = append(kinds, "failed", "nothing")
	}
	for i := range n {
		for j := range i {
			if rapid.IntRange(0, 3).Draw(t, "edge") == 0 {
				p.needs[i] = append(p.needs[i], j)
			}
		}
		for range rapid.IntRange(0, 4).Draw(t, "answers") {
			p.answers[i] = append(p.answers[i], answer(rapid.SampledFrom(kinds).Draw(t, "kind"), rapid.IntRange(0, 9).Draw(t, "after")))
		}
		p.answers[i] = append(p.answers[i], flow.Done())
	}
	return p
}

func answer(kind string, n int) flow.Result {
	switch kind {
	case "continue":
		return flow.Continue(time.Duration(n)*time.Second, fmt.Sprint("thing ", n%3))
	case "transient":
		return flow.Transient(fmt.Errorf("error %d", n))
	case "failed":
		return flow.Failed(errors.New("fault"))
	case "nothing":
		return flow.Result{}
	}
	return flow.Done()
}

// world runs a plan and checks at every run of a task what has to hold.
type world struct {
	plan     plan
	mu       sync.Mutex
	runs     []int
	finished []bool
	inFlight int
	parallel int
	wrong    []string
}

func (w *world) graph() *flow.Graph {
	g := flow.New()
	for i := range w.plan.needs {
		task := flow.Task{Name: fmt.Sprint("t", i), Deadline: w.plan.deadline, Run: func(context.Context) flow.Result { return w.run(i) }}
		for _, j := range w.plan.needs[i] {
			task.Needs = append(task.Needs, fmt.Sprint("t", j))
		}
		g.Add(task)
	}
	return g
}

func (w *world) run(i int) flow.Result {
	w.mu.Lock()
	w.inFlight++
	if w.inFlight > w.parallel {
		w.wrong = append(w.wrong, fmt.Sprintf("%d tasks at once", w.inFlight))
	}
	for _, j := range w.plan.needs[i] {
		if !w.finished[j] {
			w.wrong = append(w.wrong, fmt.Sprintf("t%d ran before t%d was done", i, j))
		}
	}
	if w.finished[i] {
		w.wrong = append(w.wrong, fmt.Sprintf("t%d ran after it was done", i))
	}
	result := w.plan.answers[i][min(w.runs[i], len(w.plan.answers[i])-1)]
	w.runs[i]++
	w.mu.Unlock()

	w.mu.Lock()
	defer w.mu.Unlock()
	w.inFlight--
	if cmp.Equal(result, flow.Done(), cmp.AllowUnexported(flow.Result{})) {
		w.finished[i] = true
	}
	return result
}

// play runs slices until the end and returns the last outcome, the state and the events. Through JSON, every slice has
// a runner, a graph and a state of its own, as if another conductor had taken over.
func play(t *rapid.T, p plan, parallel int, throughJSON bool) (flow.Outcome, flow.State, []string) {
	w := &world{plan: p, runs: make([]int, len(p.needs)), finished: make([]bool, len(p.needs)), parallel: parallel}
	now, g, st := epoch, w.graph(), flow.State{}
	var events []string
	for slices := 0; ; slices++ {
		if slices > 1000 {
			t.Fatal("does not come to an end")
		}
		if throughJSON {
			g, st = w.graph(), viaJSON(t, st)
		}
		r := flow.Runner{Clock: func() time.Time { return now }, Jitter: func() float64 { return 0.5 }, Parallel: parallel,
			Observer: func(e flow.Event) { events = append(events, describe(e)) }}
		before := viaJSON(t, st)
		runs := total(w.runs)
		out := r.Slice(context.Background(), g, &st)
		for _, s := range w.wrong {
			t.Error(s)
		}
		if changed := !cmp.Equal(before, viaJSON(t, st)); changed != out.Changed || changed && total(w.runs) == runs {
			t.Fatalf("%d runs, state changed: %v, said: %v", total(w.runs)-runs, changed, out.Changed)
		}
		if out.Kind != flow.Sleeping {
			return out, st, events
		}
		if out.Until.Before(now) {
			t.Fatalf("sleeps until %s at %s", out.Until, now)
		}
		now = out.Until
	}
}

func total(counts []int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

func viaJSON(t *rapid.T, st flow.State) (copied flow.State) {
	raw, err := json.Marshal(st)
	if err == nil {
		err = json.Unmarshal(raw, &copied)
	}
	if err != nil {
		t.Fatal(err)
	}
	return copied
}

func TestModelNeedsParallelismAndDone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPlan(t, true)
		out, st, _ := play(t, p, rapid.IntRange(1, 4).Draw(t, "parallel"), rapid.Bool().Draw(t, "json"))
		failed := 0
		for i := range p.needs {
			step := st.Steps[fmt.Sprint("t", i)]
			switch {
			case step == nil && out.Kind == flow.Finished:
				t.Errorf("finished without t%d", i)
			case step != nil && step.Status == flow.StatusFailed:
				failed++
			case step != nil && step.Status != flow.StatusDone && out.Kind == flow.Finished:
				t.Errorf("finished with t%d %s", i, step.Status)
			}
		}
		if (out.Kind == flow.Broken) != (failed > 0) || out.Kind == flow.Interrupted {
			t.Errorf("%d tasks failed, outcome %+v", failed, out)
		}
	})
}

func TestModelAnyRunnerCanGoOn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPlan(t, true) // one at a time, so that the order is the graph's
		out1, st1, events1 := play(t, p, 1, false)
		out2, st2, events2 := play(t, p, 1, true)
		if diff := cmp.Diff(out1, out2, cmp.Comparer(sameText)); diff != "" {
			t.Errorf("outcome:\n%s", diff)
		}
		if diff := cmp.Diff(viaJSON(t, st1), viaJSON(t, st2)); diff != "" {
			t.Errorf("state:\n%s", diff)
		}
		if diff := cmp.Diff(events1, events2); diff != "" {
			t.Errorf("events:\n%s", diff)
		}
	})
}

func TestModelParallelismChangesNoResult(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPlan(t, false)
		p.deadline = time.Hour
		out1, st1, _ := play(t, p, 1, false)
		out2, st2, _ := play(t, p, 4, true)
		if out1.Kind != flow.Finished || out2.Kind != flow.Finished {
			t.Errorf("got %+v and %+v", out1, out2)
		}
		if diff := cmp.Diff(viaJSON(t, st1), viaJSON(t, st2)); diff != "" {
			t.Errorf("state:\n%s", diff)
		}
	})
}
