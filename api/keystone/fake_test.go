package keystone

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"
)

// fake is a Keystone that issues and validates tokens as the real one does.
type fake struct {
	*httptest.Server

	mu        sync.Mutex
	now       time.Time
	tokens    map[string]fakeToken
	issued    int           // tokens for the service
	questions int           // validations
	fail      int           // status of every answer; 0: none
	gate      chan struct{} // not nil: validations wait for it to close
}

type fakeToken struct {
	user, project, domain, system string
	roles                         []string
	expires                       time.Time
	revoked                       bool
}

const (
	servicePassword = "service-password"
	serviceSecret   = "app-secret"
)

func newFake(t testing.TB) *fake {
	f := &fake{now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), tokens: map[string]fakeToken{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v3/auth/tokens", f.issue)
	mux.HandleFunc("GET /v3/auth/tokens", f.validate)
	f.Server = httptest.NewServer(mux)
	t.Cleanup(f.Close)
	return f
}

// do changes the fake.
func (f *fake) do(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *fake) asked() (questions, issued int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.questions, f.issued
}

func (f *fake) clock() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

func (f *fake) issue(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail != 0 {
		w.WriteHeader(f.fail)
		return
	}
	var doc struct {
		Auth struct {
			Identity struct {
				Methods  []string
				Password struct {
					User struct {
						Name, Password string
						Domain         struct{ ID, Name string }
					}
				}
				ApplicationCredential struct{ ID, Secret string } `json:"application_credential"`
			}
			Scope *struct {
				Project struct {
					Name   string
					Domain struct{ ID, Name string }
				}
			}
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&doc); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	u, app, scope := doc.Auth.Identity.Password.User, doc.Auth.Identity.ApplicationCredential, doc.Auth.Scope
	byPassword := slices.Equal(doc.Auth.Identity.Methods, []string{"password"}) && u.Name == "magnum" && u.Password == servicePassword &&
		(u.Domain.Name == "Default" || u.Domain.ID == "default") && scope != nil && scope.Project.Name == "service" && (scope.Project.Domain.Name == "Default" || scope.Project.Domain.ID == "default")
	byApp := slices.Equal(doc.Auth.Identity.Methods, []string{"application_credential"}) && app.ID == "app" && app.Secret == serviceSecret && scope == nil
	if !byPassword && !byApp {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	f.issued++
	token := fmt.Sprintf("own-token-%d", f.issued)
	f.tokens[token] = fakeToken{user: "magnum", project: "service", roles: []string{"service"}, expires: f.now.Add(time.Hour)}
	w.Header().Set("X-Subject-Token", token)
	w.WriteHeader(http.StatusCreated)
	f.describe(w, f.tokens[token])
}

func (f *fake) validate(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	gate := f.gate
	f.mu.Unlock()
	if gate != nil {
		<-gate
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.questions++
	subject := r.Header.Get("X-Subject-Token")
	if f.fail != 0 {
		http.Error(w, "cannot look at "+subject, f.fail)
		return
	}
	own, ok := f.tokens[r.Header.Get("X-Auth-Token")]
	if !ok || own.revoked || !f.now.Before(own.expires) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if !slices.Contains(own.roles, "service") {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	t, ok := f.tokens[subject]
	if !ok || t.revoked || (!f.now.Before(t.expires) && r.URL.Query().Get("allow_expired") != "1") {
		http.Error(w, "no such token: "+subject, http.StatusNotFound)
		return
	}
	f.describe(w, t)
}

func (f *fake) describe(w http.ResponseWriter, t fakeToken) {
	type m = map[string]any
	roles := []any{}
	for _, r := range t.roles {
		roles = append(roles, m{"id": "id-" + r, "name": r})
	}
	url := f.URL + "/v3"
	token := m{"methods": []string{"password"}, "expires_at": t.expires.Format("2006-01-02T15:04:05.000000Z"), "issued_at": "2026-11-23T11:00:00.000000Z", "audit_ids": []string{"a"},
		"user": m{"id": t.user, "name": "name of " + t.user, "domain": m{"id": "default", "name": "Default"}}, "roles": roles,
		"catalog": []any{m{"id": "1", "type": "identity", "name": "keystone", "endpoints": []any{m{"id": "2", "interface": "internal", "region": "R", "region_id": "R", "url": url}}}}}
	if t.project != "" {
		token["project"] = m{"id": t.project, "name": "name of " + t.project, "domain": m{"id": "pd", "name": "PD"}}
	}
	if t.domain != "" {
		token["domain"] = m{"id": t.domain, "name": "name of " + t.domain}
	}
	if t.system != "" {
		token["system"] = m{"all": true}
	}
	_ = json.NewEncoder(w).Encode(m{"token": token})
}

func testConfig(f *fake) Config {
	return Config{AuthURL: f.URL + "/v3", AuthType: "password", Username: "magnum", Password: servicePassword, UserDomainName: "Default", ProjectName: "service",
		ProjectDomainName: "Default", Interface: "internal", TokenCacheTime: 300 * time.Second, HTTPConnectTimeout: 10 * time.Second}
}

func newTestClient(t testing.TB, f *fake, change ...func(*Config)) *Client {
	t.Helper()
	cfg := testConfig(f)
	for _, c := range change {
		c(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	c.now = f.clock
	t.Cleanup(c.Close)
	return c
}
