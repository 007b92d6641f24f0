package db

import (
	"database/sql/driver"
	"time"

	"github.com/uptrace/bun"
)

// States of a node's row.
const (
	NodeWanted   = "wanted"   // shall exist and be in the cluster
	NodeRemoving = "removing" // shall be drained and gone; the row goes last
)

// Node is a row of node: one host that a node group wants or is giving up. What exists of it in the cloud is in the ledger.
type Node struct {
	bun.BaseModel `bun:"table:node,alias:n"`

	ID            int64      `bun:"id,pk,autoincrement"`
	UUID          string     `bun:"uuid"`
	ClusterUUID   string     `bun:"cluster_uuid"`
	NodeGroupUUID string     `bun:"nodegroup_uuid"`
	Name          string     `bun:"name"` // host, server and Kubernetes node name; unique in the cluster
	State         string     `bun:"state"`
	First         bool       `bun:"first"`    // the control plane that runs `kubeadm init`
	Replaces      string     `bun:"replaces"` // UUID of the node whose place it takes
	ImageID       string     `bun:"image_id"` // that its host is made of
	HostID        string     `bun:"host_id"`
	Addresses     List       `bun:"addresses,type:text"` // fixed first, then floating
	Ready         bool       `bun:"ready"`
	Version       string     `bun:"version"`
	Conditions    Conditions `bun:"conditions,type:text"` // as Kubernetes had them when it was last looked at

	UnhealthySince *time.Time `bun:"unhealthy_since"` // since when it was not seen ready; nil: it is, or was never

	CreatedAt time.Time  `bun:"created_at"`
	UpdatedAt *time.Time `bun:"updated_at"`
}

// Condition is one of a node's, in Kubernetes' words.
type Condition struct {
	Type    string `json:"type"`
	Status  string `json:"status"` // True, False, Unknown
	Reason  string `json:"reason"`
	Message string `json:"message"`
}

// Conditions are stored as JSON text.
type Conditions []Condition

// Value implements driver.Valuer.
func (c Conditions) Value() (driver.Value, error) { return encode(c, c == nil, "[]") }

// Scan implements sql.Scanner.
func (c *Conditions) Scan(src any) error {
	*c = Conditions{}
	return decode(src, c)
}
