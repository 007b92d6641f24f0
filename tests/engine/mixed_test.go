package engine

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
	"github.com/jeroboam-cloud/jeroboam/drivers/ironic"
	"github.com/jeroboam-cloud/jeroboam/drivers/kube"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

// metalNodes is how many the simulated cloud has.
const metalNodes = 8

// ironic is the service's way to Ironic.
func (b *bed) ironic() *cloud.Baremetal {
	b.t.Helper()
	i, err := b.clouds.Baremetal(context.Background())
	if err != nil {
		b.t.Fatal(err)
	}
	return i
}

func (b *bed) metal() []cloud.BaremetalNode {
	b.t.Helper()
	l, err := b.ironic().Nodes(context.Background(), cloud.NodeFilter{})
	if err != nil {
		b.t.Fatal(err)
	}
	return l
}

// machineOf a host: the node that has its instance.
func (b *bed) machineOf(id, node string) cloud.BaremetalNode {
	b.t.Helper()
	instance := b.node(id, node).HostID
	for _, n := range b.metal() {
		if n.InstanceID == instance {
			return n
		}
	}
	b.t.Fatalf("no machine has instance %q of node %s\n%s", instance, node, b.events(id))
	return cloud.BaremetalNode{}
}

// onMetal makes a group one of machines.
func onMetal(g *db.NodeGroup, s *ops.GroupSpec) {
	g.Driver, s.FlavorID, s.ResourceClass, s.Traits = ironic.Name, "5", "CUSTOM_BAREMETAL", []string{"HW_CPU_X86_VMX"}
}

// allFree insists on all machines being to be had again, with nothing of a cluster on them.
func (b *bed) allFree() {
	b.t.Helper()
	testenv.Eventually(b.t, eventually, "all machines to be available again", func() bool {
		return !slices.ContainsFunc(b.metal(), func(n cloud.BaremetalNode) bool { return n.Unusable(time.Now()) != "" })
	})
	for _, n := range b.metal() {
		vifs, err := b.ironic().VIFs(context.Background(), n.ID)
		if err != nil || len(vifs) > 0 || n.Lessee != "" || len(n.InstanceInfo) > 0 {
			b.t.Errorf("node %s has lessee %q, ports %v and %v left, %v", n.Title(), n.Lessee, vifs, n.InstanceInfo, err)
		}
	}
	if l, err := b.ironic().Allocations(context.Background(), ""); err != nil || len(l) > 0 {
		b.t.Errorf("allocations are left: %v, %v", l, err)
	}
}

// TestMixed: three control planes and two workers on Nova, two workers on metal, in one network behind one load balancer.
func TestMixed(t *testing.T) {
	t.Parallel()
	b := newBed(t, sim.Options{Latency: sim.Latency{NodeClean: 10 * time.Minute}}) // so that whoever looks sees it
	b.secrets = b.rows()
	c := b.conductor("one")
	b.run(c, b.conductor("two"))
	id := b.older("mix", 3, 2, true)
	b.relabel(id, func(s *ops.ClusterSpec) { s.Addons = []string{ops.AddonCloudProvider} }) // which does not know machines
	old := b.image(oldImage).ID
	b.addGroup(id, b.group("metal", db.RoleWorker, 2, func(g *db.NodeGroup, s *ops.GroupSpec) {
		onMetal(g, s)
		g.ImageID, s.ImageID, s.KubeVersion = oldImage, old, oldVersion
	}))
	v := b.reaches(id, ops.UpdateComplete)
	names := b.namesOf(id, "metal")
	nodes, racks := b.kubeNodes(v, b.secrets), map[string]bool{}
	for _, name := range names {
		n, x := b.machineOf(id, name), nodes[name]
		rack := fmt.Sprint(n.Properties["rack"])
		racks[rack] = true
		if n.State != "active" || n.Lessee != b.project || n.InstanceInfo["display_name"] != name {
			t.Errorf("the machine of %s: %+v", name, n)
		}
		if !x.Ready || x.Labels[ops.ServerTypeLabel] != "bm" || nodes[name].ProviderID != ops.MachineScheme+n.InstanceID || x.Labels[ops.RackLabel] != rack || x.Labels[ops.ResourceClassLabel] != "CUSTOM_BAREMETAL" || x.Labels[ops.TraitLabelPrefix+"HW_CPU_X86_VMX"] != "true" {
			t.Errorf("node %s: ready %v, labels %v", name, x.Ready, x.Labels)
		}
	}
	if len(names) != 2 || len(nodes) != 7 || len(racks) != 2 {
		t.Fatalf("metal %v in racks %v, %d nodes\n%s", names, racks, len(nodes), b.events(id))
	}

	for _, size := range []int{4, 2} {
		b.request(id, ops.NodeGroupResize, "metal", func(g *db.NodeGroup) { g.NodeCount = size })
		b.reaches(id, ops.UpdateComplete)
		if n := len(b.namesOf(id, "metal")); n != size || len(b.kubeNodes(v, b.secrets)) != 5+size {
			t.Fatalf("after a resize to %d: %d\n%s", size, n, b.events(id))
		}
	}

	names = b.namesOf(id, "metal")
	machines := map[string]string{}
	for _, name := range names {
		machines[name] = b.machineOf(id, name).ID
	}
	b.requestWith(id, ops.ClusterUpgrade, "", nil, b.upgradeOf(id, 1))
	b.reaches(id, ops.UpdateComplete)
	if got := b.versions(id); len(got) != 1 || got[newVersion] != 7 {
		t.Errorf("after the upgrade: %v\n%s", got, b.events(id))
	}
	for _, name := range names {
		if n := b.machineOf(id, name); n.ID != machines[name] || n.InstanceInfo["image_source"] != b.image(newImage).ID {
			t.Errorf("%s is on %s, was on %s, and made of %v", name, n.ID, machines[name], n.InstanceInfo["image_source"])
		}
	}
	if n := b.told(id, "drain "+names[0], "done"); n < 1 {
		t.Errorf("%s was not drained before it was made anew", names[0])
	}
	b.quiet(id, "a comparison with the cloud", func() { b.drift(b.watcher(c)) })
	b.deleted(id)
	if !strings.Contains(b.events(id), "is being cleaned") {
		t.Errorf("nobody said that the machines are being cleaned\n%s", b.events(id))
	}
	b.allFree()
}

