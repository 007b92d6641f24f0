package db

import (
	"time"

	"github.com/uptrace/bun"
)

// Event is a row of event: one thing that happened to a cluster, in words for its user.
type Event struct {
	bun.BaseModel `bun:"table:event,alias:e"`

	ID            int64     `bun:"id,pk,autoincrement"`
	ClusterUUID   string    `bun:"cluster_uuid"`
	OperationUUID string    `bun:"operation_uuid"`
	Time          time.Time `bun:"time"`
	Level         string    `bun:"level"` // info, warning, error
	Step          string    `bun:"step"`
	Resource      string    `bun:"resource"`
	Message       string    `bun:"message"`
}
