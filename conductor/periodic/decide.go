package periodic

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/drivers"
)

// decider turns what was seen into rows. It depends on the snapshot and on its own fields only, so it may be run on a copy to
// find out whether it changes anything, and again when a transaction met another one.
type decider struct {
	rules   rules
	recent  map[string]int // nodes that were healed within the last hour, by node group
	newUUID func() string
	renewed bool         // the renewal of certificates was tried within a day
	found   *ops.Upgrade // an upgrade that is due; nil: none
	inPlace bool         // there are binaries for nodes that are upgraded where they are
}

// onHealth decides after a look at a cluster's health.
func (d decider) onHealth(s *db.Snapshot, v sight) error {
	noteHealth(s, v)
	m, err := ops.ParseMaintenance(s.Cluster.Maintenance)
	if err != nil {
		return err
	}
	if err := d.followSchedule(s, m); err != nil {
		return err
	}
	if err := d.healGroups(s, m, v); err != nil {
		return err
	}
	if err := d.renew(s, m, v); err != nil {
		return err
	}
	return d.upgrade(s, m)
}

// renew asks for new certificates of the control plane, once a day until it succeeds. Where they are about to end no window
// is waited for.
func (d decider) renew(s *db.Snapshot, m ops.Maintenance, v sight) error {
	due, warning := v.certificate(s.Now())
	if !due || d.renewed || !v.reached || len(s.Operations) > 0 || (warning == "" && !m.Open(s.Now())) || ops.Allowed(ops.ClusterRenewCertificates, s.Cluster.Status) != nil {
		return nil
	}
	tell(s, true, "certificates", "they are renewed: the first of them ends on %s", v.certificates.End.UTC().Format(time.DateOnly))
	return d.order(s, ops.ClusterRenewCertificates, nil, nil)
}

// onDrift decides after a comparison of the ledger with the cloud.
func (d decider) onDrift(s *db.Snapshot, found []drivers.Drift, v sight) error {
	if len(s.Operations) > 0 { // it began meanwhile, and what was seen may be its doing
		return nil
	}
	repair, update := false, false
	for _, x := range found {
		tell(s, false, "drift", "%s", x.String())
		if x.Kind == drivers.KindUser { // nothing else can be seen without it
			if ops.Allowed(ops.ClusterRotateCredential, s.Cluster.Status) != nil {
				return nil
			}
			return d.order(s, ops.ClusterRotateCredential, nil, nil)
		}
		update = update || ofAddon(x)
		repair = repair || x.Node == "" && !ofAddon(x)
	}
	m, err := ops.ParseMaintenance(s.Cluster.Maintenance)
	if err != nil {
		return err
	}
	if err := d.putBack(s, m, repair, update); err != nil {
		return err
	}
	now := s.Now()
	for _, n := range expected(s) {
		if v.hosts[n.Name] == hostGone && n.UnhealthySince == nil {
			n.UnhealthySince = &now
		}
	}
	return d.healGroups(s, m, v)
}

// putBack asks for what mends the cloud, or else add-ons: a cluster that needs both has the other one after the next
// comparison. Applying add-ons may start their pods anew, so it waits for a window.
func (d decider) putBack(s *db.Snapshot, m ops.Maintenance, repair, update bool) error {
	switch {
	case repair && ops.Allowed(ops.ClusterRepair, s.Cluster.Status) == nil:
		return d.order(s, ops.ClusterRepair, nil, nil)
	case !repair && update && m.Open(s.Now()) && ops.Allowed(ops.ClusterUpdate, s.Cluster.Status) == nil:
		return d.order(s, ops.ClusterUpdate, nil, nil)
	}
	return nil
}

// healGroups decides about each node group with nodes that are not well.
func (d decider) healGroups(s *db.Snapshot, m ops.Maintenance, v sight) error {
	for _, g := range s.NodeGroups {
		w := d.ward(s, g, v)
		if w.busy == ops.NodeGroupHeal || ops.Allowed(ops.NodeGroupHeal, s.Cluster.Status) != nil || ops.AllowedInGroup(ops.NodeGroupHeal, g.Status) != nil {
			continue // it is being done, or there is nothing yet or no longer to be healed
		}
		t := treat(w, circumstances{reached: v.reached, open: m.Open(s.Now())}, d.rules)
		if t.words != "" && (t.words != g.Healing || len(t.heal) > 0) {
			tell(s, len(t.heal) > 0, "healing of "+g.Name, "%s", t.words)
		}
		g.Healing = t.words
		if len(t.heal) > 0 {
			if err := d.order(s, ops.NodeGroupHeal, g, ops.Heal{Nodes: t.heal}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d decider) ward(s *db.Snapshot, g *db.NodeGroup, v sight) ward {
	w := ward{controlPlane: g.Role == db.RoleMaster, enabled: heals(s.Cluster, g), busy: busy(s, g), healed: d.recent[g.UUID]}
	for _, n := range expected(s) {
		if n.NodeGroupUUID != g.UUID {
			continue
		}
		w.size++
		if n.UnhealthySince != nil {
			w.patients = append(w.patients, patient{name: n.Name, away: s.Now().Sub(*n.UnhealthySince), gone: v.hosts[n.Name] == hostGone})
		}
	}
	return w
}

// heals tells whether the nodes of a group are healed by us. The label is the cluster's or, where it has one, the group's.
func heals(c *db.Cluster, g *db.NodeGroup) bool {
	if healedInside(c.Labels) {
		return false
	}
	word, own := g.Labels["auto_healing_enabled"]
	if !own {
		word = c.Labels["auto_healing_enabled"]
	}
	yes, _ := ops.ParseBool(word)
	return yes
}

// order asks for an operation as the API does for a user, but in nobody's name.
func (d decider) order(s *db.Snapshot, kind ops.Kind, g *db.NodeGroup, params any) error {
	op, err := ops.New(d.newUUID(), kind, s.Cluster, g, params)
	if err != nil {
		return err
	}
	d.enter(s, op, kind)
	return nil
}

// enter adds an operation, with a request id that no request had.
func (d decider) enter(s *db.Snapshot, op *db.Operation, kind ops.Kind) {
	op.RequestID = "req-" + op.UUID
	for _, g := range s.NodeGroups {
		if kind.Concerns(g, op.NodeGroupUUID) {
			g.Status, g.StatusReason = kind.GroupProgress(), nil
		}
	}
	s.Cluster.Status, s.Cluster.StatusReason = kind.Progress(), nil
	s.Operations = append(s.Operations, op)
}

// healedLately counts the nodes of each group that operations were to heal.
func healedLately(l []*db.Operation) (map[string]int, error) {
	out := map[string]int{}
	for _, o := range l {
		var p ops.Heal
		if err := json.Unmarshal(o.Params, &p); err != nil {
			return nil, fmt.Errorf("reading the parameters of operation %s: %w", o.UUID, err)
		}
		out[o.NodeGroupUUID] += len(p.Nodes)
	}
	return out, nil
}

// ill tells whether any node is not well: only then hosts and earlier operations have to be looked at.
func ill(s *db.Snapshot, v sight, after time.Duration) bool {
	for _, n := range expected(s) {
		if n.UnhealthySince != nil && !v.ready[n.Name] && s.Now().Sub(*n.UnhealthySince) >= after {
			return true
		}
	}
	return false
}
