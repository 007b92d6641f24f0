package wire

import (
	"encoding/json"
	"time"

	"github.com/jeroboam-cloud/jeroboam/conductor/flow"
	"github.com/jeroboam-cloud/jeroboam/db"
)

// Moment is a time with milliseconds, for what follows one another within a second.
func Moment(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000+00:00") }

func momentOrNull(t *time.Time) *string {
	if t == nil || t.IsZero() {
		return nil
	}
	s := Moment(*t)
	return &s
}

// Operation is something that a conductor does, or did, to a cluster.
type Operation struct {
	UUID            string  `json:"uuid"`
	Kind            string  `json:"kind"`
	ClusterID       string  `json:"cluster_id"`
	NodeGroupID     *string `json:"nodegroup_id"`
	Status          string  `json:"status"`
	Progress        int     `json:"progress"` // percent of the steps that are done
	Steps           []Step  `json:"steps"`    // in the order in which they can run; empty until the first look at the cloud
	CancelRequested bool    `json:"cancel_requested"`
	ErrorClass      *string `json:"error_class"`
	Error           *string `json:"error"`
	// Leftovers are what a delete left in the cloud, with the reasons; a delete that is complete and has none left nothing.
	Leftovers  []db.Leftover `json:"leftovers"`
	RequestID  string        `json:"request_id"`
	ProjectID  string        `json:"project_id"`
	UserID     string        `json:"user_id"`
	CreatedAt  string        `json:"created_at"`
	StartedAt  *string       `json:"started_at"`
	FinishedAt *string       `json:"finished_at"`
	Links      []Link        `json:"links"`
}

// Step is one task of an operation.
type Step struct {
	Name       string  `json:"name"`
	Status     string  `json:"status"`
	Attempts   int     `json:"attempts"` // failures in a row that are tried again
	WaitingFor *string `json:"waiting_for"`
	Error      *string `json:"error"`
	StartedAt  *string `json:"started_at"`
	FinishedAt *string `json:"finished_at"`
}

// NewOperation views a row.
func NewOperation(o *db.Operation, base string) Operation {
	v := Operation{UUID: o.UUID, Kind: o.Kind, ClusterID: o.ClusterUUID, NodeGroupID: textOrNull(o.NodeGroupUUID), Status: o.Status, Steps: []Step{},
		CancelRequested: o.CancelRequested, ErrorClass: textOrNull(o.FaultClass), Error: textOrNull(o.Fault), RequestID: o.RequestID, ProjectID: o.ProjectID,
		UserID: o.UserID, CreatedAt: Moment(o.CreatedAt), StartedAt: momentOrNull(o.StartedAt), FinishedAt: momentOrNull(o.FinishedAt),
		Leftovers: append([]db.Leftover{}, o.Leftovers...), Links: Links(base, "clusters/"+o.ClusterUUID+"/operations/"+o.UUID)}
	var st flow.State
	if len(o.State) > 0 && json.Unmarshal(o.State, &st) == nil {
		done := 0
		for _, name := range st.Tasks {
			step := st.Step(name)
			if step.Status == flow.StatusDone {
				done++
			}
			v.Steps = append(v.Steps, newStep(name, step))
		}
		v.Progress = 100 * done / max(len(st.Tasks), 1)
	}
	if o.Status == db.OpComplete {
		v.Progress = 100
	}
	return v
}

func newStep(name string, s flow.Step) Step {
	return Step{Name: name, Status: string(s.Status), Attempts: s.Attempts, WaitingFor: textOrNull(s.Waiting), Error: textOrNull(s.Error),
		StartedAt: momentOrNull(&s.StartedAt), FinishedAt: momentOrNull(&s.FinishedAt)}
}

func textOrNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}
