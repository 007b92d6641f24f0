package ops

import (
	"fmt"
	"strings"
)

// StatusError says that an operation is not possible in the present status: HTTP 400, as Magnum's synchronous paths have it.
type StatusError struct {
	Kind   Kind
	Status string
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("%s a cluster when status is %q is not supported.", verbs[e.Kind], e.Status)
}

var verbs = map[Kind]string{
	NodeGroupCreate: "Creating a nodegroup in", NodeGroupResize: "Resizing",
	NodeGroupDelete: "Deleting a nodegroup of", NodeGroupUpdate: "Updating a nodegroup of", ClusterUpgrade: "Upgrading", NodeGroupUpgrade: "Upgrading", ClusterDelete: "Deleting", ClusterCreate: "Creating",
	NodeGroupHeal: "Healing nodes of", ClusterRotateCA: "Rotating the CA of", ClusterRenewCertificates: "Renewing the certificates of",
	ClusterRotateCredential: "Rotating the credential of", ClusterRepair: "Repairing", ClusterUpdate: "Updating", ClusterHibernate: "Hibernating", ClusterResume: "Resuming",
}

// Allowed is the table of which operation may follow which status of a cluster. It asks whether an operation that
// excludes this one is under way, never how the last one ended: a failed update can be tried again; a failed create can
// only be deleted or be tried again itself (AllowedAgain), because what it was to make was never there.
//
//	                    CREATE_              UPDATE_               DELETE_
//	                    IN_PROGRESS C F      IN_PROGRESS C F       IN_PROGRESS F
//	cluster.delete      yes         yes yes  yes         yes yes   yes         yes
//	cluster.upgrade     no          yes no   no          yes yes   no          no
//	all others          no          yes no   yes         yes yes   no          no
//
// Operations on the same node group queue behind each other by their scope, and what needs the whole cluster queues behind
// everything. An upgrade of the cluster does not queue: it is checked against the version that the cluster has.
func Allowed(kind Kind, status string) error {
	if kind == ClusterDelete {
		return nil
	}
	switch status {
	case CreateComplete, UpdateComplete, UpdateFailed:
		return nil
	case UpdateInProgress:
		if kind != ClusterUpgrade {
			return nil
		}
	}
	return &StatusError{Kind: kind, Status: status}
}

// AllowedAgain is the same for an operation that has failed and is asked for once more: a create that failed may be.
func AllowedAgain(kind Kind, status string) error {
	if kind == ClusterCreate && status == CreateFailed {
		return nil
	}
	return Allowed(kind, status)
}

// AllowedInGroup is the same for the node group's own status: a group that is being made or deleted takes no changes.
func AllowedInGroup(kind Kind, status string) error {
	switch {
	case kind == NodeGroupDelete:
		return nil
	case strings.HasPrefix(status, "DELETE_"), status == CreateInProgress:
		return &StatusError{Kind: kind, Status: status}
	}
	return nil
}
