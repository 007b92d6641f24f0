package flow_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jeroboam-cloud/jeroboam/conductor/flow"
)

func done(context.Context) flow.Result { return flow.Done() }

func TestBuild(t *testing.T) {
	task := func(name string, needs ...string) flow.Task {
		return flow.Task{Name: name, Needs: needs, Deadline: time.Minute, Run: done}
	}
	for _, tt := range []struct {
		name  string
		tasks []flow.Task
		want  []string // parts of the error; none: it is right
	}{
		{name: "empty"},
		{name: "a diamond", tasks: []flow.Task{task("a"), task("b", "a"), task("c", "a"), task("d", "b", "c")}},
		{name: "a need named twice", tasks: []flow.Task{task("a"), task("b", "a", "a")}},
		{name: "needs what comes later", tasks: []flow.Task{task("a", "b"), task("b")}, want: []string{`"a"`, `needs "b"`}},
		{name: "needs itself", tasks: []flow.Task{task("a", "a")}, want: []string{`needs "a"`}},
		{name: "needs what is unknown", tasks: []flow.Task{task("a"), task("b", "x")}, want: []string{`"b"`, `needs "x"`}},
		{name: "a name twice", tasks: []flow.Task{task("a"), task("a")}, want: []string{`"a"`, "taken"}},
		{name: "no name", tasks: []flow.Task{task("")}, want: []string{"no name"}},
		{name: "no deadline", tasks: []flow.Task{{Name: "a", Run: done}}, want: []string{"no deadline"}},
		{name: "nothing to run", tasks: []flow.Task{{Name: "a", Deadline: 1}}, want: []string{"nothing to run"}},
		{name: "a negative retry", tasks: []flow.Task{{Name: "a", Deadline: 1, Retry: -1, Run: done}}, want: []string{"negative"}},
		{name: "all errors at once", tasks: []flow.Task{task("a", "x"), task("")}, want: []string{`needs "x"`, "no name"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := flow.New()
			for _, task := range tt.tasks {
				g.Add(task)
			}
			err := g.Build()
			if (err != nil) != (len(tt.want) > 0) {
				t.Fatalf("got error %v, want %q", err, tt.want)
			}
			for _, part := range tt.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q does not say %q", err, part)
				}
			}
		})
	}
}

func TestSliceRefusesAWrongGraph(t *testing.T) {
	g := flow.New()
	g.Add(flow.Task{Name: "a", Deadline: time.Minute, Run: func(context.Context) flow.Result {
		t.Error("a task of a wrong graph was run")
		return flow.Done()
	}})
	g.Add(flow.Task{Name: "b", Needs: []string{"x"}, Deadline: time.Minute, Run: done})
	var st flow.State
	out := flow.Runner{}.Slice(t.Context(), g, &st)
	if out.Kind != flow.Broken || out.Err == nil || out.Changed || len(st.Steps) != 0 {
		t.Errorf("got %+v with state %+v", out, st)
	}
}
