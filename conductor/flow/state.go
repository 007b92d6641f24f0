package flow

import (
	"slices"
	"time"
)

// Status of a step.
type Status string

// The statuses of a step. A step that is not in the state is pending.
const (
	StatusPending Status = "pending"
	StatusRunning Status = "running" // started, and not at its end: between two slices nothing of it runs
	StatusDone    Status = "done"
	StatusFailed  Status = "failed"
)

// State is what has happened to the tasks so far, by name. The zero State is that of an operation that has not begun.
// It may hold steps that the graph no longer has: they are left alone.
type State struct {
	// Tasks are the names of all tasks in the order of the graph, those that have not begun among them: who reads the state
	// has no graph. Tasks that were in an earlier slice's graph and have begun stay.
	Tasks []string         `json:"tasks,omitempty"`
	Steps map[string]*Step `json:"steps,omitempty"`
}

// Step tells what has happened to the task of that name: the zero Step, pending, when it has not begun.
func (st *State) Step(name string) Step {
	if s := st.Steps[name]; s != nil {
		return *s
	}
	return Step{Status: StatusPending}
}

// enlist makes Tasks those of the graph, with what has begun and is no longer in it in front, and tells whether that
// changed anything.
func (st *State) enlist(g *Graph) bool {
	tasks := make([]string, 0, len(g.tasks))
	for _, name := range st.Tasks {
		if _, ok := g.index[name]; !ok && st.Steps[name] != nil {
			tasks = append(tasks, name)
		}
	}
	for i := range g.tasks {
		tasks = append(tasks, g.tasks[i].Name)
	}
	if slices.Equal(tasks, st.Tasks) {
		return false
	}
	st.Tasks = tasks
	return true
}

// Step is what has happened to one task.
type Step struct {
	Status     Status    `json:"status"`
	StartedAt  time.Time `json:"started_at,omitzero"`
	FinishedAt time.Time `json:"finished_at,omitzero"`
	NextAt     time.Time `json:"next_at,omitzero"`   // not to be run before
	Attempts   int       `json:"attempts,omitempty"` // transient errors in a row
	Waiting    string    `json:"waiting,omitempty"`  // what it waits for
	Error      string    `json:"error,omitempty"`    // the last error
}

// step returns the step of that name, which it adds if there is none.
func (st *State) step(name string) *Step {
	s := st.Steps[name]
	if s == nil {
		s = &Step{Status: StatusPending}
		if st.Steps == nil {
			st.Steps = make(map[string]*Step)
		}
		st.Steps[name] = s
	}
	return s
}

func (st *State) status(name string) Status {
	if s := st.Steps[name]; s != nil {
		return s.Status
	}
	return StatusPending
}

// Progress tells how many tasks of the graph are done, which have been started and are not at their end, and what these
// wait for; the latter two in the order of the graph.
func Progress(g *Graph, st *State) (done, total int, running, waiting []string) {
	for i := range g.tasks {
		name := g.tasks[i].Name
		switch st.status(name) {
		case StatusDone:
			done++
		case StatusRunning:
			running = append(running, name)
			if w := st.Steps[name].Waiting; w != "" {
				waiting = append(waiting, w)
			}
		}
	}
	return done, len(g.tasks), running, waiting
}
