package main

import (
	"context"
	"strconv"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/jeroboam-cloud/jeroboam/internal/externalgrpc"
)

// NodeGroupGetOptions gives the autoscaler's own options back, changed where labels of the node group say so. They are named
// like the autoscaler's own.
func (p *provider) NodeGroupGetOptions(ctx context.Context, r *externalgrpc.NodeGroupAutoscalingOptionsRequest) (*externalgrpc.NodeGroupAutoscalingOptionsResponse, error) {
	v, err := p.view(ctx)
	if err != nil {
		return nil, err
	}
	g, err := v.group(r.GetId())
	if err != nil {
		return nil, err
	}
	o := &externalgrpc.NodeGroupAutoscalingOptions{}
	if r.Defaults != nil {
		o, _ = proto.Clone(r.Defaults).(*externalgrpc.NodeGroupAutoscalingOptions) // with what a newer autoscaler adds
	}
	if err := g.options(o); err != nil {
		return nil, err
	}
	return &externalgrpc.NodeGroupAutoscalingOptionsResponse{NodeGroupAutoscalingOptions: o}, nil
}

func (g *group) options(o *externalgrpc.NodeGroupAutoscalingOptions) error {
	for label, set := range map[string]func(string) error{
		"scale_down_utilization_threshold": func(v string) (err error) {
			o.ScaleDownUtilizationThreshold, err = strconv.ParseFloat(v, 64)
			return err
		},
		"scale_down_unneeded_time": duration(&o.ScaleDownUnneededDuration),
		"scale_down_unready_time":  duration(&o.ScaleDownUnreadyDuration),
		"max_node_provision_time":  duration(&o.MaxNodeProvisionDuration),
	} {
		if v := g.Labels[label]; v != "" {
			if err := set(v); err != nil {
				return status.Errorf(codes.FailedPrecondition, "label %s of node group %s: %v", label, g.Name, err)
			}
		}
	}
	return nil
}

func duration(into **durationpb.Duration) func(string) error {
	return func(v string) error {
		d, err := time.ParseDuration(v)
		*into = durationpb.New(d)
		return err
	}
}
