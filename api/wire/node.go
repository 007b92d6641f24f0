package wire

import "github.com/jeroboam-cloud/jeroboam/db"

// Node is one host of a cluster.
type Node struct {
	UUID        string         `json:"uuid"`
	Name        string         `json:"name"` // of the server and in Kubernetes
	NodeGroupID string         `json:"nodegroup_id"`
	NodeGroup   string         `json:"nodegroup"`
	Role        string         `json:"role"`
	Driver      string         `json:"driver"`
	ServerID    *string        `json:"server_id"` // Nova's or Ironic's; null until it was asked for
	Addresses   []string       `json:"addresses"`
	State       string         `json:"state"`
	Replaces    *string        `json:"replaces"` // UUID of the node whose place it takes
	Ready       bool           `json:"ready"`
	Version     *string        `json:"version"` // of its kubelet, once it was seen
	Conditions  []db.Condition `json:"conditions"`
	Unhealthy   *string        `json:"unhealthy_since"` // null while it is ready
	CreatedAt   string         `json:"created_at"`
	UpdatedAt   *string        `json:"updated_at"`
}

// NewNode views a row; g is its node group.
func NewNode(n *db.Node, g *db.NodeGroup) Node {
	v := Node{UUID: n.UUID, Name: n.Name, NodeGroupID: n.NodeGroupUUID, NodeGroup: g.Name, Role: g.Role, Driver: g.Driver, ServerID: textOrNull(n.HostID),
		Addresses: list(n.Addresses), State: n.State, Replaces: textOrNull(n.Replaces), Ready: n.Ready, Version: textOrNull(n.Version), Conditions: n.Conditions, Unhealthy: timeOrNull(n.UnhealthySince),
		CreatedAt: Time(n.CreatedAt), UpdatedAt: timeOrNull(n.UpdatedAt)}
	if v.Conditions == nil {
		v.Conditions = []db.Condition{}
	}
	return v
}

// Resource is one cloud object that belongs to a cluster.
type Resource struct {
	Kind        string  `json:"kind"`
	Name        string  `json:"name"`
	ID          *string `json:"id"`   // the cloud's; null while it is asked for and not seen yet
	Node        *string `json:"node"` // the node it is of, null for the cluster's own
	OperationID string  `json:"operation_id"`
	CreatedAt   string  `json:"created_at"`
	UpdatedAt   *string `json:"updated_at"`
}

// NewResource views a row of the ledger.
func NewResource(r *db.Resource) Resource {
	return Resource{Kind: r.Kind, Name: r.Name, ID: textOrNull(r.CloudID), Node: textOrNull(r.Node), OperationID: r.OperationUUID,
		CreatedAt: Time(r.CreatedAt), UpdatedAt: timeOrNull(r.UpdatedAt)}
}

// Problem is one reason why a request would be refused, or something to know before it is accepted.
type Problem struct {
	Field    string `json:"field"` // of the request's body; empty when it is about the request as a whole
	Severity string `json:"severity"`
	Message  string `json:"message"`
}

// Severities of problems.
const (
	SeverityError   = "error"   // the request would be refused
	SeverityWarning = "warning" // it would be accepted all the same
	SeverityInfo    = "info"    // worth knowing, and no problem
)
