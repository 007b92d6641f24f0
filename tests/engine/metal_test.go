package engine

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

// unfaithful fails undeploys in one way.
func (b *bed) unfaithful(times int, a sim.Action) {
	b.t.Helper()
	a.Step = sim.StepTearDown
	if err := b.cloud.Inject(sim.Rule{Service: "baremetal", Method: "PUT", PathRegexp: "/states/provision$", Times: times, Action: a}); err != nil {
		b.t.Fatal(err)
	}
}

// TestMachinesThatCannotBeUndeployed are asked again, and what Ironic says of them is told meanwhile.
func TestMachinesThatCannotBeUndeployed(t *testing.T) {
	for _, tc := range []struct {
		name   string
		action sim.Action
		words  []string
	}{
		{"it fails", sim.Action{Fault: "the BMC does not answer"}, []string{"was asked to undeploy again, which failed before: Failed to tear down: the BMC does not answer",
			"to be given back: it is deleting since 20", "that failed before: Failed to tear down: the BMC does not answer"}},
		{"its conductor dies", sim.Action{Stuck: true}, []string{"to be given back: it is deleting since 20", "was asked to undeploy again, which failed before: The deleting state can't be resumed"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b, id := metalCluster(t, sim.Options{Latency: sim.Latency{NodePower: 40 * time.Second, NodeTimeout: 4 * time.Minute}}, 1, 10)
			name := b.namesOf(id, "default-worker")[0]
			machine := b.machineOf(id, name)
			b.unfaithful(1, tc.action)
			b.deleted(id)
			for _, words := range tc.words {
				if b.told(id, "host "+name+" is gone", words) == 0 {
					t.Errorf("%q is not told\n%s", words, b.events(id))
				}
			}
			if !strings.Contains(b.events(id), machine.Title()) {
				t.Errorf("nobody names %s\n%s", machine.Title(), b.events(id))
			}
			b.allFree()
		})
	}
}

// TestAMachineThatIsNeverUndeployed ends the delete in time, with Ironic's words; the next one goes on.
func TestAMachineThatIsNeverUndeployed(t *testing.T) {
	t.Parallel()
	b, id := metalCluster(t, sim.Options{}, 1, 200)
	machine := b.machineOf(id, b.namesOf(id, "default-worker")[0])
	b.unfaithful(0, sim.Action{Fault: "the BMC does not answer"})
	b.request(id, ops.ClusterDelete, "", nil)
	if v := b.reaches(id, ops.DeleteFailed); !strings.Contains(brief(v), "Failed to tear down: the BMC does not answer") || !strings.Contains(brief(v), machine.Title()) {
		t.Errorf("it ends with %s", brief(v))
	}
	b.cloud.ClearFaults()
	b.deleted(id)
	b.allFree()
}

// TestAMachineInMaintenanceIsLeftToItsOperator: a delete does not wait for what could not be undeployed, and says so.
func TestAMachineInMaintenanceIsLeftToItsOperator(t *testing.T) {
	t.Parallel()
	b, id := metalCluster(t, sim.Options{}, 1, 10)
	name := b.namesOf(id, "default-worker")[0]
	machine, admin := b.machineOf(id, name), b.person("admin")
	b.unfaithful(0, sim.Action{Fault: "the BMC does not answer"})
	b.request(id, ops.ClusterDelete, "", nil)
	testenv.Eventually(t, eventually, "the machine to be in maintenance after its undeploy failed", func() bool {
		return b.told(id, "host "+name+" is gone", "which failed before") > 0 &&
			admin.do(http.MethodPut, "/baremetal/v1/nodes/"+machine.ID+"/maintenance", map[string]any{"reason": "the operator looks at it"}, nil) == http.StatusAccepted
	})
	if v := b.settle(id); v != nil {
		t.Fatalf("the cluster is %s\n%s", brief(v), b.events(id))
	}
	if b.told(id, "host "+name+" is gone", "could not be undeployed, and is in maintenance") == 0 {
		t.Errorf("nobody says what may still run\n%s", b.events(id))
	}
	b.empty()
}

