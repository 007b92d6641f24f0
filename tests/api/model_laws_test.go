//go:build model

package api

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// lawful holds a cluster on which nothing is under way to what must be so.
func (m *model) lawful() {
	m.t.Helper()
	m.verdicts()
	m.statuses()
	m.ledger()
}

// verdicts: every operation has ended with one, a failure says why, and no two that change the same ran at the same time.
func (m *model) verdicts() {
	m.t.Helper()
	l := m.one.want(200, "GET", m.path+"/operations", nil).list("operations")
	for i, o := range l {
		switch o["status"] {
		case "complete", "cancelled":
		case "failed":
			if fmt.Sprint(o["error"]) == "" || o["error"] == nil || o["error_class"] == "internal" {
				m.t.Errorf("%v failed with class %v: %v", o["kind"], o["error_class"], o["error"])
			}
		default:
			m.t.Errorf("%v has no verdict: %v", o["kind"], o["status"])
		}
		for _, x := range l[i+1:] {
			if exclusive(o, x) && overlap(o, x) {
				m.t.Errorf("%v and %v ran at the same time: %v–%v, %v–%v", o["kind"], x["kind"], o["started_at"], o["finished_at"], x["started_at"], x["finished_at"])
			}
		}
	}
}

// exclusive tells whether two operations change the same: one of them the whole cluster, or both one node group.
func exclusive(a, b object) bool {
	return a["nodegroup_id"] == nil || b["nodegroup_id"] == nil || a["nodegroup_id"] == b["nodegroup_id"]
}

func overlap(a, b object) bool {
	at := func(v any, fallback time.Time) time.Time {
		t, err := time.Parse(time.RFC3339, fmt.Sprint(v))
		if err != nil {
			return fallback
		}
		return t
	}
	never := time.Time{}
	if a["started_at"] == nil || b["started_at"] == nil {
		return false
	}
	return at(a["started_at"], never).Before(at(b["finished_at"], never)) && at(b["started_at"], never).Before(at(a["finished_at"], never))
}

// statuses: nothing is in progress, and a cluster that is complete has the nodes that it should have, all of them ready.
func (m *model) statuses() {
	m.t.Helper()
	c := m.one.want(200, "GET", m.path, nil)
	groups := m.one.want(200, "GET", m.path+"/nodegroups", nil).list("nodegroups")
	wanted, sound := 0, strings.HasSuffix(c.text("status"), "_COMPLETE")
	for _, g := range append(slices.Clone(groups), c.json()) {
		if strings.HasSuffix(fmt.Sprint(g["status"]), "_IN_PROGRESS") {
			m.t.Errorf("%v is %v and nothing is under way", g["name"], g["status"])
		}
	}
	for _, g := range groups {
		wanted += int(g["node_count"].(float64))
		if failed := strings.HasSuffix(fmt.Sprint(g["status"]), "_FAILED"); failed && sound {
			m.t.Errorf("node group %v is %v in a cluster that is %s", g["name"], g["status"], c.text("status"))
		}
	}
	if !sound {
		return
	}
	nodes := m.one.want(200, "GET", m.path+"/nodes", nil).list("nodes")
	if len(nodes) != wanted {
		m.t.Errorf("a cluster that is %s has %d nodes, its groups want %d", c.text("status"), len(nodes), wanted)
	}
	for _, n := range nodes {
		if n["ready"] != true {
			m.t.Errorf("node %v of a cluster that is %s is not ready: %v", n["name"], c.text("status"), n["conditions"])
		}
	}
}

// ledger: what is in the cloud is recorded, and what is recorded is in the cloud, unless an operation ended between the two.
func (m *model) ledger() {
	m.t.Helper()
	sound := strings.HasSuffix(m.one.want(200, "GET", m.path, nil).text("status"), "_COMPLETE")
	cloud := map[string]string{}
	for kind, l := range m.Left() {
		for _, x := range l {
			id, name, _ := strings.Cut(x, " ")
			cloud[id] = kind + " " + name
		}
	}
	recorded := map[string]bool{}
	for _, r := range m.one.want(200, "GET", m.path+"/resources", nil).list("resources") {
		id := fmt.Sprint(r["id"])
		recorded[id] = true
		if _, there := cloud[id]; !there && sound && r["id"] != nil && id != "" && r["kind"] != "router_interface" {
			m.t.Errorf("%v %v is recorded and not in the cloud", r["kind"], r["name"])
		}
	}
	for _, id := range slices.Sorted(maps.Keys(cloud)) {
		if kind, name, _ := strings.Cut(cloud[id], " "); !recorded[id] && !follows(kind, name) {
			m.t.Errorf("%s %s is in the cloud and not recorded", kind, name)
		}
	}
}

// follows tells whether an object comes and goes with another one that is recorded, as ports of load balancers and routers do.
func follows(kind, name string) bool {
	return slices.Contains([]string{"listener", "pool", "member", "health_monitor", "healthmonitor", "volume", "security_group_rule", "role_assignment"}, kind) ||
		kind == "port" && !strings.Contains(name, "-default-") && !strings.Contains(name, "-pool-")
}