// metalCluster is one of one server and so many machines, which are healed.
func metalCluster(t *testing.T, o sim.Options, workers, haste int) (b *bed, id string) {
	t.Helper()
	b = newBed(t, o)
	b.secrets = b.rows()
	c := b.conductor("one")
	hurry(t, c, haste)
	b.run(c)
	id = b.completed(order{name: "metal", masters: 1, workers: workers, group: func(g *db.NodeGroup, s *ops.GroupSpec) {
		if g.Role == db.RoleWorker {
			onMetal(g, s)
		}
	}})
	return b, id
}

// healed asks for the healing of a node that is ill, and tells what became of it.
func (b *bed) healed(id, name, ends string, faults ...sim.Rule) *db.ClusterView {
	b.t.Helper()
	b.missed(id, name)
	for _, rule := range faults {
		if err := b.cloud.Inject(rule); err != nil {
			b.t.Fatal(err)
		}
	}
	b.requestWith(id, ops.NodeGroupHeal, "default-worker", nil, ops.Heal{Nodes: []string{name}})
	return b.reaches(id, ends)
}

// switchedOff is a machine without power.
func (b *bed) switchedOff(id, name string) {
	b.t.Helper()
	b.person("admin").must(http.MethodPut, "/baremetal/v1/nodes/"+b.machineOf(id, name).ID+"/states/power", map[string]any{"target": "power off"}, nil)
}

// hung is a machine whose system does nothing any more.
func (b *bed) hung(id, name string) {
	b.t.Helper()
	if err := b.cloud.Crash(b.machineOf(id, name).ID); err != nil {
		b.t.Fatal(err)
	}
}

// withoutKubelet is a machine that runs, while its kubelet does not.
func (b *bed) withoutKubelet(id, name string) {
	b.t.Helper()
	v, err := b.store.Cluster(b.t.Context(), id, "")
	if err != nil {
		b.t.Fatal(err)
	}
	if _, _, err := b.kube(v, b.secrets).RunOnHost(b.t.Context(), kube.HostCommand{Run: "test", Name: "stop", Node: name, Script: "systemctl stop kubelet"}); err != nil {
		b.t.Fatal(err)
	}
}

