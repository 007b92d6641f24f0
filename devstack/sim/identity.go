package sim

import (
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"
)

func identityRoutes() []route {
	return []route{
		{"POST", "/auth/tokens", 201, issueToken, true},
		{"GET", "/auth/tokens", 200, showToken, false},
		{"DELETE", "/auth/tokens", 204, revokeToken, false},
		{"GET", "/auth/catalog", 200, listCatalogue, false},
		{"GET", "/auth/projects", 200, listOwnProjects, false},
		{"GET", "/users/{id}/projects", 200, listOwnProjects, false},
		{"POST", "/users/{id}/password", 204, changePassword, false},
		{"GET", "/role_assignments", 200, listAssignments, false},
		{"PUT", "/projects/{project}/users/{user}/roles/{role}", 204, assignRole, false},
		{"PUT", "/domains/{domain}/users/{user}/roles/{role}", 204, assignRole, false},
		{"DELETE", "/projects/{project}/users/{user}/roles/{role}", 204, unassignRole, false},
		{"DELETE", "/domains/{domain}/users/{user}/roles/{role}", 204, unassignRole, false},
		{"HEAD", "/projects/{project}/users/{user}/roles/{role}", 204, checkRole, false},
		{"GET", "/projects/{project}/users/{user}/roles/{role}", 204, checkRole, false},
		{"GET", "/projects/{project}/users/{user}/roles", 200, listUserRoles, false},
		{"GET", "/domains/{domain}/users/{user}/roles", 200, listUserRoles, false},
		{"POST", "/users/{user}/application_credentials", 201, createCredential, false},
		{"GET", "/users/{user}/application_credentials", 200, listCredentials, false},
		{"GET", "/users/{user}/application_credentials/{id}", 200, showCredential, false},
		{"DELETE", "/users/{user}/application_credentials/{id}", 204, deleteCredential, false},
		{"GET", "/services", 200, listServices, false},
		{"GET", "/endpoints", 200, listEndpoints, false},
		{"GET", "/regions", 200, func(*call) (any, error) {
			return keystonePage("regions", []doc{{"id": Region, "description": ""}}, ""), nil
		}, false},
		{"GET", "/users", 200, identityList("user"), false},
		{"POST", "/users", 201, identityCreate("user"), false},
		{"GET", "/users/{id}", 200, identityShow("user"), false},
		{"PATCH", "/users/{id}", 200, identityUpdate("user"), false},
		{"DELETE", "/users/{id}", 204, identityDelete("user"), false},
		{"GET", "/projects", 200, identityList("project"), false},
		{"POST", "/projects", 201, identityCreate("project"), false},
		{"GET", "/projects/{id}", 200, identityShow("project"), false},
		{"PATCH", "/projects/{id}", 200, identityUpdate("project"), false},
		{"DELETE", "/projects/{id}", 204, identityDelete("project"), false},
		{"GET", "/domains", 200, identityList("domain"), false},
		{"POST", "/domains", 201, identityCreate("domain"), false},
		{"GET", "/domains/{id}", 200, identityShow("domain"), false},
		{"PATCH", "/domains/{id}", 200, identityUpdate("domain"), false},
		{"DELETE", "/domains/{id}", 204, identityDelete("domain"), false},
		{"GET", "/roles", 200, identityList("role"), false},
		{"POST", "/roles", 201, identityCreate("role"), false},
		{"GET", "/roles/{id}", 200, identityShow("role"), false},
		{"DELETE", "/roles/{id}", 204, identityDelete("role"), false},
	}
}

// seedIdentity makes the domains, projects, users and roles that every test may count on.
func (c *Cloud) seedIdentity() {
	for _, d := range []doc{{"id": "default", "name": "Default"}, {"name": "jeroboam"}} {
		d["enabled"], d["description"] = true, ""
		c.add("domain", "", d)
	}
	roles := map[string]string{}
	for _, r := range []struct{ name, implies string }{{"reader", ""}, {"member", "reader"}, {"manager", "member"}, {"admin", "manager"}, {"service", ""}} {
		d := doc{"id": hexID(), "name": r.name, "domain_id": nil, "description": nil, "options": doc{}}
		if r.implies != "" {
			d["_implies"] = []string{roles[r.implies]}
		}
		roles[r.name] = c.add("role", "", d).id
	}
	own := c.with("domain", "name", "jeroboam")[0].id
	projects := map[string]string{}
	for _, name := range []string{"admin", "demo", "alt_demo", "service"} {
		projects[name] = c.add("project", "", doc{"id": hexID(), "name": name, "domain_id": "default", "parent_id": "default", "enabled": true, "is_domain": false, "description": "", "tags": []string{}, "options": doc{}}).id
	}
	user := func(name, domain string) string {
		return c.add("user", "", doc{"id": hexID(), "name": name, "domain_id": domain, "enabled": true, "password_expires_at": nil, "options": doc{}, "_password": c.options.Password}).id
	}
	demo, other, admin, service, domainAdmin := user("demo", "default"), user("alt_demo", "default"), user("admin", "default"), user("jeroboam", "default"), user("jeroboam_domain_admin", own)
	for _, a := range []struct{ user, role, scope string }{
		{demo, "member", "project:" + projects["demo"]}, {other, "member", "project:" + projects["alt_demo"]},
		{admin, "admin", "project:" + projects["admin"]}, {admin, "admin", "project:" + projects["demo"]}, {admin, "admin", "system"}, {admin, "admin", "domain:default"},
		{service, "admin", "project:" + projects["service"]}, {service, "service", "project:" + projects["service"]}, {service, "admin", "system"},
		{domainAdmin, "admin", "domain:" + own},
	} {
		c.assign(a.user, roles[a.role], a.scope)
	}
}

