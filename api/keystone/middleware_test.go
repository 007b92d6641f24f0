package keystone

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/jeroboam-cloud/jeroboam/internal/log"
)

// byToken is a Validator for the tests of what stands in front of it.
type byToken map[string]any // *Identity or error

func (b byToken) Validate(_ context.Context, token string, allowExpired bool) (*Identity, error) {
	switch v := b[token].(type) {
	case *Identity:
		if token == "expired" && !allowExpired {
			return nil, ErrInvalidToken
		}
		return v, nil
	case error:
		return nil, v
	}
	return nil, ErrInvalidToken
}

func TestMiddleware(t *testing.T) {
	user := &Identity{UserID: "u", ProjectID: "p", Roles: []string{"member"}}
	v := byToken{"good": user, "expired": user, "nova": &Identity{UserID: "nova", Roles: []string{"service", "x"}}, "friend": &Identity{UserID: "f", Roles: []string{"member"}},
		"down": fmt.Errorf("%w: refused", ErrUnavailable), "odd": errors.New("odd")}
	for _, c := range []struct {
		name, path, token, service string
		required                   bool
		status                     int
		serviceRoles               []string
	}{
		{name: "valid", token: "good", status: 200},
		{name: "blanks around", token: "  good ", status: 200},
		{name: "none", status: 401},
		{name: "not valid", token: "bad", status: 401},
		{name: "expired", token: "expired", status: 401},
		{name: "expired, passed on by a service", token: "expired", service: "nova", status: 200, serviceRoles: []string{"service", "x"}},
		{name: "expired, passed on by somebody", token: "expired", service: "friend", status: 401},
		{name: "valid, passed on by somebody", token: "good", service: "friend", status: 200, serviceRoles: []string{"member"}},
		{name: "valid, passed on by somebody, where that is forbidden", token: "good", service: "friend", required: true, status: 401},
		{name: "valid, passed on by a service, where that is asked for", token: "good", service: "nova", required: true, status: 200, serviceRoles: []string{"service", "x"}},
		{name: "valid, without service, where one with role is asked for", token: "good", required: true, status: 200},
		{name: "valid, with a service token that is not", token: "good", service: "bad", status: 401},
		{name: "a service token only", service: "nova", status: 401},
		{name: "Keystone is away", token: "down", status: 503},
		{name: "Keystone is away for the service token", token: "good", service: "down", status: 503},
		{name: "another error", token: "odd", status: 500},
		{name: "public without token", path: "/healthcheck", status: 204},
		{name: "public with a bad token", path: "/healthcheck", token: "bad", status: 204},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := echo.New()
			e.Use(Middleware(v, Options{WWWAuthenticateURI: "https://keystone.example/v3", ServiceTokenRolesRequired: c.required, Public: func(r *http.Request) bool { return r.URL.Path == "/healthcheck" }}))
			var got *Identity
			var seen http.Header
			e.Any("/*", func(c echo.Context) error {
				got, seen = FromContext(c.Request().Context()), c.Request().Header
				if got == nil {
					return c.NoContent(http.StatusNoContent)
				}
				return c.NoContent(http.StatusOK)
			})
			path := c.path
			if path == "" {
				path = "/v1/clusters"
			}
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
			for _, h := range []string{"X-Project-Id", "x-user-id", "X-Roles", "X-Role", "X-Tenant", "X-Tenant-Name", "X-User", "X-Domain-Id", "X-Identity-Status", "X-Service-Roles", "X-Service-Identity-Status",
				"X-Service-Catalog", "X-Is-Admin-Project", "OpenStack-System-Scope", "X-User-Domain-Name"} {
				r.Header.Set(h, "admin")
			}
			r.Header.Set("X-Forwarded-Proto", "https")
			r.Header.Set("OpenStack-API-Version", "container-infra 1.14")
			if c.token != "" {
				r.Header.Set("X-Auth-Token", c.token)
			}
			if c.service != "" {
				r.Header.Set("X-Service-Token", c.service)
			}
			w := httptest.NewRecorder()
			e.ServeHTTP(w, r)
			if w.Code != c.status {
				t.Fatalf("status %d, body %s", w.Code, w.Body)
			}
			checkRefusal(t, w)
			if seen != nil {
				want := http.Header{"X-Forwarded-Proto": {"https"}, "Openstack-Api-Version": {"container-infra 1.14"}}
				if diff := cmp.Diff(want, seen); diff != "" {
					t.Errorf("headers that reach the handler: -want +got\n%s", diff)
				}
			}
			if c.status != http.StatusOK {
				return
			}
			if got.UserID != "u" || got.Token() != strings.TrimSpace(c.token) || !cmp.Equal(got.ServiceRoles, c.serviceRoles) {
				t.Errorf("got %v, token %q, service roles %q", got, got.Token(), got.ServiceRoles)
			}
			if user.Token() != "" || user.ServiceRoles != nil {
				t.Error("the shared identity has changed")
			}
		})
	}
}