// complaining is a node whose kubelet says by itself that it is not ready.
func (b *bed) complaining(id, name string) {
	b.t.Helper()
	v, err := b.store.Cluster(b.t.Context(), id, "")
	if err != nil {
		b.t.Fatal(err)
	}
	ca, cert, key := b.signed(v, b.secrets, ops.SecretCA)
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		b.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca.Certificate)
	web := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}}}}
	defer web.CloseIdleConnections()
	q, err := http.NewRequestWithContext(b.t.Context(), http.MethodPatch, *v.APIAddress+"/api/v1/nodes/"+name+"/status",
		strings.NewReader(`{"status": {"conditions": [{"type": "Ready", "status": "False", "reason": "KubeletNotReady", "message": "PLEG is not healthy"}]}}`))
	if err != nil {
		b.t.Fatal(err)
	}
	q.Header.Set("Content-Type", "application/strategic-merge-patch+json")
	r, err := web.Do(q)
	if err != nil {
		b.t.Fatal(err)
	}
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		b.t.Fatalf("patching the status of %s: %s", name, r.Status)
	}
}

// TestAMachineIsHealed in the order of what costs least.
func TestAMachineIsHealed(t *testing.T) {
	unswitchable := sim.Rule{Service: "baremetal", Method: "PUT", PathRegexp: "/states/power$", Action: sim.Action{Fault: "the BMC does not answer"}}
	broken := sim.Rule{Service: "baremetal", Method: "PUT", PathRegexp: "/states/provision$", Times: 1, Action: sim.Action{Fault: "the disk is broken"}}
	for _, tc := range []struct {
		name    string
		ill     func(b *bed, id, node string)
		haste   int
		faults  []sim.Rule
		step    string // that helped
		reboots int    // that Ironic was asked for
		rebuilt bool
		same    bool // on its own machine, with its name
	}{
		{"its kubelet is started again", (*bed).complaining, 10, nil, "kubelet restart of %s", 0, false, true},
		{"a soft reboot is enough", (*bed).withoutKubelet, 200, nil, "soft reboot of %s", 1, false, true},
		{"its system hangs", (*bed).hung, 200, nil, "hard reboot of %s", 2, false, true},
		{"it is switched on", (*bed).switchedOff, 200, nil, "soft reboot of %s", 1, false, true},
		{"it is made anew where it is", (*bed).switchedOff, 10, []sim.Rule{unswitchable}, "rebuild %s", 2, true, true},
		{"another one takes its place", (*bed).switchedOff, 10, []sim.Rule{unswitchable, broken}, "", 2, true, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			b, id := metalCluster(t, sim.Options{}, 2, tc.haste)
			name := b.namesOf(id, "default-worker")[0]
			machine := b.machineOf(id, name).ID
			tc.ill(b, id, name)
			before := b.writes()
			v := b.healed(id, name, ops.UpdateComplete, tc.faults...)
			b.cloud.ClearFaults()
			if step := fmt.Sprintf(tc.step, name); tc.step != "" && (b.told(id, step, "done") == 0 || b.told(id, step, "given up") > 0) {
				t.Errorf("nothing is told of %s\n%s", step, b.events(id))
			}
			const power = "baremetal PUT /nodes/{node}/states/power"
			if n := b.writes()[power] - before[power]; n != tc.reboots {
				t.Errorf("%d reboots, want %d\n%s", n, tc.reboots, b.events(id))
			}
			if rebuilt := b.told(id, "rebuild "+name, "") > 0; rebuilt != tc.rebuilt {
				t.Errorf("made anew: %v\n%s", rebuilt, b.events(id))
			}
			now := b.namesOf(id, "default-worker")
			if len(now) != 2 || len(b.kubeNodes(v, b.secrets)) != 3 || slices.Contains(now, name) != tc.same {
				t.Fatalf("the workers are %v, %s was ill\n%s", now, name, b.events(id))
			}
			if tc.same && (b.machineOf(id, name).ID != machine || !b.kubeNodes(v, b.secrets)[name].Ready) {
				t.Errorf("it is on another machine, or not ready\n%s", b.events(id))
			}
			b.deleted(id)
		})
	}
}

// TestMachinesThatCannotBeDeployed are left alone, by everybody, and others taken.
func TestMachinesThatCannotBeDeployed(t *testing.T) {
	t.Parallel()
	b := newBed(t, sim.Options{})
	b.secrets = b.rows()
	if err := b.cloud.Inject(sim.Rule{Service: "baremetal", Method: "PUT", PathRegexp: "/states/provision$", Times: 1, Action: sim.Action{Fault: "the disk is broken"}}); err != nil {
		t.Fatal(err)
	}
	b.run(b.conductor("one"))
	id := b.completed(order{name: "metal", masters: 1, workers: 1, group: func(g *db.NodeGroup, s *ops.GroupSpec) {
		if g.Role == db.RoleWorker {
			onMetal(g, s)
		}
	}})
	avoided := slices.DeleteFunc(b.metal(), func(n cloud.BaremetalNode) bool { _, yes := n.Avoided(time.Now()); return !yes })
	if len(avoided) != 1 || !strings.Contains(fmt.Sprint(avoided[0].Extra), "the disk is broken") || avoided[0].InstanceID != "" {
		t.Errorf("avoided are %+v\n%s", avoided, b.events(id))
	}
	if r := b.recorded(id, drivers.KindAllocation); len(r) != 1 || r[0].CloudID == "" {
		t.Errorf("the ledger: %+v", r)
	}
	b.deleted(id)
}