func hexID() string { return strings.ReplaceAll(uuid.NewString(), "-", "") }

// assign gives a user a role; twice is once.
func (c *Cloud) assign(user, role, scope string) {
	id := user + "/" + role + "/" + scope
	if c.get("role_assignment", id) == nil {
		project, _ := strings.CutPrefix(scope, "project:")
		c.put(&object{kind: "role_assignment", id: id, project: project, doc: doc{"user": user, "role": role, "scope": scope}})
	}
}

func forbidden(action string) error {
	return fail(http.StatusForbidden, "Forbidden", "You are not authorized to perform the requested action: %s.", action)
}

func missing(kind, id string) error {
	return fail(http.StatusNotFound, "NotFound", "Could not find %s: %s.", strings.ReplaceAll(kind, "_", " "), id)
}

// manages tells whether the caller may change what is in a domain: an administrator may in every domain unless the token
// is for one domain.
func (q *call) manages(domain string) bool {
	return q.admin() && (q.token.domainID == "" || q.token.domainID == domain)
}

func domainOf(o *object) string {
	if o.kind == "domain" {
		return o.id
	}
	return o.doc.str("domain_id")
}

func identityList(kind string) func(*call) (any, error) {
	return func(q *call) (any, error) {
		if !q.token.has("reader") && !q.token.has("service") {
			return nil, forbidden("identity:list_" + kind + "s")
		}
		return q.list(listing{kind: kind, collection: kind + "s", render: q.identityView, sees: func(o *object) bool {
			return q.manages(domainOf(o)) || kind == "role" || kind == "domain" && q.admin() || q.token.has("service")
		}})
	}
}

func (q *call) identityView(o *object) doc {
	out := o.doc.public()
	path := q.url + "/identity/v3/" + o.kind + "s/" + o.id
	out["links"] = doc{"self": path}
	return out
}

func identityShow(kind string) func(*call) (any, error) {
	return func(q *call) (any, error) {
		o := q.get(kind, q.arg("id"))
		self := o != nil && (o.id == q.token.userID || o.id == q.project())
		if !self && !q.admin() && kind != "role" {
			return nil, forbidden("identity:get_" + kind)
		}
		if o == nil {
			return nil, missing(kind, q.arg("id"))
		}
		return doc{kind: q.identityView(o)}, nil
	}
}

func identityCreate(kind string) func(*call) (any, error) {
	return func(q *call) (any, error) {
		in, err := q.input(kind)
		if err != nil {
			return nil, err
		}
		domain := in.str("domain_id")
		if domain == "" && kind != "domain" && kind != "role" {
			domain = "default"
			if q.token.domainID != "" {
				domain = q.token.domainID
			}
		}
		if !q.manages(domain) {
			return nil, forbidden("identity:create_" + kind)
		}
		if in.str("name") == "" {
			return nil, badRequest("'name' is a required property")
		}
		if domain != "" && q.get("domain", domain) == nil {
			return nil, missing("domain", domain)
		}
		d := doc{"id": hexID(), "name": in.str("name"), "enabled": in.flag("enabled", true), "description": in.str("description"), "options": doc{}}
		switch kind {
		case "user":
			d["password_expires_at"], d["_password"], d["domain_id"] = nil, in.str("password"), domain
			if p := in.str("default_project_id"); p != "" {
				d["default_project_id"] = p
			}
		case "project":
			d["domain_id"], d["parent_id"], d["is_domain"], d["tags"] = domain, domain, false, in.strs("tags")
		case "role":
			d["domain_id"] = nil
		}
		if err := q.unique(kind, d, ""); err != nil {
			return nil, err
		}
		return doc{kind: q.identityView(q.add(kind, "", d))}, nil
	}
}

