package chaos

import (
	"context"
	"slices"
	"testing"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
	"github.com/jeroboam-cloud/jeroboam/drivers/kube"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
	"github.com/jeroboam-cloud/jeroboam/tests/rig"
)

// newMetalWorld is one in which writes to Ironic are struck, and no others: those are the same as for servers.
func newMetalWorld(t *testing.T, shape rig.Shape) *world {
	t.Helper()
	w := newWorldOf(t, shape)
	w.only = " /baremetal/"
	return w
}

// machines fails the test unless so many of Ironic's nodes are a cluster's, each the one of a node in the rows, and all others
// can be had again, apart from those that were retired. It gives those of the cluster by node.
func (w *world) machines(t *testing.T, uuid string, count int) map[string]cloud.BaremetalNode {
	t.Helper()
	rows, err := w.Store.Nodes(context.Background(), uuid)
	if err != nil {
		t.Fatal(err)
	}
	hosts := map[string]string{}
	for _, n := range rows {
		hosts[n.HostID] = n.Name
	}
	testenv.Eventually(t, patience, "the machines that were given back to be available", func() bool {
		return !slices.ContainsFunc(w.Machines(t), func(n cloud.BaremetalNode) bool { return n.InstanceID == "" && n.TargetState != "" })
	})
	own := map[string]cloud.BaremetalNode{}
	for _, n := range w.Machines(t) {
		name := hosts[n.InstanceID]
		switch {
		case n.InstanceID != "" && (name == "" || n.State != "active" || n.Lessee == "" || own[name].ID != ""):
			t.Errorf("machine %s is %s, of instance %s, which is node %q, and of lessee %q", n.Title(), n.State, n.InstanceID, name, n.Lessee)
		case n.InstanceID != "":
			own[name] = n
		case n.State != "available" && !n.Retired, n.Lessee != "", len(n.InstanceInfo) > 0:
			t.Errorf("machine %s is nobody's, and %s, of lessee %q, with %v", n.Title(), n.State, n.Lessee, n.InstanceInfo)
		}
	}
	if len(own) != count {
		t.Errorf("%d machines are the cluster's, want %d", len(own), count)
	}
	return own
}

// TestCrashPointsOfMetalResizes strikes one write of a resize after the other, of a pool of machines.
func TestCrashPointsOfMetalResizes(t *testing.T) {
	w := newMetalWorld(t, rig.Shape{Name: "metal", Masters: 1, Workers: 1, Metal: true})
	uuid := w.one(t, w.recipe)
	to := func(count int) *db.Operation {
		return w.RequestWith(t, uuid, ops.NodeGroupResize, "default-worker", func(g *db.NodeGroup) { g.NodeCount = count }, nil)
	}
	stands := func(count int) func(*db.Operation, map[string]int) {
		return func(op *db.Operation, has map[string]int) {
			w.machines(t, uuid, count)
			w.sound(t, op, w.census(t))
			if n := len(w.nodesOf(t, uuid, "default-worker")); n != count || has["allocation"] != 0 || has["node"] != count {
				t.Errorf("%d nodes in the rows, and in the cloud %v; want %d", n, has, count)
			}
		}
	}
	t.Run("up", func(t *testing.T) {
		w.struckAt(t, true, func() *db.Operation {
			if len(w.nodesOf(t, uuid, "default-worker")) > 1 {
				w.finish(t, to(1))
			}
			return to(3)
		}, stands(3))
	})
	t.Run("down", func(t *testing.T) {
		w.struckAt(t, true, func() *db.Operation {
			if len(w.nodesOf(t, uuid, "default-worker")) < 3 {
				w.finish(t, to(3))
			}
			return to(1)
		}, stands(1))
	})
	w.gone(t, uuid)
}

// TestCrashPointsOfMetalHealing strikes one write after the other of a machine's rebuild where it is, and of its replacement
// by another one.
func TestCrashPointsOfMetalHealing(t *testing.T) {
	unswitchable := sim.Rule{Service: "baremetal", Method: "PUT", PathRegexp: "/states/power$", Action: sim.Action{Fault: "the BMC does not answer"}}
	broken := sim.Rule{Service: "baremetal", Method: "PUT", PathRegexp: "/states/provision$", Times: 1, Action: sim.Action{Fault: "the disk is broken"}}
	for _, tc := range []struct {
		name   string
		faults []sim.Rule
		same   bool // the node, on its own machine
	}{
		{"rebuilt", []sim.Rule{unswitchable}, true},
		{"replaced", []sim.Rule{unswitchable, broken}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newMetalWorld(t, rig.Shape{Name: "metal", Masters: 1, Workers: 1, Metal: true})
			uuid := w.one(t, w.recipe)
			has := w.census(t)
			var ill, machine string
			w.struckAt(t, true, func() *db.Operation {
				w.ReturnRetired(t)
				ill = w.nodesOf(t, uuid, "default-worker")[0]
				machine = w.machines(t, uuid, 1)[ill].ID
				w.SwitchOff(t, machine)
				testenv.Eventually(t, patience, "the node to be missed", func() bool {
					return !slices.ContainsFunc(w.KubeNodes(t, uuid), func(n kube.Node) bool { return n.Name == ill && n.Ready })
				})
				w.Cloud.ClearFaults()
				for _, f := range tc.faults {
					if err := w.Cloud.Inject(f); err != nil {
						t.Fatal(err)
					}
				}
				return w.RequestWith(t, uuid, ops.NodeGroupHeal, "default-worker", nil, ops.Heal{Nodes: []string{ill}})
			}, func(op *db.Operation, _ map[string]int) {
				w.Cloud.ClearFaults()
				own := w.machines(t, uuid, 1)
				w.sound(t, op, has)
				w.versions(t, uuid, rig.Version)
				if (own[ill].ID == machine) != tc.same {
					t.Errorf("%s was on machine %s, and now the machines are %v", ill, machine, own)
				}
			})
			w.gone(t, uuid)
		})
	}
}

// TestCrashPointsOfMetalUpgrades strikes one write of an upgrade by one minor version of machines where they are: of three
// control planes, whose etcd each leaves and joins again, and of a worker.
func TestCrashPointsOfMetalUpgrades(t *testing.T) {
	shape := rig.Shape{Name: "metal", Masters: 3, Workers: 1, LoadBalancer: true, Metal: true, MetalMasters: true, Version: rig.OldVersion}
	w := newMetalWorld(t, shape)
	shape.Version = rig.Version
	next, uuid := w.Resolve(t, shape), ""
	var before map[string]cloud.BaremetalNode
	w.struckAt(t, true, func() *db.Operation {
		if uuid != "" {
			w.gone(t, uuid)
		}
		uuid = w.one(t, w.recipe)
		before = w.machines(t, uuid, 4)
		return w.RequestWith(t, uuid, ops.ClusterUpgrade, "", nil, w.Upgrade(t, uuid, w.recipe, next, 1))
	}, func(op *db.Operation, has map[string]int) {
		w.sound(t, op, has)
		w.versions(t, uuid, rig.Version)
		for name, n := range w.machines(t, uuid, 4) {
			if before[name].ID != n.ID || before[name].InstanceInfo["image_source"] == n.InstanceInfo["image_source"] {
				t.Errorf("%s was on machine %s with %v, and is on %s with %v", name, before[name].ID, before[name].InstanceInfo, n.ID, n.InstanceInfo)
			}
		}
	})
	w.gone(t, uuid)
}
