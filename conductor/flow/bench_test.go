package flow_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/jeroboam-cloud/jeroboam/conductor/flow"
)

// wide is the shape of a big cluster: something first, a thousand nodes side by side, something last.
func wide(run func(i int) flow.Task) *flow.Graph {
	g := flow.New()
	g.Add(flow.Task{Name: "network", Deadline: time.Hour, Run: done})
	last := flow.Task{Name: "ready", Deadline: time.Hour, Run: done}
	for i := range 1000 {
		t := run(i)
		t.Name, t.Needs = fmt.Sprintf("node w-%d", i), []string{"network"}
		last.Needs = append(last.Needs, t.Name)
		g.Add(t)
	}
	g.Add(last)
	return g
}

func BenchmarkSlice(b *testing.B) {
	r := flow.Runner{Parallel: 32}
	g := wide(func(int) flow.Task { return flow.Task{Deadline: time.Hour, Run: done} })
	b.Run("first", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if out := r.Slice(b.Context(), g, &flow.State{}); out.Kind != flow.Finished {
				b.Fatalf("got %+v", out)
			}
		}
	})
	b.Run("finished", func(b *testing.B) {
		var st flow.State
		r.Slice(b.Context(), g, &st)
		b.ReportAllocs()
		for b.Loop() {
			if out := r.Slice(b.Context(), g, &st); out.Kind != flow.Finished || out.Changed {
				b.Fatalf("got %+v", out)
			}
		}
	})
}
