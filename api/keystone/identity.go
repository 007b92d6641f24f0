// Package keystone tells who sends a request: it validates the tokens of requests at Keystone, as keystonemiddleware does, and
// hands the caller's Identity to the handlers in the request's context.
package keystone

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
	"go.uber.org/zap/zapcore"
)

var (
	// ErrInvalidToken: the token is unknown, expired or revoked. The caller gets a 401 and has to log in again.
	ErrInvalidToken = errors.New("the token is not valid")
	// ErrUnavailable: it could not be found out whether the token is valid. The caller gets a 503 and may try again.
	ErrUnavailable = errors.New("tokens cannot be validated at present")
)

// Validator finds out whose token it is.
//
// The error is ErrInvalidToken, ErrUnavailable (both maybe wrapped), or that of the context. With allowExpired a token is good
// also after its time, as long as it was not revoked. The Identity may be shared with other requests: nobody changes it. It MAY
// lack the token; Middleware adds that. Neither errors nor logs contain a token.
type Validator interface {
	Validate(ctx context.Context, token string, allowExpired bool) (*Identity, error)
}

// Identity is the caller. However it is printed, logged or encoded, it never shows the token.
type Identity struct {
	UserID          string                `json:"user_id"`
	UserName        string                `json:"user_name"`
	UserDomainID    string                `json:"user_domain_id"`
	ProjectID       string                `json:"project_id"` // this one, DomainID or SystemScope is the token's scope; all are empty without one
	ProjectName     string                `json:"project_name"`
	ProjectDomainID string                `json:"project_domain_id"`
	DomainID        string                `json:"domain_id"`
	SystemScope     string                `json:"system_scope"` // "all"
	Roles           []string              `json:"roles"`
	ServiceRoles    []string              `json:"service_roles"` // those of the service that passes the request on; none without X-Service-Token
	ExpiresAt       time.Time             `json:"expires_at"`
	Catalog         []tokens.CatalogEntry `json:"-"`

	token func() string // a function, since whatever looks through the fields of structs cannot look into it
}

// Token is the caller's token, for calls to other services in the caller's name.
func (i *Identity) Token() string {
	if i.token == nil {
		return ""
	}
	return i.token()
}

// WithToken is the same Identity with this token.
func (i *Identity) WithToken(token string) *Identity {
	with := *i
	with.token = func() string { return token }
	return &with
}

// String is for people. Everything else is behind the ids.
func (i Identity) String() string {
	switch {
	case i.ProjectID != "":
		return fmt.Sprintf("user %s in project %s", i.UserID, i.ProjectID)
	case i.DomainID != "":
		return fmt.Sprintf("user %s in domain %s", i.UserID, i.DomainID)
	case i.SystemScope != "":
		return fmt.Sprintf("user %s in the system", i.UserID)
	}
	return fmt.Sprintf("user %s without scope", i.UserID)
}

// GoString keeps %#v from showing more than String does.
func (i Identity) GoString() string { return "keystone.Identity(" + i.String() + ")" }

// MarshalLogObject writes who it is into a log.
func (i Identity) MarshalLogObject(e zapcore.ObjectEncoder) error {
	for _, f := range []struct{ name, value string }{{"user_id", i.UserID}, {"project_id", i.ProjectID}, {"domain_id", i.DomainID}, {"system_scope", i.SystemScope}} {
		if f.value != "" {
			e.AddString(f.name, f.value)
		}
	}
	return nil
}

type contextKey struct{}

// NewContext is a context that carries the caller.
func NewContext(ctx context.Context, id *Identity) context.Context {
	return context.WithValue(ctx, contextKey{}, id)
}

// FromContext gives the caller of the request that the context belongs to; nil on public paths.
func FromContext(ctx context.Context) *Identity {
	id, _ := ctx.Value(contextKey{}).(*Identity)
	return id
}
