// Package containerinfra asks the container-infra API for what Magnum, and so gophercloud, lacks.
package containerinfra

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"

	"github.com/jeroboam-cloud/jeroboam/api/wire"
	"github.com/jeroboam-cloud/jeroboam/cmd/internal/credentials"
)

// Client asks as one user.
type Client struct{ Service *gophercloud.ServiceClient }

// New finds the API where the credentials say it is, or in the catalogue.
func New(who credentials.Credentials, provider *gophercloud.ProviderClient, endpoint gophercloud.EndpointOpts) (*Client, error) {
	if override := who.Override("container_infra_endpoint_override"); override != "" {
		return &Client{&gophercloud.ServiceClient{ProviderClient: provider, Endpoint: strings.TrimSuffix(override, "/") + "/", Type: "container-infra"}}, nil
	}
	s, err := openstack.NewContainerInfraV1(provider, endpoint)
	if err != nil {
		return nil, fmt.Errorf("looking for container-infra in the catalogue: %w", err)
	}
	return &Client{s}, nil
}

// microversion is the one that this package is written for.
const microversion = "container-infra 1.14"

// Options of a request that is to be answered with one of these codes.
func (c *Client) Options(ok ...int) *gophercloud.RequestOpts {
	return &gophercloud.RequestOpts{OkCodes: ok, MoreHeaders: map[string]string{"OpenStack-API-Version": microversion}}
}

// Get reads what is at a path.
func (c *Client) Get(ctx context.Context, path string, query url.Values, into any) error {
	where := c.Service.ServiceURL(path)
	if len(query) > 0 {
		where += "?" + query.Encode()
	}
	_, err := c.Service.Get(ctx, where, into, c.Options(http.StatusOK)) //nolint:bodyclose // read to its end
	return Told(err)
}

// Post asks for something.
func (c *Client) Post(ctx context.Context, path string, body, into any) error {
	_, err := c.Service.Post(ctx, c.Service.ServiceURL(path), body, into, c.Options(http.StatusOK, http.StatusAccepted)) //nolint:bodyclose // read to its end
	return Told(err)
}

// Error is an answer that is not a success.
type Error struct {
	Status int
	Detail string // the server's own sentence, where it said one
}

func (e *Error) Error() string {
	if e.Detail == "" {
		return fmt.Sprintf("the API answered HTTP %d: %s", e.Status, http.StatusText(e.Status))
	}
	return fmt.Sprintf("%s (HTTP %d)", e.Detail, e.Status)
}

// Told is gophercloud's error as an Error, when the API has answered.
func Told(err error) error {
	var status gophercloud.ErrUnexpectedResponseCode
	if !errors.As(err, &status) {
		return err
	}
	told := &Error{Status: status.Actual}
	var body struct {
		Errors []struct {
			Detail string `json:"detail"`
			Title  string `json:"title"`
		} `json:"errors"`
	}
	if json.Unmarshal(status.Body, &body) == nil && len(body.Errors) > 0 {
		if told.Detail = body.Errors[0].Detail; told.Detail == "" {
			told.Detail = body.Errors[0].Title
		}
	}
	return told
}

// ClusterPath is the path of a cluster, named or by UUID, and what is below it.
func ClusterPath(cluster, below string) string {
	return "clusters/" + url.PathEscape(cluster) + below
}

// Nodes lists a cluster's nodes.
func (c *Client) Nodes(ctx context.Context, cluster string) ([]wire.Node, error) {
	var doc struct {
		Nodes []wire.Node `json:"nodes"`
	}
	return doc.Nodes, c.Get(ctx, ClusterPath(cluster, "/nodes"), nil, &doc)
}

// Operations reads up to limit operations, newest first; 0: all of them.
func (c *Client) Operations(ctx context.Context, cluster string, active bool, limit int) ([]wire.Operation, error) {
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
		if err := c.Get(ctx, ClusterPath(cluster, "/operations"), query, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Operations...)
		if page.Next == "" || len(page.Operations) == 0 || (limit > 0 && len(all) >= limit) {
			return all, nil
		}
		query.Set("marker", page.Operations[len(page.Operations)-1].UUID)
	}
}
