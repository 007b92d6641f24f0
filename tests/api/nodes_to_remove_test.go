package api

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

// members lists the nodes of the default workers that are wanted, by name, in the order in which they were made.
func (c *client) members(cluster string) []object {
	c.t.Helper()
	return slices.DeleteFunc(c.want(200, "GET", cluster+"/nodes", nil).list("nodes"), func(n object) bool {
		return n["nodegroup"] != "default-worker" || n["state"] != "wanted"
	})
}

// TestNodesToRemove takes nodes away by everything that names them. The youngest node is never named, so that a shrink that
// forgot the name would take another one.
func TestNodesToRemove(t *testing.T) {
	b := newBed(t)
	cluster := b.living(object{"node_count": 7})
	resize := cluster + "/actions/resize"
	name := func(n object, attribute string) string { return fmt.Sprint(n[attribute]) }
	address := func(n object) string { return fmt.Sprint(n["addresses"].([]any)[0]) } //nolint:errorlint // a panic is a failure too
	left := b.one.members(cluster)
	for _, tc := range []struct {
		name string
		as   func(object) string
	}{
		{"server id", func(n object) string { return name(n, "server_id") }},
		{"provider id", func(n object) string { return "openstack:///" + name(n, "server_id") }},
		{"provider id with a region", func(n object) string { return "openstack://RegionOne/" + name(n, "server_id") }},
		{"name", func(n object) string { return name(n, "name") }},
		{"address", address},
		{"UUID", func(n object) string { return name(n, "uuid") }},
	} {
		victim := left[0]
		left = left[1:]
		// the node is on its way out as soon as the answer is there, however often it is asked for
		body := object{"node_count": len(left), "nodes_to_remove": []string{tc.as(victim)}, "nodegroup": "default-worker"}
		b.one.want(202, "POST", resize, body)
		b.isLeft(tc.name, cluster, left)
		if a := b.one.do("POST", resize, body); a.status != 202 && !contains(a.detail(), "has no such node") { // gone by now
			t.Errorf("%s, again: %s", tc.name, a.body)
		}
	}
	b.one.settled(cluster, "UPDATE_COMPLETE")
	b.isLeft("in the end", cluster, left)
	for _, strange := range []string{"6", "", "openstack:///", "openstack:///nope", name(left[0], "name")[1:], "10.99.0.1"} {
		d := b.one.want(400, "POST", resize, object{"node_count": 0, "nodes_to_remove": []string{strange}}).detail()
		if want := fmt.Sprintf("nodes_to_remove. Value: '%s'. Node group default-worker has no such node.", strange); !contains(d, want) {
			t.Errorf("%q: %s", strange, d)
		}
	}
	master := b.one.want(200, "GET", cluster+"/nodes", nil).list("nodes")[0]
	b.one.want(400, "POST", resize, object{"node_count": 0, "nodes_to_remove": []string{name(master, "name")}})
	b.isLeft("after the refusals", cluster, left)
	b.one.want(202, "POST", resize, object{"node_count": 0})
	b.one.settled(cluster, "UPDATE_COMPLETE")
	b.one.want(202, "POST", resize, object{"node_count": 1})
	b.one.settled(cluster, "UPDATE_COMPLETE")
	if l := b.one.members(cluster); len(l) != 1 || l[0]["ready"] != true {
		t.Errorf("from zero: %v", l)
	}
}

func (b *bed) isLeft(when, cluster string, want []object) {
	b.t.Helper()
	var got, names []any
	for _, n := range b.one.members(cluster) {
		got = append(got, n["name"])
	}
	for _, n := range want {
		names = append(names, n["name"])
	}
	if !slices.Equal(got, names) {
		b.t.Fatalf("%s: there are %v, expected %v", when, got, names)
	}
}

// TestShrinkWhileAnotherRuns: a resize that is under way meets the new size with the node that was named.
func TestShrinkWhileAnotherRuns(t *testing.T) {
	b := newBed(t)
	cluster := b.living(object{"node_count": 3})
	resize := cluster + "/actions/resize"
	b.one.want(202, "POST", resize, object{"node_count": 4})
	var before []object
	testenv.Eventually(t, patience, "a fourth node to be wanted", func() bool {
		before = b.one.members(cluster)
		return len(before) == 4
	})
	b.one.want(202, "POST", resize, object{"node_count": 3, "nodes_to_remove": []string{fmt.Sprint(before[1]["server_id"])}})
	b.one.settled(cluster, "UPDATE_COMPLETE")
	b.isLeft("in the end", cluster, slices.Delete(before, 1, 2))
}

// TestRemovedWhileItIsReplaced: an upgrade under way has a successor for a node that is named, or is the one that is named.
// Both go, since the place does; the successor of a node that leaves already stays.
func TestRemovedWhileItIsReplaced(t *testing.T) {
	for _, gone := range []string{"one", "new-one"} {
		t.Run(gone, func(t *testing.T) { removedWhileItIsReplaced(t, gone) })
	}
}

func removedWhileItIsReplaced(t *testing.T, gone string) {
	b := newBed(t)
	id := b.one.cluster(b.one.template(nil), object{"node_count": 2})
	b.set(id, "UPDATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", nil)
	one, two := uuid.NewString(), uuid.NewString()
	err := b.Store.ChangeCluster(t.Context(), id, func(s *db.Snapshot) error {
		i := slices.IndexFunc(s.NodeGroups, func(g *db.NodeGroup) bool { return g.Role == db.RoleWorker })
		for _, n := range []db.Node{{UUID: one, Name: "one", State: db.NodeWanted}, {UUID: uuid.NewString(), Name: "new-one", State: db.NodeWanted, Replaces: one},
			{UUID: two, Name: "two", State: db.NodeRemoving}, {UUID: uuid.NewString(), Name: "new-two", State: db.NodeWanted, Replaces: two}} {
			n.ClusterUUID, n.NodeGroupUUID, n.CreatedAt = id, s.NodeGroups[i].UUID, time.Now()
			s.Nodes = append(s.Nodes, &n)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	resize := "/v1/clusters/" + id + "/actions/resize"
	b.one.want(409, "POST", resize, object{"node_count": 1, "expected_node_count": 2, "nodes_to_remove": []string{"one", "two"}}) // which goes already
	b.one.want(202, "POST", resize, object{"node_count": 1, "nodes_to_remove": []string{gone, "two"}})
	if l := b.one.members("/v1/clusters/" + id); len(l) != 1 || l[0]["name"] != "new-two" || l[0]["replaces"] != two {
		t.Errorf("what is left: %v", l)
	}
}

// TestOneOfManyResizes: of those that expect the same size one is taken, however many come at once.
func TestOneOfManyResizes(t *testing.T) {
	b := newBed(t)
	id := b.one.cluster(b.one.template(nil), object{"node_count": 2})
	b.set(id, "CREATE_COMPLETE", "CREATE_COMPLETE", nil)
	var all sync.WaitGroup
	statuses := make([]int, 8)
	for i := range statuses {
		all.Go(func() {
			statuses[i] = b.one.do("POST", "/v1/clusters/"+id+"/actions/resize", object{"node_count": 3 + i, "expected_node_count": 2}).status
		})
	}
	all.Wait()
	slices.Sort(statuses)
	if statuses[0] != 202 || statuses[1] != 409 || statuses[len(statuses)-1] != 409 {
		t.Errorf("they are answered with %v", statuses)
	}
	if l := b.one.want(200, "GET", "/v1/clusters/"+id+"/operations", nil).list("operations"); len(l) != 2 {
		t.Errorf("%d operations, expected the create and one resize", len(l))
	}
}
