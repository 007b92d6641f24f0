package wire

import "github.com/jeroboam-cloud/jeroboam/db"

// Event is one thing that happened to a cluster, in words for its user.
type Event struct {
	ID          int64   `json:"id"`
	Time        string  `json:"time"`
	Level       string  `json:"level"`
	Step        string  `json:"step"`
	Resource    *string `json:"resource"`
	Message     string  `json:"message"`
	OperationID string  `json:"operation_id"`
}

// NewEvent views a row.
func NewEvent(e *db.Event) Event {
	return Event{ID: e.ID, Time: Moment(e.Time), Level: e.Level, Step: e.Step, Resource: textOrNull(e.Resource), Message: e.Message, OperationID: e.OperationUUID}
}

// ClusterState is what the live stream tells of a cluster whenever it changes.
type ClusterState struct {
	UUID         string     `json:"uuid"`
	Status       string     `json:"status"`
	StatusReason *string    `json:"status_reason"`
	Operation    *Operation `json:"operation"` // the newest
}
