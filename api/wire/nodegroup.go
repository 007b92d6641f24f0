package wire

import "github.com/jeroboam-cloud/jeroboam/db"

// NodeGroupSummary is an item of the list.
type NodeGroupSummary struct {
	UUID         string  `json:"uuid"`
	Name         string  `json:"name"`
	FlavorID     string  `json:"flavor_id"`
	ImageID      string  `json:"image_id"`
	NodeCount    int     `json:"node_count"`
	Role         string  `json:"role"`
	MinNodeCount int     `json:"min_node_count"`
	MaxNodeCount *int    `json:"max_node_count"`
	IsDefault    bool    `json:"is_default"`
	StackID      *string `json:"stack_id"`
	Status       string  `json:"status"`
	MergeLabels  bool    `json:"merge_labels"`
}

// NewNodeGroupSummary views a row.
func NewNodeGroupSummary(g *db.NodeGroup, c *db.Cluster) NodeGroupSummary {
	s := NodeGroupSummary{UUID: g.UUID, Name: g.Name, FlavorID: g.FlavorID, ImageID: g.ImageID, NodeCount: g.NodeCount, Role: g.Role,
		MinNodeCount: g.MinNodeCount, MaxNodeCount: g.MaxNodeCount, IsDefault: g.IsDefault, Status: g.Status}
	if c.StackID != "" {
		s.StackID = &c.StackID
	}
	return s
}

// NodeGroup is the detailed view.
type NodeGroup struct {
	ID int64 `json:"id"`
	NodeGroupSummary
	ClusterID        string            `json:"cluster_id"`
	ProjectID        string            `json:"project_id"`
	DockerVolumeSize *int              `json:"docker_volume_size"`
	Labels           map[string]string `json:"labels"`
	LabelsOverridden map[string]string `json:"labels_overridden"`
	LabelsAdded      map[string]string `json:"labels_added"`
	LabelsSkipped    map[string]string `json:"labels_skipped"`
	Links            []Link            `json:"links"`
	NodeAddresses    []string          `json:"node_addresses"`
	StatusReason     *string           `json:"status_reason"`
	Version          *string           `json:"version"`
	NodeLabels       map[string]string `json:"node_labels"`
	NodeTaints       []db.Taint        `json:"node_taints"`
	CreatedAt        string            `json:"created_at"`
	UpdatedAt        *string           `json:"updated_at"`
}

// NewNodeGroup views a row in detail.
func NewNodeGroup(g *db.NodeGroup, c *db.Cluster, base string) NodeGroup {
	d := NodeGroup{ID: g.ID, NodeGroupSummary: NewNodeGroupSummary(g, c), ClusterID: g.ClusterUUID, ProjectID: g.ProjectID, DockerVolumeSize: g.DockerVolumeSize,
		Labels: strings(g.Labels), Links: Links(base, "clusters/"+g.ClusterUUID+"/nodegroups/"+g.UUID), NodeAddresses: list(g.NodeAddresses),
		StatusReason: g.StatusReason, Version: g.Version, NodeLabels: strings(g.NodeLabels), NodeTaints: g.NodeTaints,
		CreatedAt: Time(g.CreatedAt), UpdatedAt: timeOrNull(g.UpdatedAt)}
	if d.NodeTaints == nil {
		d.NodeTaints = []db.Taint{}
	}
	d.LabelsOverridden, d.LabelsAdded, d.LabelsSkipped = Diff(g.Labels, c.Labels)
	return d
}
