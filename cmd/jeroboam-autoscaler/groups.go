package main

import (
	"context"
	"fmt"

	"go.uber.org/zap"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/jeroboam-cloud/jeroboam/api/wire"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/internal/externalgrpc"
)

// gpuLabel is for users to put on node groups with GPUs: cluster-autoscaler waits with their nodes until the GPU is there.
// Its value is the kind.
const gpuLabel = "jeroboam.cloud/gpu"

// NodeGroups lists those that have a maximum.
func (p *provider) NodeGroups(ctx context.Context, _ *externalgrpc.NodeGroupsRequest) (*externalgrpc.NodeGroupsResponse, error) {
	v, err := p.view(ctx)
	if err != nil {
		return nil, err
	}
	out := &externalgrpc.NodeGroupsResponse{}
	for _, g := range v.groups {
		out.NodeGroups = append(out.NodeGroups, g.message())
	}
	return out, nil
}

func (g *group) message() *externalgrpc.NodeGroup {
	return &externalgrpc.NodeGroup{Id: g.Name, MinSize: int32(g.MinNodeCount), MaxSize: int32(*g.MaxNodeCount),
		Debug: fmt.Sprintf("%s (%s): %d nodes of %d to %d, flavor %s, %s", g.Name, g.UUID, g.NodeCount, g.MinNodeCount, *g.MaxNodeCount, g.FlavorID, g.Status)}
}

// NodeGroupForNode answers an empty group for nodes that are not to be touched.
func (p *provider) NodeGroupForNode(ctx context.Context, r *externalgrpc.NodeGroupForNodeRequest) (*externalgrpc.NodeGroupForNodeResponse, error) {
	v, err := p.view(ctx)
	if err != nil {
		return nil, err
	}
	g, n := v.node(r.GetNode().GetProviderID(), r.GetNode().GetName())
	if g == nil || g.replaced(n) != nil {
		return &externalgrpc.NodeGroupForNodeResponse{NodeGroup: &externalgrpc.NodeGroup{}}, nil
	}
	if r.GetNode().GetProviderID() == "" {
		p.log.Warn("a node has no providerID, by which cluster-autoscaler tells that it is there; is the OpenStack cloud controller manager running?",
			zap.String("node", r.GetNode().GetName()))
	}
	return &externalgrpc.NodeGroupForNodeResponse{NodeGroup: g.message()}, nil
}

// NodeGroupTargetSize is the count that was asked for last.
func (p *provider) NodeGroupTargetSize(ctx context.Context, r *externalgrpc.NodeGroupTargetSizeRequest) (*externalgrpc.NodeGroupTargetSizeResponse, error) {
	v, err := p.view(ctx)
	if err != nil {
		return nil, err
	}
	g, err := v.group(r.GetId())
	if err != nil {
		return nil, err
	}
	return &externalgrpc.NodeGroupTargetSizeResponse{TargetSize: int32(g.NodeCount)}, nil
}

// NodeGroupNodes lists the nodes that there are, those that come and those that go, one for each place.
func (p *provider) NodeGroupNodes(ctx context.Context, r *externalgrpc.NodeGroupNodesRequest) (*externalgrpc.NodeGroupNodesResponse, error) {
	v, err := p.view(ctx)
	if err != nil {
		return nil, err
	}
	g, err := v.group(r.GetId())
	if err != nil {
		return nil, err
	}
	out := &externalgrpc.NodeGroupNodesResponse{}
	for i := range g.nodes {
		if g.replaced(&g.nodes[i]) != nil {
			continue
		}
		out.Instances = append(out.Instances, &externalgrpc.Instance{Id: instanceID(&g.nodes[i]), Status: g.status(&g.nodes[i])})
	}
	return out, nil
}

// Classes of errors, as cluster-autoscaler numbers them: it tries another group when this one is out of resources.
const (
	outOfResources = 1
	otherError     = 99
)

func (g *group) status(n *wire.Node) *externalgrpc.InstanceStatus {
	switch {
	case n.State == db.NodeRemoving:
		return &externalgrpc.InstanceStatus{InstanceState: externalgrpc.InstanceStatus_instanceDeleting}
	case joined(n):
		return &externalgrpc.InstanceStatus{InstanceState: externalgrpc.InstanceStatus_instanceRunning}
	}
	s := &externalgrpc.InstanceStatus{InstanceState: externalgrpc.InstanceStatus_instanceCreating}
	if g.fault != "" {
		s.ErrorInfo = &externalgrpc.InstanceErrorInfo{ErrorCode: g.faultClass, ErrorMessage: g.fault, InstanceErrorClass: otherError}
		if c := drivers.Class(g.faultClass); c == drivers.ClassQuota || c == drivers.ClassCapacity {
			s.ErrorInfo.InstanceErrorClass = outOfResources
		}
	}
	return s
}

// GPULabel is the label of nodes with GPUs.
func (p *provider) GPULabel(context.Context, *externalgrpc.GPULabelRequest) (*externalgrpc.GPULabelResponse, error) {
	return &externalgrpc.GPULabelResponse{Label: gpuLabel}, nil
}

// GetAvailableGPUTypes lists the values that the label has.
func (p *provider) GetAvailableGPUTypes(ctx context.Context, _ *externalgrpc.GetAvailableGPUTypesRequest) (*externalgrpc.GetAvailableGPUTypesResponse, error) {
	v, err := p.view(ctx)
	if err != nil {
		return nil, err
	}
	out := &externalgrpc.GetAvailableGPUTypesResponse{GpuTypes: map[string]*anypb.Any{}}
	for _, g := range v.groups {
		if kind := g.NodeLabels[gpuLabel]; kind != "" {
			out.GpuTypes[kind] = &anypb.Any{}
		}
	}
	return out, nil
}
