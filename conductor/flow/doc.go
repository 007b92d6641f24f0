// Package flow carries an operation out as a graph of named tasks, in short slices.
//
// Code builds the graph anew from the desired state at every slice; what has happened so far is a State, which the
// caller keeps in the operation's row. A slice starts every task that can run now, lets it finish, starts what that has
// enabled, and returns when nothing more can be done at this time. It never sleeps: a task that waits for the cloud
// answers Continue, and the caller calls again when the Outcome says so, on this conductor or on another.
//
//	            ┌──────── Continue, Transient ────────┐
//	            ▼                                     │
//	pending ─► running ─► Run ─┬─► still time left ───┘
//	                           ├─► Done ─────────────────► done
//	                           └─► Failed, deadline over ─► failed
//
// The state is recorded after a slice, not within it: a crash makes the next slice run again what this one ran. So Run
// MUST be re-entrant: it looks at what is there before it makes anything.
package flow
