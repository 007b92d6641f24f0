// Package infra is everything of a cluster in OpenStack that is not a host: its service user, network, security groups,
// load balancer and floating IPs. It implements drivers.Infrastructure, whatever drivers make the hosts.
package infra

import (
	"context"
	"fmt"

	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
)

// Config of the infrastructure.
type Config struct {
	// OwnCredentials: there is no right to make users; whoever the factory authenticates as acts for every cluster.
	OwnCredentials bool
	// UserDomain is the name of the domain that holds the service users of clusters.
	UserDomain string
	// Roles that a service user gets on its cluster's project, where the cluster does not name fewer.
	Roles []string
}

// Infrastructure implements drivers.Infrastructure.
type Infrastructure struct {
	cfg     Config
	clouds  *cloud.Factory
	onExtra func(kind, id string) // told of duplicates
}

var _ drivers.Infrastructure = (*Infrastructure)(nil)

// New makes the infrastructure driver. Duplicate is told of each object that was found twice; nil is fine.
func New(cfg Config, clouds *cloud.Factory, duplicate func(kind, id string)) *Infrastructure {
	return &Infrastructure{cfg: cfg, clouds: clouds, onExtra: duplicate}
}

// clients of whoever acts for the site.
func (i *Infrastructure) clients(ctx context.Context, s *drivers.Site) (*cloud.Clients, error) {
	return Clients(ctx, i.clouds, s)
}

// Clients gives the clients of whoever acts for the site.
func Clients(ctx context.Context, clouds *cloud.Factory, s *drivers.Site) (*cloud.Clients, error) {
	u := s.Credential
	c, err := clouds.User(ctx, cloud.User{ID: u.UserID, Password: u.Password, ProjectID: u.ProjectID})
	if s.LastResort && (cloud.IsForbidden(err) || cloud.IsNotFound(err)) {
		c, err = clouds.Service(ctx)
	}
	if err == nil && s.LastResort && c.ProjectID != s.Cluster.ProjectID {
		c = c.ForProject(s.Cluster.ProjectID)
	}
	return c, err
}

func (i *Infrastructure) network(ctx context.Context, s *drivers.Site) (*cloud.Network, error) {
	c, err := i.clients(ctx, s)
	if err != nil {
		return nil, err
	}
	return c.Network()
}

// ensure is drivers.Ensure with the answer in this package's terms.
func (i *Infrastructure) ensure(ctx context.Context, s *drivers.Site, o drivers.Object) (drivers.Resource, error) {
	o.Duplicate = i.onExtra
	return drivers.Ensure(ctx, s.Ledger, o)
}

// Verdict turns an error of the cloud into an answer: quota and plain refusals are final, everything else is tried again.
func Verdict(err error) drivers.Result {
	switch {
	case err == nil:
		return drivers.Done()
	case cloud.IsQuota(err):
		return drivers.Failed(drivers.ClassQuota, "%w", err)
	case cloud.IsLoggedOut(err): // the next look logs in, and has a last resort
		return drivers.Transient(err)
	case cloud.IsNoEndpoint(err), cloud.IsForbidden(err):
		return drivers.Failed(drivers.ClassCloud, "%w", err)
	case cloud.IsInvalid(err):
		return drivers.Failed(drivers.ClassUser, "%w", err)
	default:
		return drivers.Transient(err)
	}
}

// found turns ids into what drivers.Ensure wants.
func found(ids []string) []drivers.Found {
	var out []drivers.Found
	for _, id := range ids {
		out = append(out, drivers.Found{ID: id})
	}
	return out
}

// name of an object of the cluster.
func name(s *drivers.Site, what string) string { return fmt.Sprintf("%s-%s", s.Cluster.Prefix, what) }
