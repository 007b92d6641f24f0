package db

import (
	"context"
	"time"

	"github.com/uptrace/bun"
)

// Cluster is a row of cluster: one Kubernetes cluster as its user asked for it, and what is known of it.
type Cluster struct {
	bun.BaseModel `bun:"table:cluster,alias:c"`

	ID                int64  `bun:"id,pk,autoincrement"`
	Seq               int64  `bun:"seq"` // raised by every change: what serialises them on every database
	UUID              string `bun:"uuid"`
	ProjectID         string `bun:"project_id"`
	UserID            string `bun:"user_id"`
	Name              string `bun:"name"`
	ClusterTemplateID string `bun:"cluster_template_id"` // UUID of the template

	// StackID is Magnum's word for the orchestrator's name of the cluster (`<name>-<5 random>`): every cloud object's
	// name starts with it. Shown as cluster_id from microversion 1.13.
	StackID string `bun:"stack_id"`

	Keypair           *string `bun:"keypair"`
	SSHPublicKey      *string `bun:"ssh_public_key"` // read once with the caller's token; Nova keypairs belong to users
	DockerVolumeSize  *int    `bun:"docker_volume_size"`
	Labels            Strings `bun:"labels,type:text"`
	MasterFlavorID    *string `bun:"master_flavor_id"`
	FlavorID          *string `bun:"flavor_id"`
	CreateTimeout     *int    `bun:"create_timeout"` // minutes; nil or 0: no limit but the steps' own
	DiscoveryURL      *string `bun:"discovery_url"`
	FixedNetwork      *string `bun:"fixed_network"`
	FixedSubnet       *string `bun:"fixed_subnet"`
	FloatingIPEnabled bool    `bun:"floating_ip_enabled"`
	MasterLBEnabled   bool    `bun:"master_lb_enabled"`

	// Spec is what the request was resolved to when it was accepted (image, network and flavour ids, versions,
	// CIDRs): later edits of the template do not change a cluster under its feet. Package ops has its shape.
	Spec RawJSON `bun:"spec,type:text"`
	// SecretRefs: name of a secret (ca, etcd_ca, front_proxy_ca, service_account, credential, …) → certificate manager's reference.
	SecretRefs Strings `bun:"secret_refs,type:text"`

	Status             string  `bun:"status"`
	StatusReason       *string `bun:"status_reason"`
	HealthStatus       *string `bun:"health_status"`
	HealthStatusReason Strings `bun:"health_status_reason,type:text"`
	APIAddress         *string `bun:"api_address"`
	COEVersion         *string `bun:"coe_version"`
	ContainerVersion   *string `bun:"container_version"`

	// Maintenance: package ops has its shape. ScheduledAt is the time up to which its schedule was followed.
	Maintenance RawJSON    `bun:"maintenance,type:text"`
	ScheduledAt *time.Time `bun:"scheduled_at"`

	CreatedAt time.Time  `bun:"created_at"`
	UpdatedAt *time.Time `bun:"updated_at"`
}

// ClusterStatus reads only how a cluster is.
func (s *Store) ClusterStatus(ctx context.Context, uuid string) (*Cluster, error) {
	c := new(Cluster)
	err := s.db.NewSelect().Model(c).Column("uuid", "status", "status_reason").Where("uuid = ?", uuid).Scan(ctx)
	return c, wrap(err, "reading the status of a cluster")
}
