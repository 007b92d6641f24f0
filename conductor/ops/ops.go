// Package ops says what operations there are, what they carry, and which may follow which state. API and conductor share
// it: the API writes operations, conductors carry them out.
package ops

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/jeroboam-cloud/jeroboam/db"
)

// Kind of an operation.
type Kind string

// The kinds of operations.
const (
	ClusterCreate   Kind = "cluster.create"
	ClusterDelete   Kind = "cluster.delete"
	NodeGroupCreate Kind = "nodegroup.create"
	NodeGroupResize Kind = "nodegroup.resize"
	NodeGroupDelete Kind = "nodegroup.delete"
	// NodeGroupUpdate brings labels and taints to live nodes.
	NodeGroupUpdate  Kind = "nodegroup.update"
	ClusterUpgrade   Kind = "cluster.upgrade"
	NodeGroupUpgrade Kind = "nodegroup.upgrade"
	// NodeGroupHeal mends or replaces nodes that are not well.
	NodeGroupHeal Kind = "nodegroup.heal"
	// ClusterRotateCA replaces the cluster's authorities, ClusterRenewCertificates what they have signed.
	ClusterRotateCA          Kind = "cluster.rotate_ca"
	ClusterRenewCertificates Kind = "cluster.renew_certificates"
	// ClusterRotateCredential replaces what the cluster logs in to the cloud with.
	ClusterRotateCredential Kind = "cluster.rotate_credential"
	// ClusterUpdate brings the cluster's add-ons in line with its labels.
	ClusterUpdate Kind = "cluster.update"
	// ClusterRepair puts back what somebody took away from the cluster in the cloud.
	ClusterRepair    Kind = "cluster.repair"
	ClusterHibernate Kind = "cluster.hibernate"
	ClusterResume    Kind = "cluster.resume"
)

// Statuses of clusters and node groups that we set. Magnum's enumeration has nine more that nobody emits.
const (
	CreateInProgress = "CREATE_IN_PROGRESS"
	CreateComplete   = "CREATE_COMPLETE"
	CreateFailed     = "CREATE_FAILED"
	UpdateInProgress = "UPDATE_IN_PROGRESS"
	UpdateComplete   = "UPDATE_COMPLETE"
	UpdateFailed     = "UPDATE_FAILED"
	DeleteInProgress = "DELETE_IN_PROGRESS"
	DeleteFailed     = "DELETE_FAILED"
	DeleteComplete   = "DELETE_COMPLETE" // only in notifications: no row outlives it
)

// Known tells whether this version has operations of this kind.
func (k Kind) Known() bool {
	_, ok := verbs[k]
	return ok
}

// ClusterScoped tells whether the operation is about the whole cluster; the others are about one node group.
func (k Kind) ClusterScoped() bool { return strings.HasPrefix(string(k), "cluster.") }

// Concerns tells whether an operation of this kind, about the group of that UUID or the whole cluster, decides the status
// of a node group.
func (k Kind) Concerns(g *db.NodeGroup, groupUUID string) bool {
	switch k {
	case ClusterCreate, ClusterDelete, ClusterUpgrade:
		return true
	case ClusterHibernate, ClusterResume:
		return g.Role != db.RoleMaster
	default:
		return groupUUID != "" && g.UUID == groupUUID
	}
}

// Progress is the status of a cluster while an operation of this kind runs, Complete and Failed those of its end.
// A node group that an operation is about has its own: see GroupProgress.
func (k Kind) Progress() string { return k.clusterAction() + "_IN_PROGRESS" }

// Complete is the status of a cluster after success.
func (k Kind) Complete() string { return k.clusterAction() + "_COMPLETE" }

// Failed is the status of a cluster after failure.
func (k Kind) Failed() string { return k.clusterAction() + "_FAILED" }

// GroupProgress is the status of the node group that the operation is about while it runs.
func (k Kind) GroupProgress() string { return k.groupAction() + "_IN_PROGRESS" }

// GroupComplete is the status of that node group after success.
func (k Kind) GroupComplete() string { return k.groupAction() + "_COMPLETE" }

// GroupFailed is the status of that node group after failure.
func (k Kind) GroupFailed() string { return k.groupAction() + "_FAILED" }

func (k Kind) clusterAction() string {
	switch k {
	case ClusterCreate:
		return "CREATE"
	case ClusterDelete:
		return "DELETE"
	default:
		return "UPDATE"
	}
}

func (k Kind) groupAction() string {
	switch k {
	case ClusterCreate, NodeGroupCreate:
		return "CREATE"
	case ClusterDelete, NodeGroupDelete:
		return "DELETE"
	default:
		return "UPDATE"
	}
}

// Create is what a ClusterCreate carries.
type Create struct {
	Again bool `json:"again,omitempty"` // an earlier attempt failed, and left what it had made
}

// Upgrade is what ClusterUpgrade and NodeGroupUpgrade carry.
type Upgrade struct {
	Target
	MaxBatchSize int `json:"max_batch_size"` // nodes that may be away at once
	// From is what the groups had when the upgrade was asked for, by UUID: where a rollback leads.
	From map[string]Target `json:"from,omitempty"`
	// Back leads back to the versions of From that a failed upgrade left.
	Back bool `json:"back,omitempty"`
}

// Of is where the upgrade leads a node group.
func (u Upgrade) Of(groupUUID string) Target {
	if u.Back {
		return u.From[groupUUID]
	}
	return u.Target
}

// Target is what nodes are made of.
type Target struct {
	TemplateID        string `json:"template_id"` // UUID of the cluster's template
	Image             string `json:"image"`       // as the template names it
	ImageID           string `json:"image_id"`
	Distro            string `json:"distro"`
	KubernetesVersion string `json:"kubernetes_version"`
}

// Heal is what a NodeGroupHeal carries.
type Heal struct {
	Nodes []string `json:"nodes"` // names of the nodes that are not well
}

// Delete is what a ClusterDelete carries.
type Delete struct {
	// Force ends the row whatever is left in the cloud, and records what that is.
	Force bool `json:"force,omitempty"`
}

// New makes an operation's row for the cluster; group is nil for one of the whole cluster. What changes the control plane
// needs the cluster for itself.
func New(uuid string, kind Kind, c *db.Cluster, group *db.NodeGroup, params any) (*db.Operation, error) {
	o := &db.Operation{UUID: uuid, Kind: string(kind), ClusterUUID: c.UUID, ProjectID: c.ProjectID, Status: db.OpPending, Scope: db.ScopeCluster}
	if !kind.ClusterScoped() {
		if group == nil {
			return nil, fmt.Errorf("operation %s needs a node group", kind)
		}
		if o.NodeGroupUUID = group.UUID; group.Role != db.RoleMaster {
			o.Scope = group.UUID
		}
	}
	if params != nil {
		raw, err := json.Marshal(params)
		if err != nil {
			return nil, fmt.Errorf("encoding parameters of operation %s: %w", kind, err)
		}
		o.Params = raw
	}
	return o, nil
}
