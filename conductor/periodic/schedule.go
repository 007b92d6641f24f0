package periodic

import (
	"errors"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
)

// followSchedule hibernates or resumes the cluster when its schedule says so. What cannot be done now is tried at the next
// look: the time up to which the schedule was followed stays.
func (d decider) followSchedule(s *db.Snapshot, m ops.Maintenance) error {
	if s.Cluster.ScheduledAt == nil {
		return nil
	}
	now := s.Now()
	kind, due := m.Scheduled(*s.Cluster.ScheduledAt, now)
	if !due {
		return nil
	}
	if (kind == ops.ClusterHibernate) == ops.Hibernated(s.NodeGroups) { // so it is already
		s.Cluster.ScheduledAt = &now
		return nil
	}
	op, err := ops.RequestRest(s, d.newUUID(), kind)
	var refused *ops.RefusedError
	var status *ops.StatusError
	switch {
	case errors.As(err, &status):
		return nil
	case errors.As(err, &refused):
		s.Cluster.ScheduledAt = &now
		tell(s, false, "schedule", "%s", refused.Reason)
		return nil
	case err != nil:
		return err
	}
	s.Cluster.ScheduledAt = &now
	op.RequestID = "req-" + op.UUID
	tell(s, true, "schedule", "%s, as the schedule says", map[ops.Kind]string{ops.ClusterHibernate: "hibernating", ops.ClusterResume: "resuming"}[kind])
	return nil
}
