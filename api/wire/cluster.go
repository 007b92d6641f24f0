package wire

import (
	gostrings "strings"

	"github.com/jeroboam-cloud/jeroboam/db"
)

// stackID is Magnum's double name of one value: stack_id before microversion 1.13, cluster_id from then on, never both.
type stackID struct {
	StackID   **string `json:"stack_id,omitempty"`
	ClusterID **string `json:"cluster_id,omitempty"`
}

func newStackID(id string, minor int) stackID {
	var v *string
	if id != "" {
		v = &id
	}
	if minor >= 13 {
		return stackID{ClusterID: &v}
	}
	return stackID{StackID: &v}
}

// ClusterSummary is an item of the plain list.
type ClusterSummary struct {
	UUID              string            `json:"uuid"`
	Name              string            `json:"name"`
	ClusterTemplateID string            `json:"cluster_template_id"`
	Keypair           *string           `json:"keypair"`
	NodeCount         int               `json:"node_count"`
	MasterCount       int               `json:"master_count"`
	DockerVolumeSize  *int              `json:"docker_volume_size"`
	Labels            map[string]string `json:"labels"`
	MasterFlavorID    *string           `json:"master_flavor_id"`
	FlavorID          *string           `json:"flavor_id"`
	CreateTimeout     *int              `json:"create_timeout"`
	Links             []Link            `json:"links"`
	stackID
	Status       string  `json:"status"`
	HealthStatus *string `json:"health_status"`
	MergeLabels  bool    `json:"merge_labels"`
	ProjectID    string  `json:"project_id"` // not in Magnum's; openstack-exporter looks for it here
}

// NewClusterSummary views a row; minor is the minor microversion.
func NewClusterSummary(v *db.ClusterView, base string, minor int) ClusterSummary {
	c := v.Cluster
	return ClusterSummary{UUID: c.UUID, Name: c.Name, ClusterTemplateID: c.ClusterTemplateID, Keypair: c.Keypair, NodeCount: v.NodeCount, MasterCount: v.MasterCount,
		DockerVolumeSize: c.DockerVolumeSize, Labels: strings(c.Labels), MasterFlavorID: c.MasterFlavorID, FlavorID: c.FlavorID, CreateTimeout: c.CreateTimeout,
		Links: Links(base, "clusters/"+c.UUID), stackID: newStackID(c.StackID, minor), Status: c.Status, HealthStatus: c.HealthStatus, ProjectID: c.ProjectID}
}

// Cluster is the detailed view.
type Cluster struct {
	ClusterSummary
	StatusReason       *string            `json:"status_reason"`
	HealthStatusReason map[string]string  `json:"health_status_reason"`
	DiscoveryURL       *string            `json:"discovery_url"`
	APIAddress         *string            `json:"api_address"`
	COEVersion         *string            `json:"coe_version"`
	ContainerVersion   *string            `json:"container_version"`
	UserID             string             `json:"user_id"`
	NodeAddresses      []string           `json:"node_addresses"`
	MasterAddresses    []string           `json:"master_addresses"`
	FixedNetwork       *string            `json:"fixed_network"`
	FixedSubnet        *string            `json:"fixed_subnet"`
	FloatingIPEnabled  bool               `json:"floating_ip_enabled"`
	MasterLBEnabled    bool               `json:"master_lb_enabled"`
	LabelsOverridden   map[string]string  `json:"labels_overridden"`
	LabelsAdded        map[string]string  `json:"labels_added"`
	LabelsSkipped      map[string]string  `json:"labels_skipped"`
	Faults             map[string]*string `json:"faults,omitzero"`
	CreatedAt          string             `json:"created_at"`
	UpdatedAt          *string            `json:"updated_at"`
}

// NewCluster views a row in detail. Faults are shown for one cluster only.
func NewCluster(v *db.ClusterView, base string, minor int, faults bool) Cluster {
	c := v.Cluster
	d := Cluster{ClusterSummary: NewClusterSummary(v, base, minor), StatusReason: c.StatusReason, HealthStatusReason: strings(c.HealthStatusReason),
		DiscoveryURL: c.DiscoveryURL, APIAddress: c.APIAddress, COEVersion: c.COEVersion, ContainerVersion: c.ContainerVersion, UserID: c.UserID,
		NodeAddresses: list(v.NodeAddresses), MasterAddresses: list(v.MasterAddresses), FixedNetwork: c.FixedNetwork, FixedSubnet: c.FixedSubnet,
		FloatingIPEnabled: c.FloatingIPEnabled, MasterLBEnabled: c.MasterLBEnabled, CreatedAt: Time(c.CreatedAt), UpdatedAt: timeOrNull(c.UpdatedAt)}
	d.LabelsOverridden, d.LabelsAdded, d.LabelsSkipped = Diff(c.Labels, v.TemplateLabels)
	if faults && gostrings.HasSuffix(c.Status, "_FAILED") {
		d.Faults = map[string]*string{}
		for _, g := range v.NodeGroups {
			if gostrings.HasSuffix(g.Status, "_FAILED") {
				d.Faults[g.Name] = g.StatusReason
			}
		}
	}
	return d
}