// unique refuses a second object of the same name in a domain.
func (q *call) unique(kind string, d doc, self string) error {
	if q.first(kind, func(o *object) bool {
		return o.id != self && o.name() == d.str("name") && o.doc.str("domain_id") == d.str("domain_id")
	}) == nil {
		return nil
	}
	return fail(http.StatusConflict, "Conflict", "Conflict occurred attempting to store %s - Duplicate entry found with name %s at domain ID %s.", kind, d.str("name"), d.str("domain_id"))
}

func identityUpdate(kind string) func(*call) (any, error) {
	return func(q *call) (any, error) {
		in, err := q.input(kind)
		if err != nil {
			return nil, err
		}
		o := q.get(kind, q.arg("id"))
		if o == nil {
			if q.admin() {
				return nil, missing(kind, q.arg("id"))
			}
			return nil, forbidden("identity:update_" + kind)
		}
		if !q.manages(domainOf(o)) {
			return nil, forbidden("identity:update_" + kind)
		}
		if in.has("name") {
			if err := q.unique(kind, doc{"name": in["name"], "domain_id": o.doc.str("domain_id")}, o.id); err != nil {
				return nil, err
			}
		}
		for _, key := range []string{"name", "enabled", "description", "default_project_id", "tags"} {
			if in.has(key) {
				o.doc[key] = in[key]
			}
		}
		if in.has("password") {
			q.setPassword(o, in.str("password"))
		}
		return doc{kind: q.identityView(o)}, nil
	}
}

// setPassword ends all tokens of the user as well.
func (q *call) setPassword(user *object, password string) {
	user.doc["_password"], user.doc["_generation"] = password, user.doc.num("_generation")+1
}

func changePassword(q *call) (any, error) {
	in, err := q.input("user")
	if err != nil {
		return nil, err
	}
	user := q.get("user", q.arg("id"))
	if user == nil || user.doc.str("_password") != in.str("original_password") {
		return nil, errUnauthorized
	}
	q.setPassword(user, in.str("password"))
	return nil, nil
}

func identityDelete(kind string) func(*call) (any, error) {
	return func(q *call) (any, error) {
		o := q.get(kind, q.arg("id"))
		if o == nil && q.admin() {
			return nil, missing(kind, q.arg("id"))
		}
		if o == nil || !q.manages(domainOf(o)) {
			return nil, forbidden("identity:delete_" + kind)
		}
		if kind == "domain" && o.doc.flag("enabled", true) {
			return nil, fail(http.StatusForbidden, "Forbidden", "Cannot delete a domain that is enabled, please disable it first.")
		}
		q.removeIdentity(o)
		return nil, nil
	}
}

// removeIdentity removes an object with what cannot be without it.
func (q *call) removeIdentity(o *object) {
	q.remove(o)
	gone := func(kind string, match func(*object) bool) {
		for _, x := range q.find(kind, match) {
			q.removeIdentity(x)
		}
	}
	gone("role_assignment", func(x *object) bool {
		return x.doc.str("user") == o.id || x.doc.str("role") == o.id || x.doc.str("scope") == o.kind+":"+o.id
	})
	gone("application_credential", func(x *object) bool { return x.doc.str("_user") == o.id || x.project == o.id })
	if o.kind == "domain" {
		for _, kind := range []string{"user", "project"} {
			gone(kind, func(x *object) bool { return x.doc.str("domain_id") == o.id })
		}
	}
}

func listOwnProjects(q *call) (any, error) {
	user := q.token.userID
	if id := q.arg("id"); id != "" && id != user {
		if !q.admin() {
			return nil, forbidden("identity:list_user_projects")
		}
		user = id
	}
	return q.list(listing{kind: "project", collection: "projects", render: q.identityView, sees: func(o *object) bool {
		return len(q.effective(user, "project:"+o.id)) > 0
	}})
}

func listServices(q *call) (any, error) {
	rows := []doc{}
	for _, e := range q.Cloud.catalogue(q.url) {
		rows = append(rows, doc{"id": e.Type, "type": e.Type, "name": e.Name, "enabled": true})
	}
	return keystonePage("services", filter(q, rows), ""), nil
}

func listEndpoints(q *call) (any, error) {
	rows := []doc{}
	for _, e := range q.Cloud.catalogue(q.url) {
		rows = append(rows, doc{"id": e.Type, "service_id": e.Type, "interface": "public", "region": Region, "region_id": Region, "url": e.URL, "enabled": true})
	}
	return keystonePage("endpoints", filter(q, rows), ""), nil
}

// filter is for what is computed, not stored.
func filter(q *call, rows []doc) []doc {
	return slices.DeleteFunc(rows, func(d doc) bool { return !q.matches(listing{}, &object{doc: d}) })
}
