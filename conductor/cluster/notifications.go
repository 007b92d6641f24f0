package cluster

import (
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
)

// Outcomes of CADF.
const (
	outcomePending = "pending"
	outcomeSuccess = "success"
	outcomeFailure = "failure"
)

const (
	cadfEvent   = "http://schemas.dmtf.org/cloud/audit/1.0/event"
	cadfCluster = "service/magnum/cluster"
	cadfUser    = "service/security/account/user"
)

// announces tells whether the beginning of an operation of this kind is told to other services. As in Magnum nobody hears
// of a node group or new authorities before the end; what changes the size of a cluster is told, hibernation too.
func announces(k ops.Kind) bool {
	switch k {
	case ops.ClusterCreate, ops.ClusterDelete, ops.NodeGroupResize, ops.ClusterUpgrade, ops.NodeGroupUpgrade, ops.ClusterHibernate, ops.ClusterResume:
		return true
	}
	return false
}

// concludes tells whether the end of an operation of this kind is told. A new service user is nobody else's business.
func concludes(k ops.Kind) bool { return k != ops.ClusterRotateCredential }

// action of CADF.
func action(k ops.Kind) string {
	switch k {
	case ops.ClusterCreate:
		return "create"
	case ops.ClusterDelete:
		return "delete"
	}
	return "update"
}

// announce writes that the operation begins, with its first plan.
func (e *Executor) announce(op *db.Operation, s *db.Snapshot) error {
	if e.Publisher == "" || !announces(ops.Kind(op.Kind)) {
		return nil
	}
	return e.notify(op, s, outcomePending)
}

// tell writes how the operation ended, with its verdict. Cancelled is not what was asked for: a failure.
func (e *Executor) tell(op *db.Operation, s *db.Snapshot) error {
	if e.Publisher == "" || !concludes(ops.Kind(op.Kind)) {
		return nil
	}
	if op.Status != db.OpComplete {
		return e.notify(op, s, outcomeFailure)
	}
	return e.notify(op, s, outcomeSuccess)
}

func (e *Executor) notify(op *db.Operation, s *db.Snapshot, outcome string) error {
	kind, priority := ops.Kind(op.Kind), "INFO"
	if outcome == outcomeFailure {
		priority = "ERROR"
	}
	payload, err := json.Marshal(cadf(op, s, outcome, uuid.NewString))
	if err != nil {
		return err
	}
	s.Notifications = append(s.Notifications, &db.Notification{UUID: uuid.NewString(), PublisherID: e.Publisher, EventType: "magnum.cluster." + action(kind),
		Priority: priority, Context: requestContext(op, s), Payload: payload})
	return nil
}

// requester is who asked for the operation, as far as it is known: what happens by itself nobody did. In which project
// somebody else than the owner was, an administrator perhaps, is not recorded.
func requester(op *db.Operation, s *db.Snapshot) db.Strings {
	out := db.Strings{}
	if op.UserID != "" {
		out["user_id"] = op.UserID
		if op.UserID == s.Cluster.UserID {
			out["project_id"] = op.ProjectID
		}
	}
	return out
}

func requestContext(op *db.Operation, s *db.Snapshot) db.Strings {
	out := requester(op, s)
	if op.RequestID != "" {
		out["request_id"] = op.RequestID
	}
	return out
}

// cadf is the event in the form of the Cloud Auditing Data Federation, with Magnum's keys.
func cadf(op *db.Operation, s *db.Snapshot, outcome string, newUUID func() string) map[string]any {
	initiator := map[string]any{"id": newUUID(), "typeURI": cadfUser}
	for k, v := range requester(op, s) {
		initiator[k] = v
	}
	return map[string]any{
		"typeURI": cadfEvent, "eventType": "activity", "id": newUUID(), "eventTime": s.Now().UTC().Format("2006-01-02T15:04:05.000000-0700"),
		"action": action(ops.Kind(op.Kind)), "outcome": outcome,
		"observer":  map[string]any{"id": newUUID(), "typeURI": cadfCluster},
		"initiator": initiator,
		"target": map[string]any{"id": s.Cluster.UUID, "name": s.Cluster.Name, "typeURI": cadfCluster, "attachments": []any{
			map[string]any{"typeURI": cadfCluster, "name": "cluster_data", "content": clusterData(op, s, outcome)}}},
	}
}

// clusterData is the cluster as the operation's begin or end leaves it.
func clusterData(op *db.Operation, s *db.Snapshot, outcome string) map[string]any {
	c, status, updated := s.Cluster, s.Cluster.Status, instant(s.Cluster.UpdatedAt)
	if outcome != outcomePending {
		now := s.Now() // of the row that is written along
		updated = instant(&now)
	}
	if ops.Kind(op.Kind) == ops.ClusterDelete && outcome == outcomeSuccess {
		status = ops.DeleteComplete // which no row ever has
	}
	nodes, masters, nodeAddresses, masterAddresses := 0, 0, []string{}, []string{}
	for _, g := range s.NodeGroups {
		if g.Role == db.RoleMaster {
			masters, masterAddresses = masters+g.NodeCount, append(masterAddresses, g.NodeAddresses...)
			continue
		}
		nodes, nodeAddresses = nodes+g.NodeCount, append(nodeAddresses, g.NodeAddresses...)
	}
	labels := c.Labels
	if labels == nil {
		labels = db.Strings{}
	}
	return map[string]any{
		"status": status, "status_reason": c.StatusReason, "project_id": c.ProjectID, "created_at": instant(&c.CreatedAt), "updated_at": updated,
		"cluster_template_id": c.ClusterTemplateID, "keypair": c.Keypair,
		// Magnum has a colon in the name. Who reads it by that finds it, and who reads what was meant, too.
		"docker_volume_size:": c.DockerVolumeSize, "docker_volume_size": c.DockerVolumeSize,
		"labels": labels, "master_flavor_id": c.MasterFlavorID, "flavor_id": c.FlavorID, "stack_id": c.StackID, "health_status": c.HealthStatus,
		"create_timeout": c.CreateTimeout, "api_address": c.APIAddress, "discovery_url": c.DiscoveryURL,
		"node_addresses": nodeAddresses, "master_addresses": masterAddresses, "node_count": nodes, "master_count": masters,
	}
}

// instant writes a time as the API does.
func instant(t *time.Time) *string {
	if t == nil || t.IsZero() {
		return nil
	}
	text := t.UTC().Format("2006-01-02T15:04:05+00:00")
	return &text
}
