package sim

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

const tokenLife = time.Hour

// token is who a caller is and in which scope.
type token struct {
	id                          string
	methods                     []string
	userID, projectID, domainID string
	system                      bool
	appCredential               string
	roles                       []string // by name, with what they imply
	issued, expires             time.Time
	view                        doc // as Keystone shows it
}

func (t *token) has(role string) bool { return t != nil && slices.Contains(t.roles, role) }

var errUnauthorized = fail(http.StatusUnauthorized, "Unauthorized", "The request you have made requires authentication.")

// authenticated finds out whom a token belongs to. c.mu is not held.
func (c *Cloud) authenticated(ctx context.Context, id string) (*token, error) {
	if id == "" {
		return nil, errUnauthorized
	}
	if c.outside != nil {
		return c.outside.validate(ctx, id)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.tokens[id]
	if t == nil || c.clock.Now().After(t.expires) || !c.refresh(t) {
		return nil, errUnauthorized
	}
	return t, nil
}

// refresh looks up what the token is worth by now: users, projects and roles may be gone.
func (c *Cloud) refresh(t *token) bool {
	user := c.get("user", t.userID)
	if user == nil || !user.doc.flag("enabled", true) || user.doc.num("_generation") != t.view.num("_generation") {
		return false
	}
	if domain := c.get("domain", user.doc.str("domain_id")); domain == nil || !domain.doc.flag("enabled", true) {
		return false
	}
	if p := c.get("project", t.projectID); t.projectID != "" && (p == nil || !p.doc.flag("enabled", true)) {
		return false
	}
	if t.domainID != "" && c.get("domain", t.domainID) == nil {
		return false
	}
	held := c.effective(t.userID, t.scope())
	if t.appCredential != "" {
		credential := c.get("application_credential", t.appCredential)
		if credential == nil {
			return false
		}
		held = slices.DeleteFunc(held, func(id string) bool { return !slices.Contains(credential.doc.strs("_roles"), id) })
	}
	if len(held) == 0 && t.scope() != "" {
		return false
	}
	t.roles = nil
	roles := []doc{}
	for _, id := range held {
		name := c.get("role", id).name()
		t.roles = append(t.roles, name)
		roles = append(roles, doc{"id": id, "name": name})
	}
	if len(roles) > 0 {
		t.view["roles"] = roles
	}
	return true
}

// scope is what roles are assigned on: "project:<id>", "domain:<id>", "system" or "" for none.
func (t *token) scope() string {
	switch {
	case t.projectID != "":
		return "project:" + t.projectID
	case t.domainID != "":
		return "domain:" + t.domainID
	case t.system:
		return "system"
	}
	return ""
}

// effective lists the ids of the roles of a user in a scope, implied ones included.
func (c *Cloud) effective(userID, scope string) []string {
	var out []string
	var add func(id string)
	add = func(id string) {
		role := c.get("role", id)
		if role == nil || slices.Contains(out, id) {
			return
		}
		out = append(out, id)
		for _, implied := range role.doc.strs("_implies") {
			add(implied)
		}
	}
	for _, o := range c.with("role_assignment", "user", userID) {
		if o.doc.str("scope") == scope && scope != "" {
			add(o.doc.str("role"))
		}
	}
	return out
}

// issueToken is POST /auth/tokens.
func issueToken(q *call) (any, error) {
	auth := q.body.sub("auth")
	identity := auth.sub("identity")
	methods := identity.strs("methods")
	if len(methods) == 0 {
		return nil, badRequest("'methods' is a required property")
	}
	t := &token{id: "gAAAAA" + strings.ReplaceAll(uuid.NewString()+uuid.NewString(), "-", ""), methods: methods, issued: q.clock.Now()}
	t.expires = t.issued.Add(tokenLife)
	for _, m := range methods {
		if err := q.prove(t, m, identity.sub(m)); err != nil {
			return nil, err
		}
	}
	if err := q.scopeToken(t, auth); err != nil {
		return nil, err
	}
	t.view = q.describe(t)
	if !q.refresh(t) {
		return nil, errUnauthorized
	}
	q.tokens[t.id] = t
	q.forgetExpired()
	q.header.Set("X-Subject-Token", t.id)
	return doc{"token": q.withCatalogue(t)}, nil
}

// prove checks one method of authentication.
func (q *call) prove(t *token, method string, in doc) error {
	switch method {
	case "password":
		given := in.sub("user")
		user := q.findUser(given)
		if user == nil || user.doc.str("_password") == "" || user.doc.str("_password") != given.str("password") || !user.doc.flag("enabled", true) {
			return errUnauthorized
		}
		t.userID = user.id
	case "token":
		old := q.tokens[in.str("id")]
		if old == nil || q.clock.Now().After(old.expires) || !q.refresh(old) {
			return errUnauthorized
		}
		t.userID, t.expires = old.userID, old.expires
	case "application_credential":
		credential := q.findCredential(in)
		if credential == nil || credential.doc.str("_secret") != in.str("secret") {
			return errUnauthorized
		}
		t.userID, t.projectID, t.appCredential = credential.doc.str("_user"), credential.project, credential.id
	default:
		return errUnauthorized
	}
	return nil
}

// findUser finds the user that an object with id, or name and domain, stands for.
func (q *call) findUser(in doc) *object {
	if id := in.str("id"); id != "" {
		return q.get("user", id)
	}
	domain := q.findDomain(in.sub("domain"))
	if domain == nil {
		return nil
	}
	return q.first("user", func(o *object) bool { return o.name() == in.str("name") && o.doc.str("domain_id") == domain.id })
}

func (q *call) findDomain(in doc) *object {
	if id := in.str("id"); id != "" {
		return q.get("domain", id)
	}
	return q.first("domain", func(o *object) bool { return in != nil && o.name() == in.str("name") })
}

func (q *call) findCredential(in doc) *object {
	if id := in.str("id"); id != "" {
		return q.get("application_credential", id)
	}
	user := q.findUser(in.sub("user"))
	return q.first("application_credential", func(o *object) bool {
		return user != nil && o.doc.str("_user") == user.id && o.name() == in.str("name")
	})
}

// scopeToken reads what the token is to be good for.
func (q *call) scopeToken(t *token, auth doc) error {
	if t.appCredential != "" {
		if auth.has("scope") {
			return fail(http.StatusUnauthorized, "Unauthorized", "Application credentials cannot request a scope.")
		}
		return nil
	}
	scope := auth.sub("scope")
	switch {
	case scope == nil && auth.str("scope") == "":
		project := q.get("user", t.userID).doc.str("default_project_id")
		if !auth.has("scope") && len(q.effective(t.userID, "project:"+project)) > 0 {
			t.projectID = project
		}
	case scope.has("project"):
		in := scope.sub("project")
		project := q.get("project", in.str("id"))
		if domain := q.findDomain(in.sub("domain")); project == nil && domain != nil {
			project = q.first("project", func(o *object) bool { return o.name() == in.str("name") && o.doc.str("domain_id") == domain.id })
		}
		if project == nil || !project.doc.flag("enabled", true) {
			return errUnauthorized
		}
		t.projectID = project.id
	case scope.has("domain"):
		domain := q.findDomain(scope.sub("domain"))
		if domain == nil {
			return errUnauthorized
		}
		t.domainID = domain.id
	case scope.has("system"):
		t.system = true
	}
	return nil
}

// describe is the token's view but for its roles and catalogue.
func (q *call) describe(t *token) doc {
	const form = "2006-01-02T15:04:05.000000Z"
	user := q.get("user", t.userID)
	out := doc{
		"methods": t.methods, "audit_ids": []string{t.id[6:28]}, "issued_at": t.issued.Format(form), "expires_at": t.expires.Format(form),
		"user":        doc{"id": user.id, "name": user.name(), "domain": q.reference("domain", user.doc.str("domain_id")), "password_expires_at": nil},
		"_generation": user.doc.num("_generation"),
	}
	switch {
	case t.projectID != "":
		project := q.get("project", t.projectID)
		out["project"] = doc{"id": project.id, "name": project.name(), "domain": q.reference("domain", project.doc.str("domain_id"))}
		out["is_domain"] = false
	case t.domainID != "":
		out["domain"] = q.reference("domain", t.domainID)
	case t.system:
		out["system"] = doc{"all": true}
	}
	if c := q.get("application_credential", t.appCredential); c != nil {
		out["application_credential"] = doc{"id": c.id, "name": c.name(), "restricted": !c.doc.flag("unrestricted", false)}
	}
	return out
}

func (q *call) reference(kind, id string) doc {
	o := q.get(kind, id)
	if o == nil {
		return nil
	}
	return doc{"id": id, "name": o.name()}
}

func (q *call) withCatalogue(t *token) doc {
	out := t.view.public()
	if t.scope() == "" {
		return out
	}
	entries := []doc{}
	for _, e := range q.Cloud.catalogue(q.url) {
		url := strings.ReplaceAll(e.URL, "{project_id}", t.projectID)
		if strings.Contains(e.URL, "{project_id}") && t.projectID == "" {
			continue
		}
		id := strings.ReplaceAll(uuid.NewSHA1(uuid.NameSpaceURL, []byte(e.Type)).String(), "-", "")
		endpoints := []doc{}
		for _, face := range []string{"public", "internal", "admin"} {
			endpoints = append(endpoints, doc{"id": id + face, "interface": face, "region": Region, "region_id": Region, "url": url})
		}
		entries = append(entries, doc{"id": id, "type": e.Type, "name": e.Name, "endpoints": endpoints})
	}
	out["catalog"] = entries
	return out
}

// forgetExpired keeps a long run from collecting tokens.
func (c *Cloud) forgetExpired() {
	if len(c.tokens)%1000 != 0 {
		return
	}
	for id, t := range c.tokens {
		if c.clock.Now().After(t.expires.Add(24 * time.Hour)) {
			delete(c.tokens, id)
		}
	}
}

// subject finds the token that a request is about, and checks that the caller may ask.
func (q *call) subject() (*token, error) {
	id := q.r.Header.Get("X-Subject-Token")
	t := q.tokens[id]
	if !q.admin() && !q.token.has("service") && (t == nil || t.userID != q.token.userID) {
		return nil, fail(http.StatusForbidden, "Forbidden", "You are not authorized to perform the requested action: identity:validate_token.")
	}
	expired := t != nil && q.clock.Now().After(t.expires) && !equals(true, q.query.Get("allow_expired")) && q.query.Get("allow_expired") != "1"
	if t == nil || expired || !q.refresh(t) {
		return nil, fail(http.StatusNotFound, "NotFound", "Could not find token: %s.", id)
	}
	return t, nil
}

func showToken(q *call) (any, error) {
	t, err := q.subject()
	if err != nil {
		return nil, err
	}
	q.header.Set("X-Subject-Token", t.id)
	if q.query.Has("nocatalog") {
		return doc{"token": t.view.public()}, nil
	}
	return doc{"token": q.withCatalogue(t)}, nil
}

func revokeToken(q *call) (any, error) {
	t, err := q.subject()
	if err != nil {
		return nil, err
	}
	delete(q.tokens, t.id)
	return nil, nil
}

func listCatalogue(q *call) (any, error) {
	return doc{"catalog": q.withCatalogue(q.token)["catalog"], "links": doc{"self": nil}}, nil
}
