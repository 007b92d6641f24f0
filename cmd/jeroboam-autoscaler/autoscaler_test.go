package main

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	corev1 "k8s.io/api/core/v1"

	"github.com/jeroboam-cloud/jeroboam/api/wire"
	"github.com/jeroboam-cloud/jeroboam/cmd/internal/containerinfra"
	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
	"github.com/jeroboam-cloud/jeroboam/internal/externalgrpc"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
	"github.com/jeroboam-cloud/jeroboam/tests/rig"
)

// session is cluster-autoscaler with one cluster.
type session struct {
	*bed
	uuid, project string
	ca            externalgrpc.CloudProviderClient
}

// pool is the node group that is autoscaled.
const pool = "gpu-pool"

// TestAutoscaling is a day of one node group, in order.
func TestAutoscaling(t *testing.T) {
	b := newBed(t, sim.Options{Quotas: map[string]int{"instances": 8}})
	x := &session{bed: b}
	x.uuid = b.cluster(map[string]any{"name": pool, "node_count": 0, "min_node_count": 0, "max_node_count": 20, "flavor_id": rig.Flavor, "merge_labels": true,
		"node_labels": map[string]string{"team": "blue", gpuLabel: "l4"}, "node_taints": []any{map[string]string{"key": "gpu", "value": "yes", "effect": "NoSchedule"}},
		"labels": map[string]string{"boot_volume_size": "40", resourcesLabel: "nvidia.com/gpu=2", "scale_down_unneeded_time": "30m", "scale_down_utilization_threshold": "0.7"}})
	var g wire.NodeGroup
	if err := b.api.Get(t.Context(), containerinfra.ClusterPath(x.uuid, "/nodegroups/"+pool), nil, &g); err != nil {
		t.Fatal(err)
	}
	x.project = g.ProjectID
	ours := newAuthority(t, "ours")
	address := b.start(ours.files(), "--cluster", "dev")
	x.ca = dial(t, address, ours, ours)
	testenv.Eventually(t, patience, "the provider to answer", func() bool {
		_, err := x.ca.Refresh(t.Context(), &externalgrpc.RefreshRequest{})
		return err == nil
	})
	for _, step := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"strangers", func(t *testing.T) { strangers(t, address, ours) }}, {"an empty group", x.empty}, {"its template", x.template}, {"its options", x.options}, {"what is not answered", x.unimplemented},
		{"up from zero", x.up}, {"nodes and groups", x.mapping}, {"what it costs", x.requests}, {"refusals", x.refusals}, {"exactly the named node", x.exactly}, {"others at the same time", x.overtaken},
		{"what has not come is taken back", x.takenBack}, {"no room in the cloud", x.noRoom}, {"down to zero, side by side", x.down}, {"the API is away", x.away},
	} {
		if !t.Run(step.name, step.run) {
			return // the rest would only say so again
		}
	}
}

