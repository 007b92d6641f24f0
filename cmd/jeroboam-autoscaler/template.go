package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/flavors"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/internal/externalgrpc"
)

// What a node has beside its flavour, where it is not said otherwise.
const (
	arch       = "amd64" // a node label kubernetes.io/arch of the group says another
	maxPods    = 110     // the kubelet's default
	mebi, gibi = 1 << 20, 1 << 30

	// evictionMemory is what the kubelet keeps of the memory by default. Of the disk it keeps a tenth.
	evictionMemory = 100 * mebi
)

// resourcesLabel is a label of node groups that names what else their nodes have, such as GPUs: nvidia.com/gpu=2. Several
// are separated by spaces.
const resourcesLabel = "autoscaler_resources"

// NodeGroupTemplateNodeInfo describes a node that a group would get. It is what a group without nodes is judged by.
func (p *provider) NodeGroupTemplateNodeInfo(ctx context.Context, r *externalgrpc.NodeGroupTemplateNodeInfoRequest) (*externalgrpc.NodeGroupTemplateNodeInfoResponse, error) {
	v, err := p.view(ctx)
	if err != nil {
		return nil, err
	}
	g, err := v.group(r.GetId())
	if err != nil {
		return nil, err
	}
	f, err := p.flavor(ctx, g.FlavorID)
	if err != nil {
		return nil, err
	}
	n, err := g.template(f)
	if err != nil {
		return nil, err
	}
	raw, err := n.Marshal()
	if err != nil {
		return nil, fmt.Errorf("encoding a node: %w", err)
	}
	return &externalgrpc.NodeGroupTemplateNodeInfoResponse{NodeInfo: raw, NodeBytes: raw}, nil
}

type flavor = flavors.Flavor

// flavor by id or name.
func (p *provider) flavor(ctx context.Context, ident string) (*flavor, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for range 2 {
		for _, is := range []func(flavor) bool{func(f flavor) bool { return f.ID == ident }, func(f flavor) bool { return f.Name == ident }} {
			if i := slices.IndexFunc(p.flavors, is); i >= 0 {
				return &p.flavors[i], nil
			}
		}
		pages, err := flavors.ListDetail(p.nova, flavors.ListOpts{}).AllPages(ctx)
		if err != nil {
			return nil, fmt.Errorf("listing flavors: %w", err)
		}
		if p.flavors, err = flavors.ExtractFlavors(pages); err != nil {
			return nil, fmt.Errorf("reading flavors: %w", err)
		}
	}
	return nil, status.Errorf(codes.NotFound, "there is no flavor %s any more", ident)
}

// template is a node as it registers itself, before anything runs on it.
func (g *group) template(f *flavor) (*corev1.Node, error) {
	n := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: g.Name + "-template"}}
	n.Labels = map[string]string{corev1.LabelHostname: n.Name, corev1.LabelOSStable: "linux", corev1.LabelArchStable: arch,
		corev1.LabelInstanceTypeStable: f.Name, ops.NodeGroupLabel: g.Name}
	if zone := g.Labels["availability_zone"]; zone != "" && !strings.Contains(zone, ",") { // of several a node may be in any
		n.Labels[corev1.LabelTopologyZone] = zone
	}
	maps.Copy(n.Labels, g.NodeLabels)
	for _, t := range g.NodeTaints {
		n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: t.Key, Value: t.Value, Effect: corev1.TaintEffect(t.Effect)})
	}
	if runtime := g.Labels["runtime"]; runtime != "" && runtime != ops.RuntimeRunc {
		t := ops.RuntimeTaint(runtime)
		n.Labels[ops.RuntimeLabel] = runtime
		n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: t.Key, Value: t.Value, Effect: corev1.TaintEffect(t.Effect)})
	}
	disk := int64(f.Disk) * gibi
	if size, err := strconv.ParseInt(g.Labels["boot_volume_size"], 10, 64); err == nil && size > 0 {
		disk = size * gibi
	}
	memory := guestMemory(int64(f.RAM) * mebi)
	n.Status.Capacity = corev1.ResourceList{corev1.ResourceCPU: *resource.NewQuantity(int64(f.VCPUs), resource.DecimalSI),
		corev1.ResourceMemory: *resource.NewQuantity(memory, resource.BinarySI), corev1.ResourceEphemeralStorage: *resource.NewQuantity(disk, resource.BinarySI),
		corev1.ResourcePods: *resource.NewQuantity(maxPods, resource.DecimalSI)}
	for _, x := range strings.Fields(g.Labels[resourcesLabel]) {
		kind, count, _ := strings.Cut(x, "=")
		q, err := resource.ParseQuantity(count)
		if err != nil || kind == "" {
			return nil, status.Errorf(codes.FailedPrecondition, "label %s of node group %s: %q is not of the form nvidia.com/gpu=2", resourcesLabel, g.Name, x)
		}
		n.Status.Capacity[corev1.ResourceName(kind)] = q
	}
	n.Status.Allocatable = maps.Clone(n.Status.Capacity)
	n.Status.Allocatable[corev1.ResourceMemory] = *resource.NewQuantity(max(0, memory-evictionMemory), resource.BinarySI)
	n.Status.Allocatable[corev1.ResourceEphemeralStorage] = *resource.NewQuantity(disk-disk/10, resource.BinarySI)
	n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	return n, nil
}

// guestMemory is what a guest's Linux says that it has: firmware, kernel and the kernel's own tables are taken off. It errs
// towards less: nodes that are made for a pod and then have no room for it are made again and again.
func guestMemory(ram int64) int64 { return max(0, ram-ram/32-64*mebi) }
