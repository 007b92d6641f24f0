package sim

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// validity is how long an answer of the real Keystone is believed, as its middleware does in front of every service.
const validity = 5 * time.Minute

// keystoneClient validates tokens with a real Keystone.
type keystoneClient struct {
	config Keystone
	http   *http.Client

	mu    sync.Mutex
	own   string
	known map[string]known
}

type known struct {
	token *token
	until time.Time
}

func newKeystoneClient(config Keystone) *keystoneClient {
	return &keystoneClient{config: config, http: &http.Client{Timeout: 30 * time.Second}, known: map[string]known{}}
}

// validate finds out whom a token belongs to.
func (k *keystoneClient) validate(ctx context.Context, id string) (*token, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	if hit, there := k.known[id]; there && now.Before(hit.until) {
		return hit.token, nil
	}
	if len(k.known) > 10000 {
		k.known = map[string]known{}
	}
	for range 2 { // the second time with a new token of our own
		if k.own == "" {
			if err := k.login(ctx); err != nil {
				return nil, err
			}
		}
		t, status, err := k.ask(ctx, id)
		if err != nil {
			return nil, err
		}
		switch status {
		case http.StatusOK:
			k.known[id] = known{t, earlier(now.Add(validity), t.expires)}
			return t, nil
		case http.StatusUnauthorized:
			k.own = ""
		default:
			return nil, errUnauthorized
		}
	}
	return nil, errUnauthorized
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

func (k *keystoneClient) login(ctx context.Context) error {
	c := k.config
	body, err := json.Marshal(doc{"auth": doc{
		"identity": doc{"methods": []string{"password"}, "password": doc{"user": doc{"name": c.Username, "password": c.Password, "domain": doc{"name": c.UserDomain}}}},
		"scope":    doc{"project": doc{"name": c.Project, "domain": doc{"name": c.ProjectDomain}}},
	}})
	if err != nil {
		return fmt.Errorf("encode login: %w", err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL+"/auth/tokens", bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("make login: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := k.http.Do(request)
	if err != nil {
		return fmt.Errorf("log in to the real keystone: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusCreated {
		return fmt.Errorf("log in to the real keystone: %s", response.Status)
	}
	k.own = response.Header.Get("X-Subject-Token")
	return nil
}

func (k *keystoneClient) ask(ctx context.Context, id string) (*token, int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, k.config.URL+"/auth/tokens?nocatalog", nil)
	if err != nil {
		return nil, 0, fmt.Errorf("make request: %w", err)
	}
	request.Header.Set("X-Auth-Token", k.own)
	request.Header.Set("X-Subject-Token", id)
	response, err := k.http.Do(request)
	if err != nil {
		return nil, 0, fmt.Errorf("validate token: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, response.StatusCode, nil
	}
	var answer doc
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return nil, 0, fmt.Errorf("read token: %w", err)
	}
	in := answer.sub("token")
	t := &token{id: id, view: in, userID: in.sub("user").str("id"), projectID: in.sub("project").str("id"), domainID: in.sub("domain").str("id"), system: in.has("system")}
	if t.expires, err = time.Parse(time.RFC3339, in.str("expires_at")); err != nil {
		return nil, 0, fmt.Errorf("read token: %w", err)
	}
	for _, r := range in.docs("roles") {
		t.roles = append(t.roles, r.str("name"))
	}
	return t, http.StatusOK, nil
}