// checkRefusal holds 401 and 503 to what clients know from keystonemiddleware.
func checkRefusal(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	title := map[int]string{401: "Unauthorized", 503: "Service Unavailable"}[w.Code]
	if title == "" {
		return
	}
	want := ""
	if w.Code == 401 {
		want = `Keystone uri="https://keystone.example/v3"`
	}
	if got := w.Header().Get("WWW-Authenticate"); got != want {
		t.Errorf("WWW-Authenticate is %s", got)
	}
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type is %s", got)
	}
	var body struct {
		Error struct {
			Code           int
			Title, Message string
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || body.Error.Code != w.Code || body.Error.Title != title || body.Error.Message == "" {
		t.Errorf("body %s, error %v", w.Body, err)
	}
	if w.Code == 401 && w.Body.String() != `{"error": {"code": 401, "title": "Unauthorized", "message": "The request you have made requires authentication."}}` {
		t.Errorf("body %s", w.Body)
	}
}

func TestTokensAreNeverShown(t *testing.T) {
	const token = "gAAAAAB-secret"
	id := (&Identity{UserID: "u", ProjectID: "p", Roles: []string{"member"}, ExpiresAt: time.Unix(0, 0)}).WithToken(token)
	if id.Token() != token {
		t.Fatal("the token is lost")
	}
	type holder struct{ id Identity }
	raw, err := json.Marshal(id)
	if err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zapcore.DebugLevel)
	logger := zap.New(core)
	logger.Info("x", zap.Any("a", id), zap.Any("b", *id), zap.Object("c", id), zap.Stringer("d", id), zap.Reflect("e", id))
	encoder := zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig())
	line, err := encoder.EncodeEntry(logs.All()[0].Entry, logs.All()[0].Context)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"v": fmt.Sprintf("%v", id), "+v": fmt.Sprintf("%+v", *id), "#v": fmt.Sprintf("%#v", id), "inside": fmt.Sprintf("%+v %#v", holder{*id}, holder{*id}),
		"JSON": string(raw), "log": line.String()} {
		if strings.Contains(text, "secret") || !strings.Contains(text, "u") {
			t.Errorf("%s: %s", name, text)
		}
	}
}

// An outage is logged with its reason, and without the tokens of the request.
func TestOutageIsLogged(t *testing.T) {
	f := newFake(t)
	f.fail = 500
	core, logs := observer.New(zapcore.DebugLevel)
	e := echo.New()
	e.Use(Middleware(newTestClient(t, f), Options{}))
	r := httptest.NewRequestWithContext(log.Into(t.Context(), zap.New(core)), http.MethodGet, "/", nil)
	r.Header.Set("X-Auth-Token", "secret-user-token")
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	if w.Code != 503 || logs.Len() != 1 {
		t.Fatalf("status %d, %d lines", w.Code, logs.Len())
	}
	line := fmt.Sprint(logs.All()[0].ContextMap())
	if !strings.Contains(line, "answered 500") || strings.Contains(line, "secret") {
		t.Errorf("logged %s", line)
	}
}
