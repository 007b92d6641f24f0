package main

import (
	"context"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/jeroboam-cloud/jeroboam/api/wire"
	"github.com/jeroboam-cloud/jeroboam/cmd/internal/containerinfra"
	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
	"github.com/jeroboam-cloud/jeroboam/drivers"
)

// view is the cluster at one moment: the node groups that may be resized, each with its nodes.
type view struct{ groups []*group }

type group struct {
	wire.NodeGroup
	nodes []wire.Node // in the order in which they were made

	// why its last operation failed; empty when it did not
	fault, faultClass string
}

// ask reads the whole view. What it costs depends on the number of groups, not of nodes.
func (p *provider) ask(ctx context.Context) (*view, error) {
	summaries, err := p.summaries(ctx)
	if err != nil {
		return nil, err
	}
	v := &view{}
	var nodes []wire.Node
	all, asking := errgroup.WithContext(ctx)
	all.SetLimit(8)
	all.Go(func() (err error) {
		nodes, err = p.api.Nodes(asking, p.cluster)
		return err
	})
	for _, s := range summaries {
		if s.Role == db.RoleMaster || s.MaxNodeCount == nil || *s.MaxNodeCount == 0 { // 0 is no maximum
			continue
		}
		g := &group{}
		v.groups = append(v.groups, g)
		all.Go(func() error {
			return p.api.Get(asking, containerinfra.ClusterPath(p.cluster, "/nodegroups/"+s.UUID), nil, &g.NodeGroup)
		})
	}
	if err := all.Wait(); err != nil {
		return nil, err
	}
	for _, g := range v.groups {
		for _, n := range nodes {
			if n.NodeGroupID == g.UUID {
				g.nodes = append(g.nodes, n)
			}
		}
	}
	return v, p.faults(ctx, v)
}

// summaries lists the cluster's node groups.
func (p *provider) summaries(ctx context.Context) ([]wire.NodeGroupSummary, error) {
	var all []wire.NodeGroupSummary
	query := url.Values{}
	for {
		var page struct {
			NodeGroups []wire.NodeGroupSummary `json:"nodegroups"`
			Next       string                  `json:"next"`
		}
		if err := p.api.Get(ctx, containerinfra.ClusterPath(p.cluster, "/nodegroups"), query, &page); err != nil {
			return nil, err
		}
		all = append(all, page.NodeGroups...)
		if page.Next == "" || len(page.NodeGroups) == 0 {
			return all, nil
		}
		query.Set("marker", page.NodeGroups[len(page.NodeGroups)-1].UUID)
	}
}

// newest is how many operations are looked through for the one that failed.
const newest = 20

// faults finds out why groups have failed, if any has.
func (p *provider) faults(ctx context.Context, v *view) error {
	var operations []wire.Operation
	for _, g := range v.groups {
		if !strings.HasSuffix(g.Status, "_FAILED") {
			continue
		}
		if operations == nil {
			var err error
			if operations, err = p.api.Operations(ctx, p.cluster, false, newest); err != nil {
				return err
			}
		}
		g.fault, g.faultClass = or(g.StatusReason, g.Status), string(drivers.ClassInternal)
		for _, o := range operations {
			if (o.NodeGroupID == nil || *o.NodeGroupID == g.UUID) && o.ErrorClass != nil {
				g.fault, g.faultClass = or(o.Error, g.fault), *o.ErrorClass
				break
			}
		}
	}
	return nil
}

func or[T any](p *T, otherwise T) T {
	if p == nil {
		return otherwise
	}
	return *p
}

// group by its id, which is its name: people read it in the autoscaler's log, metrics and priorities.
func (v *view) group(id string) (*group, error) {
	for _, g := range v.groups {
		if g.Name == id {
			return g, nil
		}
	}
	return nil, status.Errorf(codes.NotFound, "no node group %q with a max_node_count", id)
}

// ironicDriver makes bare-metal nodes, which no cloud controller manager knows.
const ironicDriver = "ironic"

// Ids of servers are written as the cloud controller manager writes them into nodes.
const (
	serverScheme = "openstack://" // [region]/server
	rowScheme    = "jeroboam:///" // a node that has no server yet
)

// instanceID is what cluster-autoscaler compares with the providerID of nodes.
func instanceID(n *wire.Node) string {
	if n.ServerID == nil {
		return rowScheme + n.UUID
	}
	if n.Driver == ironicDriver {
		return ops.MachineScheme + *n.ServerID
	}
	return serverScheme + "/" + *n.ServerID
}

// node finds the one that is meant: by its id, and else by its name, since ids are the cloud controller manager's to set.
func (v *view) node(providerID, name string) (*group, *wire.Node) {
	is := func(n *wire.Node) bool { return n.Name == name }
	if row, ok := strings.CutPrefix(providerID, rowScheme); ok {
		is = func(n *wire.Node) bool { return n.UUID == row }
	} else if id, ok := strings.CutPrefix(providerID, ops.MachineScheme); ok {
		is = func(n *wire.Node) bool { return n.ServerID != nil && *n.ServerID == id }
	} else if rest, ok := strings.CutPrefix(providerID, serverScheme); ok {
		_, server, _ := strings.Cut(rest, "/")
		is = func(n *wire.Node) bool { return n.ServerID != nil && *n.ServerID == server }
	}
	for _, g := range v.groups {
		for i := range g.nodes {
			if is(&g.nodes[i]) {
				return g, &g.nodes[i]
			}
		}
	}
	return nil, nil
}

// replaced is the node whose place another one is to take, in an upgrade for one, while both are wanted; nil: there is none.
// Until it goes the other one is nobody's business but the operation's: to cluster-autoscaler it would be one too many, and
// one that waits for its turn one that never comes.
func (g *group) replaced(n *wire.Node) *wire.Node {
	i := slices.IndexFunc(g.nodes, func(x wire.Node) bool { return n.Replaces != nil && x.UUID == *n.Replaces && x.State == db.NodeWanted })
	if i < 0 {
		return nil
	}
	return &g.nodes[i]
}

// joined tells whether a node has been in Kubernetes.
func joined(n *wire.Node) bool { return n.Ready || n.Version != nil }
