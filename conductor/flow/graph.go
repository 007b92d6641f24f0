package flow

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Task is one step of an operation.
type Task struct {
	// Name is unique in the graph: the text of the progress, the key in the log and the label of metrics.
	Name string
	// Needs are the names of tasks, added before this one, that are done before this one starts.
	Needs []string
	// Deadline is counted from the first start of the task, over all its runs.
	Deadline time.Duration
	// Retry is the longest pause between a Transient and the next run; zero stands for 30 seconds.
	Retry time.Duration
	// Run does what can be done now, and answers. It MUST NOT wait for anything that takes longer than one call to the
	// cloud, MUST end soon after ctx, and MUST be re-entrant: it is run again after Continue, Transient and crashes.
	Run func(ctx context.Context) Result
}

// Graph is an acyclic graph of tasks: since a task can only need tasks that were added before it, no cycle can be
// expressed, and the order of adding is an order of running.
type Graph struct {
	tasks []Task
	needs [][]int // indexes of the needs of each task
	index map[string]int
	errs  []error
}

// New returns an empty graph.
func New() *Graph { return &Graph{index: make(map[string]int)} }

// Add adds a task. What is wrong with it is told by Build.
func (g *Graph) Add(t Task) {
	if err := g.add(t); err != nil {
		g.errs = append(g.errs, fmt.Errorf("add task %q: %w", t.Name, err))
	}
}

func (g *Graph) add(t Task) error {
	needs := make([]int, 0, len(t.Needs))
	seen := make(map[int]bool, len(t.Needs))
	for _, name := range t.Needs {
		i, ok := g.index[name]
		if !ok {
			return fmt.Errorf("needs %q, which has not been added before it", name)
		}
		if !seen[i] { // a need named twice is one need
			seen[i] = true
			needs = append(needs, i)
		}
	}
	switch _, duplicate := g.index[t.Name]; {
	case t.Name == "":
		return errors.New("has no name")
	case duplicate:
		return errors.New("name is taken")
	case t.Run == nil:
		return errors.New("has nothing to run")
	case t.Deadline <= 0:
		return errors.New("has no deadline")
	case t.Retry < 0:
		return errors.New("has a negative pause between retries")
	}
	g.index[t.Name] = len(g.tasks)
	g.tasks = append(g.tasks, t)
	g.needs = append(g.needs, needs)
	return nil
}

// Build reports everything that is wrong with the graph. Slice runs nothing of a graph that has an error.
func (g *Graph) Build() error { return errors.Join(g.errs...) }

// Len tells how many tasks the graph has.
func (g *Graph) Len() int { return len(g.tasks) }
