package db

import (
	"time"

	"github.com/uptrace/bun"
)

// Resource is a row of resource, the ledger: one cloud object that belongs to a cluster, written before it is asked for.
type Resource struct {
	bun.BaseModel `bun:"table:resource,alias:r"`

	ID            int64   `bun:"id,pk,autoincrement"`
	ClusterUUID   string  `bun:"cluster_uuid"`
	Kind          string  `bun:"kind"`     // server, port, network, …: package drivers names them
	Name          string  `bun:"name"`     // deterministic; unique with cluster and kind
	CloudID       string  `bun:"cloud_id"` // "" while it is only intended
	Node          string  `bun:"node"`     // name of the node it belongs to, "" for the cluster's own
	OperationUUID string  `bun:"operation_uuid"`
	Epoch         int64   `bun:"epoch"`
	Attrs         Strings `bun:"attrs,type:text"` // what later steps need of it: addresses and such

	CreatedAt time.Time  `bun:"created_at"`
	UpdatedAt *time.Time `bun:"updated_at"`
}
