package ops

import (
	"fmt"
	"slices"
	"strings"

	"github.com/jeroboam-cloud/jeroboam/db"
)

// RefusedError says why something is not done, in words for a user: HTTP 400.
type RefusedError struct{ Reason string }

func (e *RefusedError) Error() string { return e.Reason }

// ParseBool reads the words that Magnum takes for yes and no.
func ParseBool(word string) (value, ok bool) {
	switch strings.ToLower(word) {
	case "1", "t", "true", "on", "y", "yes":
		return true, true
	case "0", "f", "false", "off", "n", "no":
		return false, true
	}
	return false, false
}

// Hibernated tells whether the cluster's workers rest. What they are to be again is remembered in the rows of their groups.
func Hibernated(groups []*db.NodeGroup) bool {
	return slices.ContainsFunc(groups, func(g *db.NodeGroup) bool { return g.ResumeCount != nil })
}

// Resting is what the status of a hibernated cluster says; "" of one that is awake.
func Resting(s *db.Snapshot) string {
	if !Hibernated(s.NodeGroups) {
		return ""
	}
	nodes := 0
	for _, g := range s.NodeGroups {
		if g.ResumeCount != nil {
			nodes += *g.ResumeCount
		}
	}
	return fmt.Sprintf("The cluster is hibernated: it has no workers. Resume brings %d back.", nodes)
}

// Awake refuses what cannot be done with a hibernated cluster.
func Awake(s *db.Snapshot, kind Kind) error {
	if Hibernated(s.NodeGroups) {
		return &RefusedError{Reason: fmt.Sprintf("%s a hibernated cluster is not possible: resume it first.", verbs[kind])}
	}
	return nil
}

// RequestRest asks for all workers to go (ClusterHibernate) or to come back (ClusterResume): it changes the rows of the
// node groups and adds the operation.
func RequestRest(s *db.Snapshot, uuid string, kind Kind) (*db.Operation, error) {
	if err := Allowed(kind, s.Cluster.Status); err != nil {
		return nil, err
	}
	rest, workers := kind == ClusterHibernate, false
	switch asleep := Hibernated(s.NodeGroups); {
	case rest && asleep:
		return nil, &RefusedError{Reason: "The cluster is hibernated already."}
	case !rest && !asleep:
		return nil, &RefusedError{Reason: "The cluster is not hibernated."}
	}
	for _, g := range s.NodeGroups {
		if g.Role == db.RoleMaster {
			continue
		}
		if err := AllowedInGroup(kind, g.Status); err != nil {
			return nil, err
		}
		workers = true
		if count := g.NodeCount; rest {
			g.ResumeCount, g.NodeCount = &count, 0
		} else if g.ResumeCount != nil {
			g.ResumeCount, g.NodeCount = nil, *g.ResumeCount
		}
		g.Status, g.StatusReason = kind.GroupProgress(), nil
	}
	if !workers {
		return nil, &RefusedError{Reason: "The cluster has no workers."}
	}
	op, err := New(uuid, kind, s.Cluster, nil, nil)
	if err != nil {
		return nil, err
	}
	s.Cluster.Status, s.Cluster.StatusReason = kind.Progress(), nil
	s.Operations = append(s.Operations, op)
	return op, nil
}