// TestAMachineIsNotReplacedForItsImage: it would take another one for nothing.
func TestAMachineIsNotReplacedForItsImage(t *testing.T) {
	t.Parallel()
	b, id := metalCluster(t, sim.Options{}, 1, 10)
	name := b.namesOf(id, "default-worker")[0]
	machine, admin := b.machineOf(id, name), b.person("admin")
	path := "/baremetal/v1/nodes/" + machine.ID
	admin.must(http.MethodPut, path+"/maintenance", map[string]any{}, nil)
	if err := b.ironic().ChangeNode(t.Context(), machine.ID, cloud.Change{Path: "/deploy_interface", Value: cloud.RamdiskDeploy}); err != nil {
		t.Fatal(err)
	}
	admin.must(http.MethodDelete, path+"/maintenance", nil, nil)
	b.switchedOff(id, name)
	v := b.healed(id, name, ops.UpdateFailed, sim.Rule{Service: "baremetal", Method: "PUT", PathRegexp: "/states/power$", Action: sim.Action{Fault: "the BMC does not answer"}})
	if words := "image " + newImage + " has no kernel_id and no ramdisk_id"; !strings.Contains(brief(v), words) {
		t.Errorf("%s does not say %q", brief(v), words)
	}
	if now := b.namesOf(id, "default-worker"); len(now) != 1 || now[0] != name {
		t.Errorf("the workers are %v", now)
	}
	b.cloud.ClearFaults()
	b.deleted(id)
	b.allFree()
}

// partsOnly is a cloud whose machines boot a kernel and a ramdisk.
func partsOnly(images ...sim.Image) sim.Options {
	o := sim.Options{Metal: sim.MetalNodes(metalNodes), Images: images}
	o.Metal[0].Ramdisk = true
	return o
}

// TestMachinesThatBootParts: of an image that names its kernel and its ramdisk hosts are made, and are made anew.
func TestMachinesThatBootParts(t *testing.T) {
	t.Parallel()
	const kernel, initrd = "2b4ee1e6-3a7e-4f38-8f20-0d3a4b1f9c01", "2b4ee1e6-3a7e-4f38-8f20-0d3a4b1f9c02"
	content := map[string]string{"os_distro": "ubuntu", "kube_version": newVersion, "architecture": "x86_64"}
	whole := map[string]string{"os_distro": "ubuntu", "kube_version": newVersion, "architecture": "x86_64", cloud.KernelProperty: kernel, cloud.RamdiskProperty: initrd}
	b, id := metalCluster(t, partsOnly(sim.Image{Name: newImage, Properties: whole}, sim.Image{ID: kernel, Name: "kernel"}, sim.Image{ID: initrd, Name: "initrd", Properties: content}), 1, 10)
	name := b.namesOf(id, "default-worker")[0]
	machine := b.machineOf(id, name)
	if i := machine.InstanceInfo; i["kernel"] != kernel || i["ramdisk"] != initrd || i["image_source"] != nil {
		t.Errorf("it is made of %v", i)
	}
	b.switchedOff(id, name)
	b.healed(id, name, ops.UpdateComplete, sim.Rule{Service: "baremetal", Method: "PUT", PathRegexp: "/states/power$", Action: sim.Action{Fault: "the BMC does not answer"}})
	b.cloud.ClearFaults()
	if b.told(id, "rebuild "+name, "done") == 0 || b.machineOf(id, name).ID != machine.ID {
		t.Errorf("it was not made anew where it is\n%s", b.events(id))
	}
	b.deleted(id)
	b.allFree()
}

// TestAnImageWithoutKernel is nobody's fault but its own: the operation says what it lacks, and no machine is touched.
func TestAnImageWithoutKernel(t *testing.T) {
	t.Parallel()
	b := newBed(t, partsOnly())
	b.run(b.conductor("one"))
	id := b.order(order{name: "metal", masters: 1, workers: 1, group: func(g *db.NodeGroup, s *ops.GroupSpec) {
		if g.Role == db.RoleWorker {
			onMetal(g, s)
		}
	}})
	v := b.reaches(id, ops.CreateFailed)
	if words := "image " + newImage + " has no kernel_id and no ramdisk_id"; !strings.Contains(brief(v), words) {
		t.Errorf("%s does not say %q", brief(v), words)
	}
	l, err := b.store.Operations(t.Context(), id, db.OperationFilter{})
	if err != nil || len(l) != 1 || l[0].FaultClass != string(drivers.ClassUser) {
		t.Errorf("the operations: %+v, %v", l, err)
	}
	for call, n := range b.writes() {
		if strings.HasPrefix(call, "baremetal ") {
			t.Errorf("Ironic was asked %d times to %s", n, call)
		}
	}
	b.deleted(id)
	b.allFree()
}
