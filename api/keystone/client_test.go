package keystone

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"

	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestValidate(t *testing.T) {
	f := newFake(t)
	soon, past := f.now.Add(time.Hour), f.now.Add(-time.Minute)
	catalog := []tokens.CatalogEntry{{ID: "1", Name: "keystone", Type: "identity", Endpoints: []tokens.Endpoint{{ID: "2", Region: "R", RegionID: "R", Interface: "internal", URL: f.URL + "/v3"}}}}
	f.tokens = map[string]fakeToken{
		"project":  {user: "u", project: "p", roles: []string{"member", "reader"}, expires: soon},
		"system":   {user: "a", system: "all", roles: []string{"admin"}, expires: soon},
		"domain":   {user: "a", domain: "d", roles: []string{"admin"}, expires: soon},
		"unscoped": {user: "u", expires: soon},
		"expired":  {user: "u", project: "p", expires: past},
		"revoked":  {user: "u", project: "p", expires: soon, revoked: true},
	}
	who := func(id Identity) *Identity {
		id.UserName, id.UserDomainID, id.Catalog = "name of "+id.UserID, "default", catalog
		if id.ExpiresAt.IsZero() {
			id.ExpiresAt = soon
		}
		if id.ProjectID != "" {
			id.ProjectName, id.ProjectDomainID = "name of "+id.ProjectID, "pd"
		}
		return &id
	}
	for _, c := range []struct {
		name, token  string
		allowExpired bool
		want         *Identity // nil: not valid
	}{
		{"project scope", "project", false, who(Identity{UserID: "u", ProjectID: "p", Roles: []string{"member", "reader"}})},
		{"system scope", "system", false, who(Identity{UserID: "a", SystemScope: "all", Roles: []string{"admin"}})},
		{"domain scope", "domain", false, who(Identity{UserID: "a", DomainID: "d", Roles: []string{"admin"}})},
		{"no scope", "unscoped", false, who(Identity{UserID: "u"})},
		{"expired", "expired", false, nil},
		{"expired, for a service", "expired", true, who(Identity{UserID: "u", ProjectID: "p", ExpiresAt: past})},
		{"revoked", "revoked", false, nil},
		{"revoked, for a service", "revoked", true, nil},
		{"unknown", "garbage", false, nil},
		{"empty", "", false, nil},
		{"a line break", "project\r\nX-Evil: 1", false, nil},
		{"another alphabet", "prøject", false, nil},
		{"endless", strings.Repeat("x", maxTokenSize+1), false, nil},
	} {
		for _, v := range []*Client{newTestClient(t, f), newTestClient(t, f, func(c *Config) { c.TokenCacheTime = 0 })} {
			t.Run(fmt.Sprintf("%s, cache %v", c.name, v.cfg.TokenCacheTime), func(t *testing.T) {
				for range 2 {
					got, err := v.Validate(t.Context(), c.token, c.allowExpired)
					if c.want == nil && !errors.Is(err, ErrInvalidToken) || c.want != nil && err != nil {
						t.Fatalf("error %v", err)
					}
					if diff := cmp.Diff(c.want, got, cmpopts.IgnoreUnexported(Identity{})); diff != "" {
						t.Errorf("-want +got:\n%s", diff)
					}
				}
			})
		}
	}
}

func TestOneQuestionForManyRequests(t *testing.T) {
	f := newFake(t)
	f.tokens["t"] = fakeToken{user: "u", expires: f.now.Add(time.Hour)}
	gate := make(chan struct{})
	f.gate = gate
	c := newTestClient(t, f)
	impatient, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	errs := make([]error, 20)
	first := make(chan error)
	go func() { // the one who starts the question leaves before the answer
		_, err := c.Validate(impatient, "t", false)
		first <- err
	}()
	cancel()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	for i := range errs {
		wg.Go(func() { _, errs[i] = c.Validate(t.Context(), "t", false) })
	}
	close(gate)
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
	if questions, issued := f.asked(); questions != 1 || issued != 1 {
		t.Errorf("%d questions, %d log-ins", questions, issued)
	}
}