// TestABusyIronic answers 503 while its conductor has no free worker, and 409 while a node is locked: both are waited for.
func TestABusyIronic(t *testing.T) {
	t.Parallel()
	b := newBed(t, sim.Options{ConductorWorkers: 1})
	b.secrets = b.rows()
	b.run(b.conductor("one"))
	id := b.completed(order{name: "metal", masters: 1, workers: 3, group: func(g *db.NodeGroup, s *ops.GroupSpec) {
		if g.Role == db.RoleWorker {
			onMetal(g, s)
		}
	}})
	if events := b.events(id); !strings.Contains(events, "HTTP 503") && !strings.Contains(events, "HTTP 409") {
		t.Errorf("Ironic was never busy\n%s", events)
	}
	b.deleted(id)
	b.allFree()
}

// TestNotEnoughMachines fails for want of capacity, and leaves nothing.
func TestNotEnoughMachines(t *testing.T) {
	t.Parallel()
	b := newBed(t, sim.Options{})
	b.run(b.conductor("one"))
	id := b.order(order{name: "metal", masters: 1, workers: metalNodes + 1, group: func(g *db.NodeGroup, s *ops.GroupSpec) {
		if g.Role == db.RoleWorker {
			onMetal(g, s)
		}
	}})
	v := b.settle(id)
	if v == nil || v.Status != ops.CreateFailed || !strings.Contains(brief(v), "no node of resource class CUSTOM_BAREMETAL") {
		t.Fatalf("it is %s\n%s", brief(v), b.events(id))
	}
	b.deleted(id)
	b.allFree()
}

// TestAnUnwellMachineIsRetired when its node is removed; one that is well is somebody else's next.
func TestAnUnwellMachineIsRetired(t *testing.T) {
	t.Parallel()
	b := newBed(t, sim.Options{})
	b.secrets = b.rows()
	c := b.conductor("one")
	b.run(c)
	id := b.completed(order{name: "metal", masters: 1, workers: 3, group: func(g *db.NodeGroup, s *ops.GroupSpec) {
		if g.Role == db.RoleWorker {
			onMetal(g, s)
		}
	}})
	names := b.namesOf(id, "default-worker")
	ill, well := b.machineOf(id, names[0]), b.machineOf(id, names[1])
	b.person("admin").must(http.MethodPut, "/baremetal/v1/nodes/"+ill.ID+"/states/power", map[string]any{"target": "power off"}, nil)
	b.missed(id, names[0])
	b.look(b.watcher(c))
	b.giveUp(id, names[0])
	b.giveUp(id, names[1])
	b.request(id, ops.NodeGroupResize, "default-worker", func(g *db.NodeGroup) { g.NodeCount = 1 })
	b.reaches(id, ops.UpdateComplete)
	testenv.Eventually(t, eventually, "both machines to be cleaned", func() bool {
		states := map[string]string{}
		for _, n := range b.metal() {
			states[n.ID] = fmt.Sprint(n.State, " ", n.Retired)
		}
		return states[ill.ID] == "manageable true" && states[well.ID] == "available false"
	})
	b.deleted(id)
}

// TestMachinesUnderSecureRBAC: an Ironic with the policies in their new form shows the service no machine in its project, and
// all of them by a token for the system.
func TestMachinesUnderSecureRBAC(t *testing.T) {
	t.Parallel()
	b := newBed(t, sim.Options{SecureRBAC: true})
	if l := b.metal(); len(l) > 0 {
		t.Errorf("in its project the service sees %d machines", len(l))
	}
	b.clouds = b.factoryOf(cloud.Config{Username: "jeroboam", ProjectName: "service", BaremetalScope: "all"})
	b.secrets = b.rows()
	b.run(b.conductor("one"))
	id := b.completed(order{name: "metal", masters: 1, workers: 1, group: func(g *db.NodeGroup, s *ops.GroupSpec) {
		if g.Role == db.RoleWorker {
			onMetal(g, s)
		}
	}})
	b.deleted(id)
	b.allFree()
}
