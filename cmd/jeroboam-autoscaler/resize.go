package main

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"go.uber.org/zap"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/jeroboam-cloud/jeroboam/api/wire"
	"github.com/jeroboam-cloud/jeroboam/cmd/internal/containerinfra"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/internal/externalgrpc"
)

// resize is the body of the API's action.
type resize struct {
	NodeGroup     string   `json:"nodegroup"`
	NodeCount     int      `json:"node_count"`
	Expected      int      `json:"expected_node_count"` // what was seen
	NodesToRemove []string `json:"nodes_to_remove"`     // UUIDs
}

// attempts to change a group that others change at the same time.
const attempts = 5

// change decides on a group as it is now, and asks for what comes of it; nil: for nothing. What others change between the
// look and the request would be undone by it: the API refuses it then, and it is decided anew.
func (p *provider) change(ctx context.Context, id string, decide func(*view, *group) (*resize, error)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var err error
	for range attempts {
		if err = p.try(ctx, id, decide); !overtaken(err) {
			return err
		}
		p.log.Info("another one has changed the node group in between", zap.String("nodegroup", id), zap.Error(err))
	}
	return err
}

func overtaken(err error) bool {
	var told *containerinfra.Error
	return errors.As(err, &told) && told.Status == http.StatusConflict
}

func (p *provider) try(ctx context.Context, id string, decide func(*view, *group) (*resize, error)) error {
	p.seen = nil // others may have resized it in this round
	v, err := p.look(ctx)
	if err != nil {
		return err
	}
	g, err := v.group(id)
	if err != nil {
		return err
	}
	r, err := decide(v, g)
	if r == nil || err != nil {
		return err
	}
	r.NodeGroup, r.Expected = g.UUID, g.NodeCount
	p.seen = nil // whatever the answer is, or if none comes
	if err := p.api.Post(ctx, containerinfra.ClusterPath(p.cluster, "/actions/resize"), r, nil); err != nil {
		return err
	}
	p.log.Info("resized", zap.String("nodegroup", g.Name), zap.Int("from", g.NodeCount), zap.Int("to", r.NodeCount), zap.Strings("nodes_to_remove", g.names(r.NodesToRemove)))
	return nil
}

func (g *group) names(uuids []string) []string {
	var l []string
	for _, n := range g.nodes {
		if slices.Contains(uuids, n.UUID) {
			l = append(l, n.Name)
		}
	}
	return l
}

// NodeGroupIncreaseSize asks for more nodes. The API knows the bounds and the quotas.
func (p *provider) NodeGroupIncreaseSize(ctx context.Context, r *externalgrpc.NodeGroupIncreaseSizeRequest) (*externalgrpc.NodeGroupIncreaseSizeResponse, error) {
	if r.GetDelta() <= 0 {
		return nil, status.Errorf(codes.InvalidArgument, "an increase by %d is none", r.GetDelta())
	}
	return &externalgrpc.NodeGroupIncreaseSizeResponse{}, p.change(ctx, r.GetId(), func(_ *view, g *group) (*resize, error) {
		return &resize{NodeCount: g.NodeCount + int(r.GetDelta())}, nil
	})
}

// NodeGroupDeleteNodes takes these nodes away and no others. One that is on its way out already is not counted twice: the
// call may be a second try.
func (p *provider) NodeGroupDeleteNodes(ctx context.Context, r *externalgrpc.NodeGroupDeleteNodesRequest) (*externalgrpc.NodeGroupDeleteNodesResponse, error) {
	return &externalgrpc.NodeGroupDeleteNodesResponse{}, p.change(ctx, r.GetId(), func(v *view, g *group) (*resize, error) {
		var remove []string
		for _, x := range r.GetNodes() {
			in, n := v.node(x.GetProviderID(), x.GetName())
			switch {
			case n == nil:
				return nil, status.Errorf(codes.NotFound, "node %s (%s) is in no node group with a max_node_count", x.GetName(), x.GetProviderID())
			case in != g:
				return nil, status.Errorf(codes.InvalidArgument, "node %s is in node group %s, not in %s", n.Name, in.Name, g.Name)
			case g.replaced(n) != nil:
				return nil, status.Errorf(codes.FailedPrecondition, "node %s is to take the place of %s, which is still there: the two count for one", n.Name, g.replaced(n).Name)
			case x.GetName() == x.GetProviderID() && n.Ready:
				return nil, status.Errorf(codes.FailedPrecondition, "%s is taken for an instance that did not become a node, but it is the node %s, which is ready: "+
					"nodes need their providerID, which the OpenStack cloud controller manager sets", x.GetName(), n.Name)
			case n.State == db.NodeWanted && !slices.Contains(remove, n.UUID):
				remove = append(remove, n.UUID)
			}
		}
		if remove == nil {
			return nil, nil
		}
		return &resize{NodeCount: g.without(len(remove)), NodesToRemove: remove}, nil
	})
}

// NodeGroupDecreaseTargetSize takes back what was asked for and has not come. Which that is, is named too: otherwise the
// youngest node would go, whether it has come or not.
func (p *provider) NodeGroupDecreaseTargetSize(ctx context.Context, r *externalgrpc.NodeGroupDecreaseTargetSizeRequest) (*externalgrpc.NodeGroupDecreaseTargetSizeResponse, error) {
	if r.GetDelta() >= 0 {
		return nil, status.Errorf(codes.InvalidArgument, "a decrease by %d is none: it has to be below zero", r.GetDelta())
	}
	return &externalgrpc.NodeGroupDecreaseTargetSizeResponse{}, p.change(ctx, r.GetId(), func(_ *view, g *group) (*resize, error) {
		remove, ok := g.takeBack(-int(r.GetDelta()))
		if !ok {
			return nil, status.Errorf(codes.FailedPrecondition, "node group %s of %d nodes cannot get smaller by %d without a node that exists", g.Name, g.NodeCount, -r.GetDelta())
		}
		return &resize{NodeCount: g.NodeCount + int(r.GetDelta()), NodesToRemove: remove}, nil
	})
}

// without is the size when n more nodes are named. Those meet a shrink first that somebody has asked for and that no
// conductor has chosen nodes for yet: otherwise it would choose others.
func (g *group) without(n int) int {
	unchosen := max(0, len(g.wanted())-g.NodeCount)
	return max(0, g.NodeCount-max(0, n-unchosen))
}

// wanted are the nodes that count for the group's size.
func (g *group) wanted() (l []wire.Node) {
	for i := range g.nodes {
		if n := g.nodes[i]; n.State == db.NodeWanted && g.replaced(&n) == nil {
			l = append(l, n)
		}
	}
	return l
}

// takeBack chooses among the nodes that have not come: first those that no conductor has named yet, then those without a
// server, then the youngest.
func (g *group) takeBack(n int) (remove []string, ok bool) {
	wanted := g.wanted()
	coming := slices.DeleteFunc(slices.Clone(wanted), func(x wire.Node) bool { return joined(&x) })
	if g.NodeCount-n < len(wanted)-len(coming) {
		return nil, false
	}
	n -= min(n, max(0, g.NodeCount-len(wanted)))
	slices.Reverse(coming)
	slices.SortStableFunc(coming, func(a, b wire.Node) int {
		switch {
		case a.ServerID == nil && b.ServerID != nil:
			return -1
		case a.ServerID != nil && b.ServerID == nil:
			return 1
		}
		return 0
	})
	for _, x := range coming[:n] {
		remove = append(remove, x.UUID)
	}
	return remove, true
}
