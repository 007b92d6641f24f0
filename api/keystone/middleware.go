package keystone

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
	"go.uber.org/zap"

	"github.com/jeroboam-cloud/jeroboam/internal/log"
)

// Options are what Middleware is told.
type Options struct {
	WWWAuthenticateURI        string                   // where clients get tokens: stands in every 401
	Public                    func(*http.Request) bool // requests that need no token; nil: none
	ServiceTokenRoles         []string                 // roles of the services whose requests may carry expired tokens; nil: service
	ServiceTokenRolesRequired bool                     // refuse a service token without such a role
}

const (
	tokenHeader        = "X-Auth-Token"
	serviceTokenHeader = "X-Service-Token"

	// as clients know them from keystonemiddleware
	unauthorized = `{"error": {"code": 401, "title": "Unauthorized", "message": "The request you have made requires authentication."}}`
	unavailable  = `{"error": {"code": 503, "title": "Service Unavailable", "message": "The Keystone service is temporarily unavailable."}}`
)

// Middleware lets only requests with a valid token through, with the caller in their context. Headers by which keystonemiddleware
// tells an application who asks are removed from every request, the tokens too.
func Middleware(v Validator, o Options) echo.MiddlewareFunc {
	if o.ServiceTokenRoles == nil {
		o.ServiceTokenRoles = []string{"service"}
	}
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			r := c.Request()
			token, service := strings.TrimSpace(r.Header.Get(tokenHeader)), strings.TrimSpace(r.Header.Get(serviceTokenHeader))
			strip(r.Header)
			if o.Public != nil && o.Public(r) {
				return next(c)
			}
			id, err := o.identify(r.Context(), v, token, service)
			switch {
			case errors.Is(err, ErrInvalidToken):
				c.Response().Header().Set("WWW-Authenticate", fmt.Sprintf(`Keystone uri="%s"`, o.WWWAuthenticateURI))
				return c.Blob(http.StatusUnauthorized, echo.MIMEApplicationJSON, []byte(unauthorized))
			case errors.Is(err, ErrUnavailable):
				log.From(r.Context()).Error("a token could not be validated", zap.Error(err))
				return c.Blob(http.StatusServiceUnavailable, echo.MIMEApplicationJSON, []byte(unavailable))
			case err != nil:
				return fmt.Errorf("validating a token: %w", err)
			}
			c.SetRequest(r.WithContext(NewContext(r.Context(), id)))
			return next(c)
		}
	}
}

// identify validates the service's token, if there is one, and then the caller's.
func (o Options) identify(ctx context.Context, v Validator, token, service string) (*Identity, error) {
	if token == "" {
		return nil, ErrInvalidToken
	}
	var serviceRoles []string
	var allowExpired bool
	if service != "" {
		id, err := v.Validate(ctx, service, false)
		if err != nil {
			return nil, fmt.Errorf("service token: %w", err)
		}
		serviceRoles = id.Roles
		allowExpired = slices.ContainsFunc(id.Roles, func(r string) bool { return slices.Contains(o.ServiceTokenRoles, r) })
		if o.ServiceTokenRolesRequired && !allowExpired {
			return nil, fmt.Errorf("service token without any of the roles for services: %w", ErrInvalidToken)
		}
	}
	id, err := v.Validate(ctx, token, allowExpired)
	if err != nil {
		return nil, err
	}
	id = id.WithToken(token)
	id.ServiceRoles = serviceRoles
	return id, nil
}

// strip removes what a client must not tell about itself, and what nobody behind us is to read.
func strip(h http.Header) {
	for name := range h {
		switch name {
		case tokenHeader, serviceTokenHeader, "X-User", "X-Tenant", "X-Role", "X-Roles", "X-Identity-Status", "X-Is-Admin-Project", "Openstack-System-Scope":
			delete(h, name)
			continue
		}
		for _, prefix := range []string{"X-User-", "X-Project-", "X-Domain-", "X-Tenant-", "X-Service-"} {
			if strings.HasPrefix(name, prefix) {
				delete(h, name)
				break
			}
		}
	}
}
