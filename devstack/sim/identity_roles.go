package sim

import (
	"net/http"
	"slices"
	"strings"
)

// assignment reads the path of a role assignment and checks that all of it is there.
func (q *call) assignment(action string) (user, role, scope string, err error) {
	user, role = q.arg("user"), q.arg("role")
	target, kind := q.arg("project"), "project"
	if target == "" {
		target, kind = q.arg("domain"), "domain"
	}
	if !q.admin() && (action != "list_grants" || user != q.token.userID) {
		return "", "", "", forbidden("identity:" + action)
	}
	for _, need := range []struct{ kind, id string }{{"user", user}, {kind, target}, {"role", role}} {
		if need.id != "" && q.get(need.kind, need.id) == nil {
			return "", "", "", missing(need.kind, need.id)
		}
	}
	return user, role, kind + ":" + target, nil
}

func assignRole(q *call) (any, error) {
	user, role, scope, err := q.assignment("create_grant")
	if err != nil {
		return nil, err
	}
	q.assign(user, role, scope)
	return nil, nil
}

func unassignRole(q *call) (any, error) {
	user, role, scope, err := q.assignment("revoke_grant")
	if err != nil {
		return nil, err
	}
	o := q.get("role_assignment", user+"/"+role+"/"+scope)
	if o == nil {
		return nil, missing("role assignment", "role "+role)
	}
	q.remove(o)
	return nil, nil
}

func checkRole(q *call) (any, error) {
	user, role, scope, err := q.assignment("check_grant")
	if err != nil {
		return nil, err
	}
	if q.get("role_assignment", user+"/"+role+"/"+scope) == nil {
		return nil, missing("role assignment", "role "+role)
	}
	return nil, nil
}

func listUserRoles(q *call) (any, error) {
	user, _, scope, err := q.assignment("list_grants")
	if err != nil {
		return nil, err
	}
	rows := []doc{}
	for _, o := range q.find("role_assignment", func(o *object) bool { return o.doc.str("user") == user && o.doc.str("scope") == scope }) {
		rows = append(rows, q.identityView(q.get("role", o.doc.str("role"))))
	}
	return keystonePage("roles", rows, ""), nil
}

// listAssignments answers GET /role_assignments, with what roles imply when effective ones are asked for.
func listAssignments(q *call) (any, error) {
	if !q.admin() && q.query.Get("user.id") != q.token.userID {
		return nil, forbidden("identity:list_role_assignments")
	}
	rows := []doc{}
	add := func(user, role, scope string) {
		kind, id, _ := strings.Cut(scope, ":")
		for key, value := range map[string]string{"user.id": user, "role.id": role, "scope." + kind + ".id": id} {
			if want := q.query.Get(key); want != "" && want != value {
				return
			}
		}
		if other := map[string]string{"project": "scope.domain.id", "domain": "scope.project.id", "system": "scope.project.id"}[kind]; q.query.Has(other) {
			return
		}
		names := q.query.Has("include_names")
		ref := func(kind, id string) doc {
			out := doc{"id": id}
			if o := q.get(kind, id); o != nil && names {
				out["name"] = o.name()
				if domain := o.doc.str("domain_id"); domain != "" {
					out["domain"] = q.reference("domain", domain)
				}
			}
			return out
		}
		where := doc{kind: ref(kind, id)}
		if kind == "system" {
			where = doc{"system": doc{"all": true}}
		}
		rows = append(rows, doc{"user": ref("user", user), "role": ref("role", role), "scope": where, "links": doc{}})
	}
	seen := []string{}
	for _, o := range q.table("role_assignment").order {
		user, scope := o.doc.str("user"), o.doc.str("scope")
		if !q.query.Has("effective") {
			add(user, o.doc.str("role"), scope)
			continue
		}
		if key := user + scope; !slices.Contains(seen, key) {
			seen = append(seen, key)
			for _, role := range q.effective(user, scope) {
				add(user, role, scope)
			}
		}
	}
	return keystonePage("role_assignments", rows, ""), nil
}

func (q *call) credentialOwner() error {
	if q.arg("user") != q.token.userID && !q.admin() {
		return forbidden("identity:application_credentials")
	}
	return nil
}

func createCredential(q *call) (any, error) {
	in, err := q.input("application_credential")
	if err != nil {
		return nil, err
	}
	user := q.arg("user")
	if user != q.token.userID || q.project() == "" {
		return nil, forbidden("identity:create_application_credential")
	}
	if by := q.get("application_credential", q.token.appCredential); by != nil && !by.doc.flag("unrestricted", false) {
		return nil, fail(http.StatusForbidden, "Forbidden", "Application credentials may not be used to manage application credentials.")
	}
	name := in.str("name")
	if q.first("application_credential", func(o *object) bool { return o.doc.str("_user") == user && o.name() == name }) != nil {
		return nil, fail(http.StatusConflict, "Conflict", "Conflict occurred attempting to store application_credential - Duplicate entry found with name %s.", name)
	}
	held, err := q.credentialRoles(in)
	if err != nil {
		return nil, err
	}
	secret := in.str("secret")
	if secret == "" {
		secret = hexID() + hexID()
	}
	roles := []doc{}
	for _, id := range held {
		roles = append(roles, q.reference("role", id))
	}
	o := q.add("application_credential", q.project(), doc{
		"id": hexID(), "name": name, "description": in["description"], "unrestricted": in.flag("unrestricted", false), "expires_at": in["expires_at"],
		"project_id": q.project(), "roles": roles, "_roles": held, "_secret": secret, "_user": user,
	})
	out := o.doc.public()
	out["secret"] = secret
	return doc{"application_credential": out}, nil
}

// credentialRoles are those that were asked for, or all that the caller has.
func (q *call) credentialRoles(in doc) ([]string, error) {
	held := q.effective(q.token.userID, "project:"+q.project())
	asked := in.docs("roles")
	if len(asked) == 0 {
		return held, nil
	}
	var out []string
	for _, r := range asked {
		role := q.first("role", func(o *object) bool { return o.id == r.str("id") || o.name() == r.str("name") })
		if role == nil || !slices.Contains(held, role.id) {
			return nil, badRequest("Invalid application credential: Could not find role assignment with role: %s%s", r.str("id"), r.str("name"))
		}
		out = append(out, role.id)
	}
	return out, nil
}

func listCredentials(q *call) (any, error) {
	if err := q.credentialOwner(); err != nil {
		return nil, err
	}
	return q.list(listing{kind: "application_credential", collection: "application_credentials", sees: func(o *object) bool { return o.doc.str("_user") == q.arg("user") }})
}

func (q *call) credential() (*object, error) {
	if err := q.credentialOwner(); err != nil {
		return nil, err
	}
	o := q.get("application_credential", q.arg("id"))
	if o == nil || o.doc.str("_user") != q.arg("user") {
		return nil, missing("application_credential", q.arg("id"))
	}
	return o, nil
}

func showCredential(q *call) (any, error) {
	o, err := q.credential()
	if err != nil {
		return nil, err
	}
	return doc{"application_credential": o.doc.public()}, nil
}

func deleteCredential(q *call) (any, error) {
	o, err := q.credential()
	if err != nil {
		return nil, err
	}
	q.remove(o)
	return nil, nil
}