func (x *session) empty(t *testing.T) {
	l, err := x.ca.NodeGroups(t.Context(), &externalgrpc.NodeGroupsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if g := l.GetNodeGroups(); len(g) != 1 || g[0].GetId() != pool || g[0].GetMinSize() != 0 || g[0].GetMaxSize() != 20 || !strings.Contains(g[0].GetDebug(), rig.Flavor) {
		t.Errorf("node groups: %v", l)
	}
	x.is(t, 0)
	if n := x.instances(t); len(n) != 0 {
		t.Errorf("nodes: %v", n)
	}
}

func (x *session) template(t *testing.T) {
	r, err := x.ca.NodeGroupTemplateNodeInfo(t.Context(), &externalgrpc.NodeGroupTemplateNodeInfoRequest{Id: pool})
	if err != nil {
		t.Fatal(err)
	}
	for _, raw := range [][]byte{r.GetNodeInfo(), r.GetNodeBytes()} {
		var n corev1.Node
		if err := n.Unmarshal(raw); err != nil {
			t.Fatal(err)
		}
		for k, v := range map[string]string{"team": "blue", gpuLabel: "l4", "jeroboam.cloud/nodegroup": pool, "node.kubernetes.io/instance-type": rig.Flavor, "kubernetes.io/arch": "amd64", "kubernetes.io/os": "linux"} {
			if n.Labels[k] != v {
				t.Errorf("label %s is %q, expected %q", k, n.Labels[k], v)
			}
		}
		if len(n.Spec.Taints) != 1 || n.Spec.Taints[0] != (corev1.Taint{Key: "gpu", Value: "yes", Effect: "NoSchedule"}) {
			t.Errorf("taints: %v", n.Spec.Taints)
		}
		has := n.Status.Allocatable
		for name, want := range map[corev1.ResourceName]string{"cpu": "2", "pods": "110", "nvidia.com/gpu": "2", "memory": "3804Mi", "ephemeral-storage": "36Gi"} {
			if got := has[name]; got.String() != want {
				t.Errorf("%s: %s, expected %s", name, got.String(), want)
			}
		}
		if len(n.Status.Conditions) != 1 || n.Status.Conditions[0].Type != corev1.NodeReady || n.Status.Conditions[0].Status != corev1.ConditionTrue {
			t.Errorf("conditions: %v", n.Status.Conditions)
		}
	}
}

func (x *session) options(t *testing.T) {
	r, err := x.ca.NodeGroupGetOptions(t.Context(), &externalgrpc.NodeGroupAutoscalingOptionsRequest{Id: pool, Defaults: &externalgrpc.NodeGroupAutoscalingOptions{
		ScaleDownUtilizationThreshold: 0.5, ScaleDownGpuUtilizationThreshold: 0.6, ScaleDownUnneededDuration: durationpb.New(time.Minute), MaxNodeProvisionDuration: durationpb.New(time.Hour)}})
	if err != nil {
		t.Fatal(err)
	}
	o := r.GetNodeGroupAutoscalingOptions()
	if o.GetScaleDownUtilizationThreshold() != 0.7 || o.GetScaleDownGpuUtilizationThreshold() != 0.6 || o.GetScaleDownUnneededDuration().AsDuration() != 30*time.Minute ||
		o.GetMaxNodeProvisionDuration().AsDuration() != time.Hour {
		t.Errorf("options: %v", o)
	}
}

func (x *session) unimplemented(t *testing.T) {
	_, node := x.ca.PricingNodePrice(t.Context(), &externalgrpc.PricingNodePriceRequest{})
	_, pod := x.ca.PricingPodPrice(t.Context(), &externalgrpc.PricingPodPriceRequest{})
	if status.Code(node) != codes.Unimplemented || status.Code(pod) != codes.Unimplemented {
		t.Errorf("prices: %v, %v", node, pod)
	}
	label, err := x.ca.GPULabel(t.Context(), &externalgrpc.GPULabelRequest{})
	if err != nil || label.GetLabel() != gpuLabel {
		t.Errorf("the label is %v (%v)", label, err)
	}
	kinds, err := x.ca.GetAvailableGPUTypes(t.Context(), &externalgrpc.GetAvailableGPUTypesRequest{})
	if _, ok := kinds.GetGpuTypes()["l4"]; !ok || len(kinds.GetGpuTypes()) != 1 {
		t.Errorf("kinds: %v (%v)", kinds, err)
	}
}

func (x *session) up(t *testing.T) {
	x.grow(t, 2)
	x.is(t, 2)
	seen := map[externalgrpc.InstanceStatus_InstanceState]bool{}
	testenv.Eventually(t, patience, "two nodes to run", func() bool {
		l := x.instances(t)
		running := 0
		for _, s := range l {
			seen[s.GetInstanceState()] = true
			if s.GetErrorInfo() != nil {
				t.Fatalf("instances: %v", l)
			}
			if s.GetInstanceState() == externalgrpc.InstanceStatus_instanceRunning {
				running++
			}
		}
		return running == 2 && len(l) == 2
	})
	if !seen[externalgrpc.InstanceStatus_instanceCreating] {
		t.Error("the nodes were never being created")
	}
	x.settled(x.uuid, "UPDATE_COMPLETE")
	instances := x.instances(t)
	for _, n := range x.bed.nodes(x.uuid, pool) {
		if !n.Ready || instances["openstack:///"+*n.ServerID] == nil {
			t.Errorf("node %v is not among %v", n, instances)
		}
	}
}

func (x *session) mapping(t *testing.T) {
	ours, theirs := x.bed.nodes(x.uuid, pool)[0], x.bed.nodes(x.uuid, "default-worker")[0]
	master := x.bed.nodes(x.uuid, "default-master")[0]
	for _, tc := range []struct {
		name string
		node *externalgrpc.ExternalGrpcNode
		want string
	}{
		{"by provider id", &externalgrpc.ExternalGrpcNode{ProviderID: "openstack:///" + *ours.ServerID, Name: ours.Name}, pool},
		{"by provider id with a region", &externalgrpc.ExternalGrpcNode{ProviderID: "openstack://RegionOne/" + *ours.ServerID, Name: ours.Name}, pool},
		{"by name", &externalgrpc.ExternalGrpcNode{Name: ours.Name}, pool},
		{"of a group without a maximum", &externalgrpc.ExternalGrpcNode{ProviderID: "openstack:///" + *theirs.ServerID, Name: theirs.Name}, ""},
		{"a control plane", &externalgrpc.ExternalGrpcNode{ProviderID: "openstack:///" + *master.ServerID, Name: master.Name}, ""},
		{"another's server of the same name", &externalgrpc.ExternalGrpcNode{ProviderID: "openstack:///nope", Name: ours.Name}, ""},
		{"no node at all", nil, ""},
	} {
		r, err := x.ca.NodeGroupForNode(t.Context(), &externalgrpc.NodeGroupForNodeRequest{Node: tc.node})
		if err != nil || r.GetNodeGroup().GetId() != tc.want || (tc.want != "" && r.GetNodeGroup().GetMaxSize() != 20) {
			t.Errorf("%s: %v (%v)", tc.name, r, err)
		}
	}
}

// requests: a round costs three, however many nodes there are.
func (x *session) requests(t *testing.T) {
	x.proxy.take()
	for range 2 {
		if _, err := x.ca.Refresh(t.Context(), &externalgrpc.RefreshRequest{}); err != nil {
			t.Fatal(err)
		}
		x.round(t)
		l := x.proxy.take()
		slices.Sort(l)
		base := "GET /v1/clusters/" + x.uuid
		if len(l) != 3 || l[0] != base+"/nodegroups" || !strings.HasPrefix(l[1], base+"/nodegroups/") || l[2] != base+"/nodes" {
			t.Errorf("one round asked for %q", l)
		}
	}
}

// round asks what cluster-autoscaler asks in one.
func (x *session) round(t *testing.T) {
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			_, groups := x.ca.NodeGroups(t.Context(), &externalgrpc.NodeGroupsRequest{})
			_, node := x.ca.NodeGroupForNode(t.Context(), &externalgrpc.NodeGroupForNodeRequest{Node: &externalgrpc.ExternalGrpcNode{Name: "x"}})
			_, size := x.ca.NodeGroupTargetSize(t.Context(), &externalgrpc.NodeGroupTargetSizeRequest{Id: pool})
			_, nodes := x.ca.NodeGroupNodes(t.Context(), &externalgrpc.NodeGroupNodesRequest{Id: pool})
			_, template := x.ca.NodeGroupTemplateNodeInfo(t.Context(), &externalgrpc.NodeGroupTemplateNodeInfoRequest{Id: pool})
			for _, err := range []error{groups, node, size, nodes, template} {
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

func (x *session) refusals(t *testing.T) {
	ready, other := x.bed.nodes(x.uuid, pool)[0], x.bed.nodes(x.uuid, "default-worker")[0]
	id := "openstack:///" + *ready.ServerID
	for _, tc := range []struct {
		name string
		err  error
		code codes.Code
		says string
	}{
		{"above the maximum", x.increase(t, pool, 19), codes.FailedPrecondition, "min_node_count = 0, max_node_count = 20"},
		{"above the quota", x.increase(t, pool, 10), codes.ResourceExhausted, "quota of instances is 8"},
		{"by nothing", x.increase(t, pool, 0), codes.InvalidArgument, "an increase by 0"},
		{"an unknown group", x.increase(t, "nope", 1), codes.NotFound, `no node group "nope"`},
		{"a group without a maximum", x.increase(t, "default-worker", 1), codes.NotFound, "max_node_count"},
		{"a decrease upwards", x.decrease(t, 1), codes.InvalidArgument, "below zero"},
		{"a decrease that would take a node", x.decrease(t, -1), codes.FailedPrecondition, "without a node that exists"},
		{"an unknown node", x.remove(t, node("openstack:///nope", ready.Name)), codes.NotFound, "in no node group"},
		{"a node of no group of ours", x.remove(t, node("openstack:///"+*other.ServerID, other.Name)), codes.NotFound, "in no node group"},
		{"one of ours and an unknown one", x.remove(t, node(id, ready.Name), node("", "nope")), codes.NotFound, "nope"},
		{"a node that the autoscaler did not recognize", x.remove(t, node(id, id)), codes.FailedPrecondition, "providerID"},
	} {
		if status.Code(tc.err) != tc.code || !strings.Contains(fmt.Sprint(tc.err), tc.says) {
			t.Errorf("%s: %v, expected %v with %q", tc.name, tc.err, tc.code, tc.says)
		}
	}
	x.is(t, 2)
	if n := x.bed.nodes(x.uuid, pool); len(n) != 2 || n[0].State != "wanted" || n[1].State != "wanted" {
		t.Errorf("refused, and changed: %v", n)
	}
}

// exactly: the oldest of three goes. Asked again, as after an answer that was lost, nothing else does.
func (x *session) exactly(t *testing.T) {
	x.grow(t, 1)
	x.settled(x.uuid, "UPDATE_COMPLETE")
	before := x.bed.nodes(x.uuid, pool)
	victim := node("openstack:///"+*before[0].ServerID, before[0].Name)
	if err := x.remove(t, victim, victim); err != nil {
		t.Fatal(err)
	}
	x.is(t, 2)
	if s := x.instances(t)[victim.ProviderID]; s != nil && s.GetInstanceState() != externalgrpc.InstanceStatus_instanceDeleting {
		t.Errorf("the node is %v", s)
	}
	if err := x.remove(t, victim); err != nil && status.Code(err) != codes.NotFound { // gone by now
		t.Error(err)
	}
	x.is(t, 2)
	x.settled(x.uuid, "UPDATE_COMPLETE")
	x.left(t, before[1:])
}

// overtaken: what others ask for between the autoscaler's look and its request is neither undone nor counted twice.
func (x *session) overtaken(t *testing.T) {
	before := x.bed.nodes(x.uuid, pool)
	resize := func(count int, remove ...string) {
		x.post(containerinfra.ClusterPath(x.uuid, "/actions/resize"), map[string]any{"nodegroup": pool, "node_count": count, "nodes_to_remove": remove}, nil)
	}
	x.proxy.beforeResize(func() { resize(3) })
	x.grow(t, 1)
	x.is(t, 4)
	x.settled(x.uuid, "UPDATE_COMPLETE")
	victim := node("openstack:///"+*before[0].ServerID, before[0].Name)
	x.proxy.beforeResize(func() { // the size is the same afterwards
		resize(3, victim.GetName())
		resize(4)
	})
	if err := x.remove(t, victim); err != nil && status.Code(err) != codes.NotFound { // gone by now
		t.Error(err)
	}
	x.is(t, 4)
	x.settled(x.uuid, "UPDATE_COMPLETE")
	x.named(t, before[1:], 4)
	for _, n := range x.bed.nodes(x.uuid, pool)[1:] {
		if err := x.remove(t, node("openstack:///"+*n.ServerID, n.Name)); err != nil {
			t.Error(err)
		}
	}
	x.is(t, 1)
	x.grow(t, 1)
	x.settled(x.uuid, "UPDATE_COMPLETE")
	x.named(t, before[1:], 2)
}

// named checks that these nodes are among so many.
func (x *session) named(t *testing.T, want []wire.Node, of int) {
	t.Helper()
	got := x.bed.nodes(x.uuid, pool)
	for _, n := range want {
		if !slices.ContainsFunc(got, func(g wire.Node) bool { return g.Name == n.Name && g.State == "wanted" }) || len(got) != of {
			t.Errorf("there are %d nodes, %v; expected %d with %s", len(got), got, of, n.Name)
		}
	}
}

// takenBack: of two nodes that do not come one is taken back, and then the other one is given up as cluster-autoscaler does
// with what does not register.
func (x *session) takenBack(t *testing.T) {
	before := x.bed.nodes(x.uuid, pool)
	if err := x.cloud.Inject(sim.Rule{Service: "compute", Method: "POST", PathRegexp: "/servers$", Name: pool, Times: 2, Action: sim.Action{Stuck: true}}); err != nil {
		t.Fatal(err)
	}
	x.grow(t, 2)
	x.await(t, "two nodes to be asked for", func() bool { return x.count(t, externalgrpc.InstanceStatus_instanceCreating, "openstack:///") == 2 })
	if err := x.decrease(t, -3); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("more than has not come: %v", err)
	}
	if err := x.decrease(t, -1); err != nil {
		t.Fatal(err)
	}
	x.is(t, 3)
	x.await(t, "one to be taken back", func() bool { return x.count(t, externalgrpc.InstanceStatus_instanceCreating, "openstack:///") == 1 })
	for id, s := range x.instances(t) {
		if s.GetInstanceState() == externalgrpc.InstanceStatus_instanceCreating {
			if err := x.remove(t, node(id, id)); err != nil {
				t.Fatal(err)
			}
		}
	}
	x.is(t, 2)
	x.settled(x.uuid, "UPDATE_COMPLETE")
	x.left(t, before)
}

// noRoom: the cloud has no host for a node. That is told with the class that lets the autoscaler try elsewhere.
func (x *session) noRoom(t *testing.T) {
	before := x.bed.nodes(x.uuid, pool)
	if err := x.cloud.Inject(sim.Rule{Service: "compute", Method: "POST", PathRegexp: "/servers$", Name: pool, Times: 1, Action: sim.Action{Fault: "No valid host was found."}}); err != nil {
		t.Fatal(err)
	}
	x.grow(t, 1)
	failed := ""
	x.await(t, "the failure to be told", func() bool {
		for id, s := range x.instances(t) {
			if e := s.GetErrorInfo(); e != nil {
				if e.GetInstanceErrorClass() != 1 || e.GetErrorCode() != "capacity" || !strings.Contains(e.GetErrorMessage(), "No valid host was found") || s.GetInstanceState() != externalgrpc.InstanceStatus_instanceCreating {
					t.Fatalf("it is told as %v", s)
				}
				failed = id
			}
		}
		return failed != ""
	})
	if err := x.remove(t, node(failed, failed)); err != nil {
		t.Fatal(err)
	}
	x.is(t, 2)
	x.settled(x.uuid, "UPDATE_COMPLETE")
	x.left(t, before)
}

// down removes both nodes by calls side by side, as cluster-autoscaler does.
func (x *session) down(t *testing.T) {
	var all sync.WaitGroup
	for _, n := range x.bed.nodes(x.uuid, pool) {
		all.Go(func() {
			if err := x.remove(t, node("openstack:///"+*n.ServerID, n.Name)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	x.is(t, 0)
	x.settled(x.uuid, "UPDATE_COMPLETE")
	x.left(t, nil)
	x.grow(t, 1)
	x.settled(x.uuid, "UPDATE_COMPLETE")
	if n := x.bed.nodes(x.uuid, pool); len(n) != 1 || !n[0].Ready {
		t.Errorf("up again: %v", n)
	}
}

func (x *session) away(t *testing.T) {
	x.proxy.setDown(true)
	_, err := x.ca.Refresh(t.Context(), &externalgrpc.RefreshRequest{})
	_, size := x.ca.NodeGroupTargetSize(t.Context(), &externalgrpc.NodeGroupTargetSizeRequest{Id: pool})
	if status.Code(err) != codes.Unavailable || status.Code(size) != codes.Unavailable {
		t.Errorf("while it is away: %v, %v", err, size)
	}
	x.proxy.setDown(false)
	x.is(t, 1)
	if _, err := x.ca.Cleanup(t.Context(), &externalgrpc.CleanupRequest{}); err != nil {
		t.Error(err)
	}
}

func node(providerID, name string) *externalgrpc.ExternalGrpcNode {
	return &externalgrpc.ExternalGrpcNode{ProviderID: providerID, Name: name}
}

func (x *session) grow(t *testing.T, by int32) {
	t.Helper()
	if err := x.increase(t, pool, by); err != nil {
		t.Fatal(err)
	}
}

func (x *session) increase(t *testing.T, group string, by int32) error {
	_, err := x.ca.NodeGroupIncreaseSize(t.Context(), &externalgrpc.NodeGroupIncreaseSizeRequest{Id: group, Delta: by})
	return err
}

func (x *session) decrease(t *testing.T, by int32) error {
	_, err := x.ca.NodeGroupDecreaseTargetSize(t.Context(), &externalgrpc.NodeGroupDecreaseTargetSizeRequest{Id: pool, Delta: by})
	return err
}

func (x *session) remove(t *testing.T, nodes ...*externalgrpc.ExternalGrpcNode) error {
	_, err := x.ca.NodeGroupDeleteNodes(t.Context(), &externalgrpc.NodeGroupDeleteNodesRequest{Id: pool, Nodes: nodes})
	return err
}

// is checks the size that the group is to have.
func (x *session) is(t *testing.T, want int32) {
	t.Helper()
	r, err := x.ca.NodeGroupTargetSize(t.Context(), &externalgrpc.NodeGroupTargetSizeRequest{Id: pool})
	if err != nil || r.GetTargetSize() != want {
		t.Fatalf("the target size is %v (%v), expected %d", r, err, want)
	}
}

// instances by id, in a new round.
func (x *session) instances(t *testing.T) map[string]*externalgrpc.InstanceStatus {
	t.Helper()
	_, err := x.ca.Refresh(t.Context(), &externalgrpc.RefreshRequest{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := x.ca.NodeGroupNodes(t.Context(), &externalgrpc.NodeGroupNodesRequest{Id: pool})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]*externalgrpc.InstanceStatus{}
	for _, i := range r.GetInstances() {
		out[i.GetId()] = i.GetStatus()
	}
	return out
}

func (x *session) count(t *testing.T, state externalgrpc.InstanceStatus_InstanceState, prefix string) int {
	n := 0
	for id, s := range x.instances(t) {
		if s.GetInstanceState() == state && strings.HasPrefix(id, prefix) {
			n++
		}
	}
	return n
}

func (x *session) await(t *testing.T, what string, done func() bool) {
	t.Helper()
	testenv.Eventually(t, patience, what, done)
}

// left checks which nodes the group has, and servers in the cloud.
func (x *session) left(t *testing.T, want []wire.Node) {
	t.Helper()
	names := func(l []wire.Node) (out []string) {
		for _, n := range l {
			out = append(out, n.Name)
		}
		return out
	}
	if got := names(x.bed.nodes(x.uuid, pool)); !slices.Equal(got, names(want)) {
		t.Errorf("the nodes are %v, expected %v", got, names(want))
	}
	servers := slices.DeleteFunc(x.cloud.Resources(x.project)["server"], func(name string) bool { return !strings.Contains(name, pool) })
	if len(servers) != len(want) {
		t.Errorf("the servers are %v, expected those of %v", servers, names(want))
	}
}