func TestOwnSession(t *testing.T) {
	valid := func(t *testing.T, f *fake, c *Client, token string) {
		t.Helper()
		f.do(func() { f.tokens[token] = fakeToken{user: "u", expires: f.now.Add(time.Hour)} })
		if _, err := c.Validate(t.Context(), token, false); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("logs in again when its token has expired", func(t *testing.T) {
		f := newFake(t)
		c := newTestClient(t, f)
		valid(t, f, c, "one")
		f.do(func() { f.now = f.now.Add(2 * time.Hour) })
		valid(t, f, c, "two")
		if _, err := c.Validate(t.Context(), "none", false); !errors.Is(err, ErrInvalidToken) {
			t.Error(err)
		}
		if _, issued := f.asked(); issued != 2 {
			t.Errorf("%d log-ins", issued)
		}
	})
	t.Run("an unknown token right after its own was revoked is not valid", func(t *testing.T) {
		f := newFake(t)
		c := newTestClient(t, f)
		valid(t, f, c, "one")
		f.do(func() { delete(f.tokens, "own-token-1") })
		if _, err := c.Validate(t.Context(), "none", false); !errors.Is(err, ErrInvalidToken) {
			t.Error(err)
		}
	})
	t.Run("application credential", func(t *testing.T) {
		f := newFake(t)
		valid(t, f, newTestClient(t, f, func(c *Config) {
			*c = Config{AuthURL: f.URL, AuthType: "v3applicationcredential", ApplicationCredentialID: "app", ApplicationCredentialSecret: serviceSecret}
		}), "one")
	})
	t.Run("domains by id, and no endpoint of that region", func(t *testing.T) {
		f := newFake(t)
		valid(t, f, newTestClient(t, f, func(c *Config) {
			c.UserDomainID, c.ProjectDomainID, c.UserDomainName, c.ProjectDomainName, c.RegionName = "default", "default", "Other", "Other", "elsewhere"
		}), "one")
	})
}

func TestUnavailable(t *testing.T) {
	for _, c := range []struct {
		name   string
		breaks func(f *fake, c *Client)
	}{
		{"down", func(f *fake, _ *Client) { f.Close() }},
		{"failing", func(f *fake, _ *Client) { f.do(func() { f.fail = 500 }) }},
		{"too many requests", func(f *fake, _ *Client) { f.do(func() { f.fail = 429 }) }},
		{"the service may not validate", func(f *fake, _ *Client) {
			f.do(func() {
				f.tokens["own-token-1"] = fakeToken{user: "magnum", roles: []string{"member"}, expires: f.now.Add(time.Hour)}
			})
		}},
		{"the service's password has changed", func(f *fake, c *Client) {
			c.cfg.Password = "other" // too late for the session: that has its own
			f.do(func() { clear(f.tokens); f.fail = 401 })
		}},
		{"it is another server", func(f *fake, _ *Client) { f.do(func() { f.fail = 203 }) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t)
			f.tokens["good"] = fakeToken{user: "u", expires: f.now.Add(time.Hour)}
			v := newTestClient(t, f)
			if _, err := v.Validate(t.Context(), "good", false); err != nil {
				t.Fatal(err)
			}
			c.breaks(f, v)
			for range 2 { // failures are not remembered
				_, err := v.Validate(t.Context(), "secret-subject-token", false)
				if !errors.Is(err, ErrUnavailable) || errors.Is(err, ErrInvalidToken) {
					t.Fatalf("error %v", err)
				}
				for _, secret := range []string{"secret-subject-token", "own-token", servicePassword} {
					if strings.Contains(err.Error(), secret) {
						t.Errorf("the error has %q in it: %v", secret, err)
					}
				}
			}
			if _, err := v.Validate(t.Context(), "good", false); err != nil {
				t.Errorf("what was validated before: %v", err)
			}
		})
	}
}

func TestLogInFails(t *testing.T) {
	f := newFake(t)
	f.tokens["t"] = fakeToken{user: "u", expires: f.now.Add(time.Hour)}
	f.fail = 503
	c := newTestClient(t, f)
	if _, err := c.Validate(t.Context(), "t", false); !errors.Is(err, ErrUnavailable) {
		t.Errorf("error %v", err)
	}
	f.do(func() { f.fail = 0 })
	if _, err := c.Validate(t.Context(), "t", false); err != nil {
		t.Errorf("after Keystone is back: %v", err)
	}
	wrong := newTestClient(t, f, func(c *Config) { c.Password = "wrong-password" })
	if _, err := wrong.Validate(t.Context(), "t", false); !errors.Is(err, ErrUnavailable) || strings.Contains(err.Error(), "wrong-password") {
		t.Errorf("with a wrong password: %v", err)
	}
}

func TestTLS(t *testing.T) {
	f := newFake(t)
	f.tokens["t"] = fakeToken{user: "u", expires: f.now.Add(time.Hour)}
	secure := httptest.NewUnstartedServer(f.Config.Handler)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: secure.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		change func(*Config)
		ok     bool
	}{
		{"verified", func(c *Config) { c.CAFile = ca }, true},
		{"unknown CA", func(*Config) {}, false},
		{"insecure", func(c *Config) { c.Insecure = true }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := newTestClient(t, f, c.change, func(c *Config) { c.AuthURL = secure.URL + "/v3"; c.Interface = "admin" })
			if _, err := v.Validate(t.Context(), "t", false); (err == nil) != c.ok {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestNewChecksItsConfig(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.pem")
	if err := os.WriteFile(bad, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		cfg  Config
		want []string
	}{
		{"nothing", Config{}, []string{"auth_url", "username is not set", "password is not set"}},
		{"no URL", Config{AuthURL: "keystone:5000", Username: "u", Password: "p"}, []string{`auth_url "keystone:5000" is no URL`}},
		{"application credential", Config{AuthURL: "http://k", AuthType: "v3applicationcredential"}, []string{"application_credential_id", "application_credential_secret"}},
		{"another type", Config{AuthURL: "http://k", AuthType: "v3oidc"}, []string{`auth_type "v3oidc"`}},
		{"no CA file", Config{AuthURL: "http://k", Username: "u", Password: "p", CAFile: bad + "x"}, []string{"reading cafile"}},
		{"an empty CA file", Config{AuthURL: "http://k", Username: "u", Password: "p", CAFile: bad}, []string{"no certificate"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := New(c.cfg)
			if err == nil {
				t.Fatal("no error")
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%v lacks %q", err, w)
				}
			}
		})
	}
}

func BenchmarkValidateCached(b *testing.B) {
	f := newFake(b)
	token := "gAAAAA" + strings.Repeat("x", 200)
	f.tokens[token] = fakeToken{user: "u", project: "p", roles: []string{"member", "reader"}, expires: f.now.Add(time.Hour)}
	c := newTestClient(b, f)
	c.now = time.Now
	f.tokens[token] = fakeToken{user: "u", project: "p", expires: time.Now().Add(time.Hour)}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := c.Validate(context.Background(), token, false); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.StopTimer()
	if questions, _ := f.asked(); questions > 2 {
		b.Errorf("asked Keystone %d times", questions)
	}
}
