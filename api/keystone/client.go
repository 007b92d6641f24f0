package keystone

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
	"golang.org/x/sync/singleflight"
)

const (
	// An identity with its catalogue has some 10 KB.
	cacheSize = 2000
	// Tokens that are not valid have a cache of their own: guessing does not push out those that are.
	invalidCacheSize = 10_000
	// For so long a token that was not valid is not asked about again. Short: another Keystone may not have heard of it yet.
	invalidFor = 5 * time.Second
	// Fernet tokens have about 250 characters, JWS tokens about 1000.
	maxTokenSize = 8 << 10
	// A catalogue of many regions has some 100 KB.
	maxDocument = 8 << 20
)

// Client is a Validator that asks Keystone with the service's own credentials.
type Client struct {
	cfg       Config
	transport *http.Transport
	now       func() time.Time
	session   atomic.Pointer[gophercloud.ServiceClient] // nil until the first log-in
	valid     *cache
	invalid   *cache
	flights   singleflight.Group
}

// New makes a Client. Keystone need not be up yet: the service logs in when the first token comes.
func New(cfg Config) (*Client, error) {
	if cfg.HTTPConnectTimeout <= 0 {
		cfg.HTTPConnectTimeout = 10 * time.Second
	}
	if err := cfg.check(); err != nil {
		return nil, err
	}
	t, err := cfg.transport()
	if err != nil {
		return nil, err
	}
	return &Client{cfg: cfg, transport: t, now: time.Now, valid: newCache(cacheSize), invalid: newCache(invalidCacheSize)}, nil
}

// Close drops the connections that are not in use.
func (c *Client) Close() { c.transport.CloseIdleConnections() }

// Validate implements Validator. Answers are kept for token_cache_time, but never longer than the token is valid; requests with the
// same token wait for one question to Keystone.
func (c *Client) Validate(ctx context.Context, token string, allowExpired bool) (*Identity, error) {
	if !plausible(token) {
		return nil, ErrInvalidToken
	}
	k := key{sha256.Sum256([]byte(token)), allowExpired}
	if id, known, err := c.remembered(k); known {
		return id, err
	}
	flight := c.flights.DoChan(fmt.Sprintf("%x %v", k.token, allowExpired), func() (any, error) {
		// Others wait for this too: it does not end with the request that happened to be first.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*c.cfg.HTTPConnectTimeout)
		defer cancel()
		if id, known, err := c.remembered(k); known { // since we looked
			return id, err
		}
		return c.ask(ctx, k, token)
	})
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case r := <-flight:
		if r.Err != nil {
			return nil, r.Err
		}
		return r.Val.(*Identity), nil
	}
}

// remembered gives an earlier answer that still holds.
func (c *Client) remembered(k key) (id *Identity, known bool, err error) {
	if c.cfg.TokenCacheTime <= 0 {
		return nil, false, nil
	}
	now := c.now()
	if a := c.valid.get(k, now); a != nil {
		return a.id, true, nil
	}
	if c.invalid.get(k, now) != nil {
		return nil, true, ErrInvalidToken
	}
	return nil, false, nil
}

// plausible keeps what cannot be a token away from Keystone and from our headers.
func plausible(token string) bool {
	return token != "" && len(token) <= maxTokenSize && strings.IndexFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) < 0
}

// ask asks Keystone and remembers the answer.
func (c *Client) ask(ctx context.Context, k key, token string) (*Identity, error) {
	id, err := c.fetch(ctx, token, k.allowExpired)
	now := c.now()
	if err == nil && !k.allowExpired && !now.Before(id.ExpiresAt) {
		err = ErrInvalidToken
	}
	if err != nil {
		if errors.Is(err, ErrInvalidToken) {
			c.invalid.put(&answer{key: k, until: now.Add(min(invalidFor, c.cfg.TokenCacheTime))})
		}
		return nil, err
	}
	until := now.Add(c.cfg.TokenCacheTime)
	if id.ExpiresAt.Before(until) {
		until = id.ExpiresAt
	}
	c.valid.put(&answer{key: k, id: id, until: until})
	return id, nil
}

