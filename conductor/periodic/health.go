package periodic

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
)

// Statuses of health, in Magnum's words.
const (
	healthy   = "HEALTHY"
	unhealthy = "UNHEALTHY"
	unknown   = "UNKNOWN"
)

// sight is what was seen of a cluster.
type sight struct {
	api     string                    // «ok», or why it does not answer as it should
	reached bool                      // api is «ok»
	private bool                      // not reached, and nothing says that it could be from here
	asked   map[string]bool           // the nodes that were to be seen, by name
	ready   map[string]bool           // those that are ready
	details map[string][]db.Condition // conditions of nodes; nil: not asked for
	// certificates that the API shows; zero: none was seen
	certificates ops.Certificates
	hosts        map[string]string // what the cloud says of hosts, hostGone among it; nil: not asked for
}

const hostGone = "gone"

// watched tells whether the cluster's health is ours to tell.
func watched(c *db.Cluster) bool {
	return c.APIAddress != nil && !strings.HasPrefix(c.Status, "DELETE_") && !healedInside(c.Labels)
}

// healedInside: the cluster's own healer tells its health, by PATCH.
func healedInside(labels db.Strings) bool {
	yes, _ := ops.ParseBool(labels["auto_healing_enabled"])
	return yes && labels["auto_healing_controller"] == "magnum-auto-healer"
}

// expected are the nodes whose health counts: they were in the cluster, and are to stay.
func expected(s *db.Snapshot) []*db.Node {
	var l []*db.Node
	for _, n := range s.Nodes {
		if n.State == db.NodeWanted && n.Ready {
			l = append(l, n)
		}
	}
	return l
}

// noteHealth writes what was seen into the rows, and an event when it is something else than before.
func noteHealth(s *db.Snapshot, v sight) {
	c, now := s.Cluster, s.Now()
	status, reason := healthy, db.Strings{"api": v.api}
	switch {
	case v.reached:
	case v.private:
		status = unknown
	default:
		status = unhealthy
	}
	var away []string
	for _, n := range expected(s) {
		if !v.reached || !v.asked[n.Name] {
			continue
		}
		if conditions, ok := v.details[n.Name]; ok {
			n.Conditions = conditions
		}
		if v.ready[n.Name] {
			reason[n.Name+".Ready"], n.UnhealthySince = "True", nil
			continue
		}
		reason[n.Name+".Ready"], status, away = "False", unhealthy, append(away, n.Name)
		if n.UnhealthySince == nil {
			n.UnhealthySince = &now
		}
	}
	if _, warning := v.certificate(now); warning != "" {
		reason["certificates"] = warning
	}
	if warning := ops.AuthorityEnds(v.certificates.AuthorityBegin, v.certificates.AuthorityEnd, now); warning != "" {
		reason["certificate_authority"] = warning
	}
	before := ""
	if c.HealthStatus != nil {
		before = *c.HealthStatus
	}
	if before == status && equal(c.HealthStatusReason, reason) {
		return
	}
	c.HealthStatus, c.HealthStatusReason = &status, reason
	warning := cmp.Or(reason["certificate_authority"], reason["certificates"])
	tell(s, status == healthy && warning == "", "health", "the cluster is %s%s", status, because(v, away, warning))
}

func equal(a, b db.Strings) bool {
	for k, v := range a {
		if b[k] != v {
			return false
		}
	}
	return len(a) == len(b)
}

// certificate tells whether what the control plane's certificates are is to be renewed, and warns when that did not help.
func (v sight) certificate(now time.Time) (renew bool, warning string) {
	if v.certificates.End.IsZero() {
		return false, ""
	}
	return ops.CertificateEnds(v.certificates.Begin, v.certificates.End, now)
}

func because(v sight, away []string, warning string) string {
	switch {
	case !v.reached:
		return ": " + v.api
	case len(away) > 0:
		return ": not ready: " + names(away)
	case warning != "":
		return ": " + warning
	}
	return ""
}

// names lists a few of them.
func names(l []string) string {
	const few = 5
	if len(l) > few {
		return fmt.Sprintf("%s and %d more", strings.Join(l[:few], ", "), len(l)-few)
	}
	return strings.Join(l, ", ")
}

// tell adds an event.
func tell(s *db.Snapshot, good bool, step, format string, args ...any) {
	level := "warning"
	if good {
		level = "info"
	}
	s.Events = append(s.Events, &db.Event{ClusterUUID: s.Cluster.UUID, Time: s.Now(), Level: level, Step: step, Message: fmt.Sprintf(format, args...)})
}

// stale tells whether readiness has changed since the conditions of nodes were read.
func stale(s *db.Snapshot, ready map[string]bool) bool {
	return slices.ContainsFunc(expected(s), func(n *db.Node) bool {
		i := slices.IndexFunc(n.Conditions, func(c db.Condition) bool { return c.Type == "Ready" })
		there, known := ready[n.Name]
		return known && (i < 0 || (n.Conditions[i].Status == "True") != there)
	})
}

// busy gives the kind of an operation that runs or waits on the scope of a node group; "" when there is none.
func busy(s *db.Snapshot, g *db.NodeGroup) ops.Kind {
	for _, o := range s.Operations {
		if o.Scope == db.ScopeCluster || o.Scope == g.UUID || g.Role == db.RoleMaster {
			return ops.Kind(o.Kind)
		}
	}
	return ""
}

// reachable tells whether the cluster's API has an address that can be reached from outside of its network.
func reachable(c *db.Cluster) bool {
	var spec ops.ClusterSpec
	return json.Unmarshal(c.Spec, &spec) == nil && spec.APIFloatingIP
}
