package db

import (
	"time"

	"github.com/uptrace/bun"
)

// Roles of node groups that mean something to us; others are free text.
const (
	RoleMaster = "master"
	RoleWorker = "worker"
)

// NodeGroup is a row of nodegroup: hosts of one shape in one cluster. The control plane is the group with role "master".
type NodeGroup struct {
	bun.BaseModel `bun:"table:nodegroup,alias:ng"`

	ID          int64  `bun:"id,pk,autoincrement"`
	UUID        string `bun:"uuid"`
	ClusterUUID string `bun:"cluster_uuid"`
	ProjectID   string `bun:"project_id"`
	Name        string `bun:"name"`
	Role        string `bun:"role"`
	IsDefault   bool   `bun:"is_default"`
	Driver      string `bun:"driver"` // of the machines: vm, ironic, …

	FlavorID         string  `bun:"flavor_id"` // as the user gave it
	ImageID          string  `bun:"image_id"`
	DockerVolumeSize *int    `bun:"docker_volume_size"`
	Labels           Strings `bun:"labels,type:text"`
	NodeCount        int     `bun:"node_count"` // wanted
	MinNodeCount     int     `bun:"min_node_count"`
	MaxNodeCount     *int    `bun:"max_node_count"`
	NodeLabels       Strings `bun:"node_labels,type:text"`
	NodeTaints       Taints  `bun:"node_taints,type:text"`
	// Spec: like Cluster.Spec, what flavour and image were resolved to.
	Spec RawJSON `bun:"spec,type:text"`

	NodeAddresses List    `bun:"node_addresses,type:text"`
	Version       *string `bun:"version"`
	Status        string  `bun:"status"`
	StatusReason  *string `bun:"status_reason"`
	ResumeCount   *int    `bun:"resume_count"` // size before the cluster was hibernated; nil: it is awake
	Healing       string  `bun:"healing"`      // what was decided last about nodes that are not well

	CreatedAt time.Time  `bun:"created_at"`
	UpdatedAt *time.Time `bun:"updated_at"`
}

// Taint is a Kubernetes taint of a node group's nodes.
type Taint struct {
	Key    string `json:"key"`
	Value  string `json:"value,omitempty"`
	Effect string `json:"effect"`
}