// fetch validates a token at Keystone.
func (c *Client) fetch(ctx context.Context, token string, allowExpired bool) (*Identity, error) {
	identity, err := c.identity(ctx)
	if err != nil {
		return nil, unavailableSince("logging in to keystone", err)
	}
	url := identity.ServiceURL("auth", "tokens")
	if allowExpired {
		url += "?allow_expired=1"
	}
	// A 401 is about our own token: gophercloud logs in again and repeats the question. It is told to take 404 for an answer, since
	// after such a repetition it wraps errors so that their status is hard to tell.
	resp, err := identity.Get(ctx, url, nil, &gophercloud.RequestOpts{MoreHeaders: map[string]string{"X-Subject-Token": token},
		OkCodes: []int{http.StatusOK, http.StatusNonAuthoritativeInfo, http.StatusNotFound}, KeepResponseBody: true})
	if err != nil {
		return nil, unavailableSince("validating a token at keystone", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusNotFound {
		return nil, ErrInvalidToken
	}
	var doc tokenDocument
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxDocument)).Decode(&doc); err != nil {
		return nil, unavailableSince("reading a token's description", err)
	}
	if doc.Token.User.ID == "" || doc.Token.ExpiresAt.IsZero() {
		return nil, fmt.Errorf("%w: keystone's description of a token names no user or no expiry", ErrUnavailable)
	}
	return doc.identity(), nil
}

// unavailableSince wraps an error. Of answers it keeps the status only: nobody knows what Keystone quotes in their bodies.
func unavailableSince(attempted string, err error) error {
	var again *gophercloud.ErrUnableToReauthenticate
	if errors.As(err, &again) {
		return unavailableSince("logging in to keystone again", again.ErrReauth)
	}
	var status gophercloud.ErrUnexpectedResponseCode
	if errors.As(err, &status) {
		return fmt.Errorf("%w: %s: it answered %d", ErrUnavailable, attempted, status.Actual)
	}
	return fmt.Errorf("%w: %s: %w", ErrUnavailable, attempted, err)
}

// identity gives the client of Keystone, logged in. Whoever comes while that is going on waits for the same attempt.
func (c *Client) identity(ctx context.Context) (*gophercloud.ServiceClient, error) {
	if s := c.session.Load(); s != nil {
		return s, nil
	}
	s, err, _ := c.flights.Do("log in", func() (any, error) {
		if s := c.session.Load(); s != nil { // since we looked
			return s, nil
		}
		s, err := c.logIn(ctx)
		if err == nil {
			c.session.Store(s)
		}
		return s, err
	})
	if err != nil {
		return nil, err
	}
	return s.(*gophercloud.ServiceClient), nil
}

func (c *Client) logIn(ctx context.Context) (*gophercloud.ServiceClient, error) {
	provider, err := openstack.NewClient(c.cfg.AuthURL)
	if err != nil {
		return nil, err
	}
	provider.HTTPClient = http.Client{Transport: c.transport, Timeout: c.cfg.HTTPConnectTimeout}
	provider.UserAgent.Prepend("jeroboam-api")
	if err := openstack.AuthenticateV3(ctx, provider, c.cfg.authOptions(), gophercloud.EndpointOpts{}); err != nil {
		return nil, err
	}
	found, err := openstack.NewIdentityV3(provider, gophercloud.EndpointOpts{Region: c.cfg.RegionName, Availability: gophercloud.Availability(c.cfg.Interface)})
	if err != nil { // the catalogue has none like that
		return openstack.NewIdentityV3(provider, gophercloud.EndpointOpts{})
	}
	return found, nil
}

// tokenDocument is Keystone's description of a token.
type tokenDocument struct {
	Token struct {
		ExpiresAt time.Time             `json:"expires_at"`
		User      owned                 `json:"user"`
		Project   owned                 `json:"project"`
		Domain    named                 `json:"domain"`
		System    struct{ All bool }    `json:"system"`
		Roles     []named               `json:"roles"`
		Catalog   []tokens.CatalogEntry `json:"catalog"`
	} `json:"token"`
}

type named struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

type owned struct {
	named
	Domain named `json:"domain"`
}

func (d *tokenDocument) identity() *Identity {
	t := &d.Token
	id := &Identity{UserID: t.User.ID, UserName: t.User.Name, UserDomainID: t.User.Domain.ID, ProjectID: t.Project.ID, ProjectName: t.Project.Name,
		ProjectDomainID: t.Project.Domain.ID, DomainID: t.Domain.ID, Catalog: t.Catalog, ExpiresAt: t.ExpiresAt}
	if t.System.All {
		id.SystemScope = "all"
	}
	for _, r := range t.Roles {
		id.Roles = append(id.Roles, r.Name)
	}
	return id
}
