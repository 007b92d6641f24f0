package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
	"github.com/labstack/echo/v4"
	authenticationv1 "k8s.io/api/authentication/v1"

	"github.com/jeroboam-cloud/jeroboam/api/keystone"
	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
)

// reviewToken tells a cluster's API servers whose token of Keystone a user came with: the webhook of Kubernetes'
// authentication. It needs no token of its own, for it tells nobody more than Keystone tells the holder of that token.
//
// What Keystone knows a user by never gets into Kubernetes' own names: users and groups have a prefix, and groups are the
// roles in the cluster's project, so that others of the cloud are nobody here.
func (s *Server) reviewToken(c echo.Context) error {
	body, err := readBody(c)
	if err != nil {
		return err
	}
	var review authenticationv1.TokenReview
	if err := json.Unmarshal(body, &review); err != nil || review.Kind != "TokenReview" || review.APIVersion != authenticationv1.SchemeGroupVersion.String() {
		return badRequest("The request is not a TokenReview of %s.", authenticationv1.SchemeGroupVersion)
	}
	id := c.Param("id")
	if !uuidForm.MatchString(id) {
		return notFound("Cluster", id)
	}
	who, err := s.Auth.Validate(c.Request().Context(), review.Spec.Token, false)
	switch {
	case errors.Is(err, keystone.ErrInvalidToken):
		return reviewed(c, authenticationv1.TokenReviewStatus{Error: "Keystone does not know the token, or it has expired."})
	case errors.Is(err, keystone.ErrUnavailable):
		return fail(http.StatusServiceUnavailable, "Keystone cannot be asked about tokens at present.")
	case err != nil:
		return fmt.Errorf("validating a token for a cluster: %w", err)
	}
	// Whether the cluster is not there, or not of the token's project, is nobody's business.
	v, err := s.Store.Cluster(c.Request().Context(), id, who.ProjectID)
	if err != nil && !errors.Is(err, db.ErrNotFound) {
		return err
	}
	if err != nil || who.ProjectID == "" || !admits(&v.Cluster) {
		return reviewed(c, authenticationv1.TokenReviewStatus{Error: "The token is not one for this cluster's project."})
	}
	groups := make([]string, 0, len(who.Roles))
	for _, role := range who.Roles {
		groups = append(groups, ops.KeystonePrefix+role)
	}
	return reviewed(c, authenticationv1.TokenReviewStatus{Authenticated: true,
		User: authenticationv1.UserInfo{Username: ops.KeystonePrefix + who.UserName + "@" + who.UserDomainID, UID: who.UserID, Groups: groups}})
}

// admits tells that the cluster takes tokens of Keystone.
func admits(cl *db.Cluster) bool {
	var spec ops.ClusterSpec
	return json.Unmarshal(cl.Spec, &spec) == nil && spec.Has(ops.AddonKeystoneAuth)
}

func reviewed(c echo.Context, status authenticationv1.TokenReviewStatus) error {
	doc := struct {
		APIVersion string                             `json:"apiVersion"`
		Kind       string                             `json:"kind"`
		Status     authenticationv1.TokenReviewStatus `json:"status"`
	}{authenticationv1.SchemeGroupVersion.String(), "TokenReview", status}
	return c.JSON(http.StatusOK, doc)
}

// publicURL is this service as clusters reach it; "" when nobody says.
func (s *Server) publicURL(ctx context.Context, who caller) string {
	address := s.Defaults.ContainerInfraURL
	if address == "" {
		var err error
		// without a version nobody is asked, so no client is needed
		if address, err = openstack.V3Endpoint(ctx, &gophercloud.ProviderClient{}, &tokens.ServiceCatalog{Entries: who.Catalog},
			gophercloud.EndpointOpts{Type: "container-infra", Region: s.Defaults.Region, Availability: gophercloud.AvailabilityPublic}); err != nil {
			return ""
		}
	}
	return strings.TrimSuffix(strings.TrimSuffix(address, "/"), "/v1")
}
