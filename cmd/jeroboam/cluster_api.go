package main

import (
	"context"
	"fmt"
	"net/url"

	"github.com/jeroboam-cloud/jeroboam/api/wire"
	"github.com/jeroboam-cloud/jeroboam/cmd/internal/containerinfra"
	"github.com/jeroboam-cloud/jeroboam/db"
)

// apiClient asks the API for what the commands show.
type apiClient struct{ *containerinfra.Client }

// operation reads the one that the arguments name, or the newest.
func (a *apiClient) operation(ctx context.Context, args []string, active bool) (wire.Operation, error) {
	if len(args) > 1 {
		var o wire.Operation
		return o, a.Get(ctx, containerinfra.ClusterPath(args[0], "/operations/"+url.PathEscape(args[1])), nil, &o)
	}
	l, err := a.Operations(ctx, args[0], active, 1)
	switch {
	case err != nil:
		return wire.Operation{}, err
	case len(l) == 0 && active:
		return wire.Operation{}, fmt.Errorf("nothing is under way in cluster %s", args[0])
	case len(l) == 0:
		return wire.Operation{}, fmt.Errorf("cluster %s has no operations", args[0])
	}
	return l[0], nil
}

func (a *apiClient) events(ctx context.Context, cluster string, query url.Values) ([]wire.Event, error) {
	var all []wire.Event
	for {
		var page struct {
			Events []wire.Event `json:"events"`
			Next   string       `json:"next"`
		}
		if err := a.Get(ctx, containerinfra.ClusterPath(cluster, "/events"), query, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Events...)
		if page.Next == "" || len(page.Events) == 0 {
			return all, nil
		}
		query.Set("marker", fmt.Sprint(page.Events[len(page.Events)-1].ID))
	}
}

func (a *apiClient) resources(ctx context.Context, cluster string) ([]wire.Resource, error) {
	var doc struct {
		Resources []wire.Resource `json:"resources"`
	}
	return doc.Resources, a.Get(ctx, containerinfra.ClusterPath(cluster, "/resources"), nil, &doc)
}

func (a *apiClient) preflight(ctx context.Context, body map[string]any) (problems, notes []wire.Problem, err error) {
	var doc struct {
		Problems []wire.Problem `json:"problems"`
		Notes    []wire.Problem `json:"notes"`
	}
	err = a.Post(ctx, "clusters/preflight", body, &doc)
	return doc.Problems, doc.Notes, err
}

// act asks for an action on an operation and gives the operation's UUID.
func (a *apiClient) act(ctx context.Context, cluster, operation, action string) (string, error) {
	var doc struct {
		UUID string `json:"uuid"`
	}
	return doc.UUID, a.Post(ctx, containerinfra.ClusterPath(cluster, "/operations/"+operation+"/actions/"+action), nil, &doc)
}

// remove asks for the end of a cluster and gives the operation's UUID.
func (a *apiClient) remove(ctx context.Context, cluster string, force bool) (string, error) {
	var doc struct {
		UUID string `json:"uuid"`
	}
	return doc.UUID, a.Post(ctx, containerinfra.ClusterPath(cluster, "/actions/delete"), map[string]bool{"force": force}, &doc)
}

// pressure lists the conditions of a node that tell of trouble.
func pressure(l []db.Condition) []string {
	var out []string
	for _, c := range l {
		if (c.Type == "Ready") != (c.Status == "True") {
			out = append(out, c.Type+"="+c.Status)
		}
	}
	return out
}
