package sim

import (
	"net/http"
	"slices"
	"strings"
)

// Server groups.

func (q *call) groupView(o *object) doc {
	out := doc{"id": o.id, "name": o.name(), "members": []string{}, "metadata": doc{}, "project_id": o.project, "user_id": o.doc["user_id"]}
	members := []string{}
	for _, s := range q.with("server", "_group", o.id) {
		members = append(members, s.id)
	}
	out["members"] = members
	if q.microversion() >= 64 {
		out["policy"], out["rules"] = o.doc["policy"], o.doc["rules"]
		delete(out, "metadata")
	} else {
		out["policies"] = []any{o.doc["policy"]}
	}
	return out
}

func listServerGroups(q *call) (any, error) {
	return q.list(listing{kind: "server_group", collection: "server_groups", render: q.groupView, sees: func(o *object) bool {
		return o.project == q.project() || q.admin() && q.query.Has("all_projects")
	}})
}

var policies = []string{"affinity", "anti-affinity", "soft-affinity", "soft-anti-affinity"}

func createServerGroup(q *call) (any, error) {
	in, err := q.input("server_group")
	if err != nil {
		return nil, err
	}
	policy := in.str("policy")
	if q.microversion() < 64 {
		policy = strings.Join(in.strs("policies"), ",")
	}
	if !slices.Contains(policies, policy) || in.str("name") == "" {
		return nil, badRequest("Invalid input for field/attribute policy. Value: %s. '%s' is not one of %v", policy, policy, policies)
	}
	if q.over("server_groups", q.project(), q.count("server_group", q.project()), 1) {
		return nil, fail(http.StatusForbidden, "", "Quota exceeded, too many server groups.")
	}
	rules := in.sub("rules")
	if rules == nil {
		rules = doc{}
	}
	o := q.add("server_group", q.project(), doc{"name": in.str("name"), "policy": policy, "rules": rules, "user_id": q.token.userID})
	return doc{"server_group": q.groupView(o)}, nil
}

func (q *call) serverGroup() (*object, error) {
	if o := q.own("server_group", q.arg("id")); o != nil {
		return o, nil
	}
	return nil, fail(http.StatusNotFound, "", "Instance group %s could not be found.", q.arg("id"))
}

func showServerGroup(q *call) (any, error) {
	o, err := q.serverGroup()
	if err != nil {
		return nil, err
	}
	return doc{"server_group": q.groupView(o)}, nil
}

func deleteServerGroup(q *call) (any, error) {
	o, err := q.serverGroup()
	if err != nil {
		return nil, err
	}
	q.remove(o)
	return nil, nil
}
