package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/gophercloud/gophercloud/v2"

	"github.com/jeroboam-cloud/jeroboam/api/wire"
	"github.com/jeroboam-cloud/jeroboam/db"
)

// apiClient asks the API for what Magnum lacks.
type apiClient struct{ service *gophercloud.ServiceClient }

// microversion is the one that the commands are written for.
const microversion = "container-infra 1.14"

func (a *apiClient) options(ok ...int) *gophercloud.RequestOpts {
	return &gophercloud.RequestOpts{OkCodes: ok, MoreHeaders: map[string]string{"OpenStack-API-Version": microversion}}
}

func (a *apiClient) get(ctx context.Context, path string, query url.Values, into any) error {
	where := a.service.ServiceURL(path)
	if len(query) > 0 {
		where += "?" + query.Encode()
	}
	_, err := a.service.Get(ctx, where, into, a.options(http.StatusOK)) //nolint:bodyclose // read to its end
	return told(err)
}

func (a *apiClient) post(ctx context.Context, path string, body, into any) error {
	_, err := a.service.Post(ctx, a.service.ServiceURL(path), body, into, a.options(http.StatusOK, http.StatusAccepted)) //nolint:bodyclose // read to its end
	return told(err)
}

// told is the server's own sentence, where it said one.
func told(err error) error {
	var status gophercloud.ErrUnexpectedResponseCode
	if !errors.As(err, &status) {
		return err
	}
	var body struct {
		Errors []struct {
			Detail string `json:"detail"`
			Title  string `json:"title"`
		} `json:"errors"`
	}
	if json.Unmarshal(status.Body, &body) == nil && len(body.Errors) > 0 {
		if text := body.Errors[0].Detail; text != "" {
			return fmt.Errorf("%s (HTTP %d)", text, status.Actual)
		}
		return fmt.Errorf("%s (HTTP %d)", body.Errors[0].Title, status.Actual)
	}
	return fmt.Errorf("the API answered HTTP %d: %s", status.Actual, http.StatusText(status.Actual))
}

func clusterPath(cluster, below string) string {
	return "clusters/" + url.PathEscape(cluster) + below
}

// operations reads up to limit operations, newest first; 0: all of them.
func (a *apiClient) operations(ctx context.Context, cluster string, active bool, limit int) ([]wire.Operation, error) {
	var all []wire.Operation
	query := url.Values{}
	if active {
		query.Set("active", "true")
	}
	for {
		if limit > 0 {
			query.Set("limit", fmt.Sprint(limit-len(all)))
		}
		var page struct {
			Operations []wire.Operation `json:"operations"`
			Next       string           `json:"next"`
		}
		if err := a.get(ctx, clusterPath(cluster, "/operations"), query, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Operations...)
		if page.Next == "" || len(page.Operations) == 0 || (limit > 0 && len(all) >= limit) {
			return all, nil
		}
		query.Set("marker", page.Operations[len(page.Operations)-1].UUID)
	}
}

// operation reads the one that the arguments name, or the newest.
func (a *apiClient) operation(ctx context.Context, args []string, active bool) (wire.Operation, error) {
	if len(args) > 1 {
		var o wire.Operation
		return o, a.get(ctx, clusterPath(args[0], "/operations/"+url.PathEscape(args[1])), nil, &o)
	}
	l, err := a.operations(ctx, args[0], active, 1)
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
		if err := a.get(ctx, clusterPath(cluster, "/events"), query, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Events...)
		if page.Next == "" || len(page.Events) == 0 {
			return all, nil
		}
		query.Set("marker", fmt.Sprint(page.Events[len(page.Events)-1].ID))
	}
}

func (a *apiClient) nodes(ctx context.Context, cluster string) ([]wire.Node, error) {
	var doc struct {
		Nodes []wire.Node `json:"nodes"`
	}
	return doc.Nodes, a.get(ctx, clusterPath(cluster, "/nodes"), nil, &doc)
}

func (a *apiClient) resources(ctx context.Context, cluster string) ([]wire.Resource, error) {
	var doc struct {
		Resources []wire.Resource `json:"resources"`
	}
	return doc.Resources, a.get(ctx, clusterPath(cluster, "/resources"), nil, &doc)
}

func (a *apiClient) preflight(ctx context.Context, body map[string]any) ([]wire.Problem, error) {
	var doc struct {
		Problems []wire.Problem `json:"problems"`
	}
	return doc.Problems, a.post(ctx, "clusters/preflight", body, &doc)
}

// act asks for an action on an operation and gives the operation's UUID.
func (a *apiClient) act(ctx context.Context, cluster, operation, action string) (string, error) {
	var doc struct {
		UUID string `json:"uuid"`
	}
	return doc.UUID, a.post(ctx, clusterPath(cluster, "/operations/"+operation+"/actions/"+action), nil, &doc)
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
