package flow

import (
	"errors"
	"fmt"
	"time"
)

// Result is what a run of a task answers: Done, Continue, Failed or Transient, and nothing else.
type Result struct {
	kind    resultKind
	after   time.Duration
	waiting string
	err     error
}

type resultKind int

const (
	resultNone resultKind = iota // the zero Result: a bug of the task
	resultDone
	resultContinue
	resultFailed
	resultTransient
)

// Done says that the task has reached its aim. It is not run again.
func Done() Result { return Result{kind: resultDone} }

// Continue says that the task waits: run it again after that time. waitingFor is shown to users: «server w-0 to be active».
func Continue(after time.Duration, waitingFor string) Result {
	return Result{kind: resultContinue, after: max(after, 0), waiting: waitingFor}
}

// Failed says that the task cannot reach its aim, and ends the operation. The caller types the error.
func Failed(err error) Result {
	if err == nil {
		err = errNoReason
	}
	return Result{kind: resultFailed, err: err}
}

// Transient says that something went wrong that may go right the next time: the task is run again after an
// exponentially growing pause, until its deadline is over.
func Transient(err error) Result {
	if err == nil {
		err = errNoReason
	}
	return Result{kind: resultTransient, err: err}
}

var (
	errNoReason = errors.New("no reason given")
	errNoResult = errors.New("the task ended without a result")
)

// DeadlineError says that a task did not reach its aim in time.
type DeadlineError struct {
	Task    string
	Waiting string // what it waited for in the end, if it did
	Last    error  // the last transient error, if it ended with one
}

func (e *DeadlineError) Error() string {
	switch {
	case e.Last != nil:
		return fmt.Sprintf("task %q was not done in time: last error: %v", e.Task, e.Last)
	case e.Waiting != "":
		return fmt.Sprintf("task %q was not done in time: waited for %s", e.Task, e.Waiting)
	}
	return fmt.Sprintf("task %q was not done in time", e.Task)
}

func (e *DeadlineError) Unwrap() error { return e.Last }

// PanicError says that a task panicked. Value and Stack are for the log; the text, which users may see, has neither.
type PanicError struct {
	Task  string
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("task %q panicked", e.Task) }
