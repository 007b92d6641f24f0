package drivers

import (
	"errors"
	"fmt"
	"time"
)

// Result is what a driver answers. There are four answers and no others:
//
//	Done             it is so, and a second call changes nothing
//	Continue(d, w)   it was asked for and is not so yet: ask again after d; w says what is waited for
//	Failed(fault)    it will not become so without a change by somebody
//	Transient(err)   it could not be tried or seen now: try again, with back-off
type Result struct {
	kind    resultKind
	after   time.Duration
	waiting string
	remark  string
	err     error
}

type resultKind int

const (
	kindDone resultKind = iota
	kindContinue
	kindFailed
	kindTransient
)

// Done says that what was asked for is so.
func Done() Result { return Result{} }

// Remark adds to a Done what its user should know; every other answer is left as it is.
func (r Result) Remark(text string) Result {
	if r.kind == kindDone {
		r.remark = text
	}
	return r
}

// Remarked is what Remark added.
func (r Result) Remarked() string { return r.remark }

// Continue says that it is under way: ask again after d. Waiting names what is waited for, in words for a user.
func Continue(d time.Duration, waiting string, args ...any) Result {
	return Result{kind: kindContinue, after: d, waiting: fmt.Sprintf(waiting, args...)}
}

// Failed ends it: trying again changes nothing.
func Failed(class Class, format string, args ...any) Result {
	return Result{kind: kindFailed, err: &Fault{Class: class, Err: fmt.Errorf(format, args...)}}
}

// Transient asks for another try.
func Transient(err error) Result { return Result{kind: kindTransient, err: err} }

// FromError makes a Result of an error: nil is Done, a *Fault in the chain is Failed, everything else is Transient.
func FromError(err error) Result {
	var f *Fault
	switch {
	case err == nil:
		return Done()
	case errors.As(err, &f):
		return Result{kind: kindFailed, err: err}
	default:
		return Transient(err)
	}
}

// IsDone reports a Done.
func (r Result) IsDone() bool { return r.kind == kindDone }

// Err is the reason of a Failed or a Transient, nil otherwise.
func (r Result) Err() error { return r.err }

// Switch calls the function that belongs to the answer.
func (r Result) Switch(done func(), wait func(time.Duration, string), failed, transient func(error)) {
	switch r.kind {
	case kindDone:
		done()
	case kindContinue:
		wait(r.after, r.waiting)
	case kindFailed:
		failed(r.err)
	case kindTransient:
		transient(r.err)
	}
}

// String is for logs and tests.
func (r Result) String() string {
	switch r.kind {
	case kindContinue:
		return fmt.Sprintf("continue after %s: %s", r.after, r.waiting)
	case kindFailed:
		return "failed: " + r.err.Error()
	case kindTransient:
		return "transient: " + r.err.Error()
	default:
		return "done"
	}
}

// Class says whose a fault is, so that the reader knows what to do about it.
type Class string

// The classes of faults.
const (
	ClassUser     Class = "user"     // the request asks for what cannot be
	ClassQuota    Class = "quota"    // the project may not have more
	ClassCapacity Class = "capacity" // the cloud has no more
	ClassCloud    Class = "cloud"    // a service of the cloud fails
	ClassTimeout  Class = "timeout"  // it took longer than it may
	ClassInternal Class = "internal" // ours
)

// Fault is a failure that trying again does not cure.
type Fault struct {
	Class Class
	Err   error
}

func (f *Fault) Error() string { return f.Err.Error() }

// Unwrap gives the cause.
func (f *Fault) Unwrap() error { return f.Err }

// ClassOf finds the class of an error; what has none is ours.
func ClassOf(err error) Class {
	var f *Fault
	if errors.As(err, &f) {
		return f.Class
	}
	return ClassInternal
}
