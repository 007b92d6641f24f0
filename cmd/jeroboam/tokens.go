package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/config"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"

	"github.com/jeroboam-cloud/jeroboam/api/keystone"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
)

// ownTokens lets one person in, and nobody else: it validates tokens with the person's own credentials, which Keystone
// allows everybody for tokens of one's own, and wants the same user in the same project.
type ownTokens struct {
	identity          *gophercloud.ServiceClient
	userID, projectID string
}

var _ keystone.Validator = (*ownTokens)(nil)

// newOwnTokens authenticates, so that wrong credentials are told at the start.
func newOwnTokens(ctx context.Context, a *account, f *cloud.Factory) (*ownTokens, error) {
	own, err := f.Service(ctx)
	if err != nil {
		return nil, err
	}
	o := &ownTokens{projectID: own.ProjectID}
	if o.projectID == "" {
		return nil, fmt.Errorf("cloud %s names no project", a.name)
	}
	if o.userID, err = own.UserID(ctx); err != nil {
		return nil, err
	}
	auth := a.auth
	auth.AllowReauth = true
	p, err := config.NewProviderClient(ctx, auth, config.WithTLSConfig(a.tls))
	if err != nil {
		return nil, fmt.Errorf("authenticating at Keystone: %w", err)
	}
	if o.identity, err = openstack.NewIdentityV3(p, a.endpoint); err != nil {
		return nil, fmt.Errorf("finding Keystone in the catalogue: %w", err)
	}
	return o, nil
}

// Validate implements keystone.Validator. Expired tokens are never let in: no service passes on requests of one person.
func (o *ownTokens) Validate(ctx context.Context, token string, _ bool) (*keystone.Identity, error) {
	r := tokens.Get(ctx, o.identity, token)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case gophercloud.ResponseCodeIs(r.Err, http.StatusNotFound), gophercloud.ResponseCodeIs(r.Err, http.StatusForbidden):
		return nil, keystone.ErrInvalidToken // unknown, or somebody else's
	case r.Err != nil:
		return nil, fmt.Errorf("%w: %w", keystone.ErrUnavailable, r.Err)
	}
	id, err := identity(r)
	if err != nil {
		return nil, fmt.Errorf("%w: reading Keystone's answer: %w", keystone.ErrUnavailable, err)
	}
	if id.UserID != o.userID || id.ProjectID != o.projectID {
		return nil, keystone.ErrInvalidToken
	}
	return id, nil
}

func identity(r tokens.GetResult) (*keystone.Identity, error) {
	t, err := r.ExtractToken()
	if err != nil {
		return nil, err
	}
	user, err := r.ExtractUser()
	if err != nil {
		return nil, err
	}
	project, err := r.ExtractProject()
	if err != nil {
		return nil, err
	}
	granted, err := r.ExtractRoles()
	if err != nil {
		return nil, err
	}
	catalogue, err := r.ExtractServiceCatalog()
	if err != nil {
		return nil, err
	}
	id := &keystone.Identity{UserID: user.ID, UserName: user.Name, UserDomainID: user.Domain.ID, ExpiresAt: t.ExpiresAt, Catalog: catalogue.Entries}
	if project != nil {
		id.ProjectID, id.ProjectName, id.ProjectDomainID = project.ID, project.Name, project.Domain.ID
	}
	for _, role := range granted {
		id.Roles = append(id.Roles, role.Name)
	}
	return id, nil
}
