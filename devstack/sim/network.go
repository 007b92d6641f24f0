package sim

import (
	"net/http"
	"slices"
	"strings"
)

// neutronKind is one of Neutron's resources: what is special about it, the rest is the same for all.
type neutronKind struct {
	kind, path, class string // port, ports, Port
	quota             string // "": not limited
	create            func(q *call, in doc, project string) (*object, error)
	update            func(q *call, o *object, in doc) error
	remove            func(q *call, o *object) error
	view              func(q *call, o *object) doc
	filters           func(q *call) map[string]func(*object, string) bool
}

func (k neutronKind) collection() string { return strings.ReplaceAll(k.path, "-", "_") }

func neutronKinds() []neutronKind {
	return []neutronKind{
		{kind: "network", path: "networks", class: "Network", quota: "network", create: createNetwork, update: updateNetwork, remove: deleteNetwork, view: viewNetwork},
		{kind: "subnet", path: "subnets", class: "Subnet", quota: "subnet", create: createSubnet, update: updateSubnet, remove: deleteSubnet},
		{kind: "port", path: "ports", class: "Port", quota: "port", create: createPort, update: updatePort, remove: deletePort, view: viewPort, filters: portFilters},
		{kind: "router", path: "routers", class: "Router", quota: "router", create: createRouter, update: updateRouter, remove: deleteRouter},
		{kind: "security_group", path: "security-groups", class: "SecurityGroup", quota: "security_group", create: createSecurityGroup, update: updateNamed, remove: deleteSecurityGroup, view: viewSecurityGroup},
		{kind: "security_group_rule", path: "security-group-rules", class: "SecurityGroupRule", quota: "security_group_rule", create: createRule, update: updateNamed, remove: deleteRule},
		{kind: "floatingip", path: "floatingips", class: "FloatingIP", quota: "floatingip", create: createFloatingIP, update: updateFloatingIP, remove: deleteFloatingIP},
	}
}

func networkRoutes() []route {
	out := []route{
		{"PUT", "/routers/{id}/add_router_interface", 200, addInterface, false},
		{"PUT", "/routers/{id}/remove_router_interface", 200, removeInterface, false},
		{"PUT", "/routers/{id}/add_extraroutes", 200, addRoutes, false},
		{"PUT", "/routers/{id}/remove_extraroutes", 200, removeRoutes, false},
		{"GET", "/quotas/{project}", 200, showNetworkQuota, false},
		{"GET", "/quotas/{project}/details", 200, detailNetworkQuota, false},
		{"GET", "/quotas/{project}/details.json", 200, detailNetworkQuota, false},
		{"PUT", "/quotas/{project}", 200, setNetworkQuota, false},
		{"DELETE", "/quotas/{project}", 204, resetNetworkQuota, false},
		{"GET", "/extensions", 200, listExtensions, false},
		{"GET", "/extensions/{alias}", 200, showExtension, false},
		{"GET", "/availability_zones", 200, func(*call) (any, error) {
			return doc{"availability_zones": []doc{{"name": "nova", "resource": "network", "state": "available"}, {"name": "nova", "resource": "router", "state": "available"}}}, nil
		}, false},
	}
	for _, k := range neutronKinds() {
		item := "/" + k.path + "/{id}"
		out = append(out,
			route{"GET", "/" + k.path, 200, k.list, false}, route{"POST", "/" + k.path, 201, k.post, false},
			route{"GET", item, 200, k.show, false}, route{"PUT", item, 200, k.put, false}, route{"DELETE", item, 204, k.del, false},
			route{"GET", item + "/tags", 200, k.tags, false}, route{"PUT", item + "/tags", 200, k.setTags, false},
			route{"DELETE", item + "/tags", 204, k.clearTags, false}, route{"GET", item + "/tags/{tag}", 204, k.hasTag, false},
			route{"PUT", item + "/tags/{tag}", 201, k.addTag, false}, route{"DELETE", item + "/tags/{tag}", 204, k.removeTag, false},
		)
	}
	return out
}

func (k neutronKind) render(q *call, o *object) doc {
	if k.view != nil {
		return k.view(q, o)
	}
	return o.doc.public()
}

func (k neutronKind) list(q *call) (any, error) {
	q.defaultGroup(q.project())
	l := listing{kind: k.kind, collection: k.collection(), byID: true, render: func(o *object) doc { return k.render(q, o) }}
	if k.filters != nil {
		l.filters = k.filters(q)
	}
	return q.list(l)
}

// post makes one, or with the plural in the body several.
func (k neutronKind) post(q *call) (any, error) {
	if many := q.body.docs(k.collection()); many != nil {
		out := []doc{}
		for _, in := range many {
			o, err := k.make(q, in)
			if err != nil {
				return nil, err
			}
			out = append(out, k.render(q, o))
		}
		return doc{k.collection(): out}, nil
	}
	in, err := q.input(k.kind)
	if err != nil {
		return nil, err
	}
	o, err := k.make(q, in)
	if err != nil {
		return nil, err
	}
	return doc{k.kind: k.render(q, o)}, nil
}

func (k neutronKind) make(q *call, in doc) (*object, error) {
	project, err := q.ownerOf(in)
	if err != nil {
		return nil, err
	}
	for _, key := range []string{"shared", "router:external"} {
		if in.flag(key, false) && !q.admin() {
			return nil, fail(http.StatusForbidden, "PolicyNotAuthorized", "rule:create_%s:%s is disallowed by policy", k.kind, key)
		}
	}
	q.defaultGroup(project)
	if err := q.neutronQuota(k.quota, k.kind, project); err != nil {
		return nil, err
	}
	return k.create(q, in, project)
}

func (q *call) neutronQuota(quota, kind, project string) error {
	if q.over(quota, project, q.count(kind, project), 1) {
		return fail(http.StatusConflict, "OverQuota", "Quota exceeded for resources: ['%s'].", quota)
	}
	return nil
}

// fresh is what all of Neutron's objects have.
func (q *call) fresh(in doc, project string, more doc) doc {
	out := doc{
		"name": in.str("name"), "description": in.str("description"), "project_id": project, "tenant_id": project, "tags": []string{},
		"created_at": q.now(), "updated_at": q.now(), "revision_number": 1,
	}
	for key, value := range more {
		out[key] = value
	}
	return out
}

func touch(q *call, o *object) {
	o.doc["updated_at"], o.doc["revision_number"] = q.now(), o.doc.num("revision_number")+1
}

// assign copies the fields that a request may change.
func assignFields(o *object, in doc, keys ...string) {
	for _, key := range append(keys, "name", "description") {
		if v, there := in[key]; there {
			o.doc[key] = v
		}
	}
}

func updateNamed(_ *call, o *object, in doc) error {
	assignFields(o, in)
	return nil
}

func (k neutronKind) missing(id string) error { return notThere(k.class, id) }

func notThere(class, id string) error {
	words := map[string]string{"SecurityGroup": "Security group", "SecurityGroupRule": "Security group rule", "FloatingIP": "Floating IP"}[class]
	if words == "" {
		words = class
	}
	tail := " could not be found."
	if words != class {
		return fail(http.StatusNotFound, class+"NotFound", "%s %s does not exist", words, id)
	}
	return fail(http.StatusNotFound, class+"NotFound", "%s %s%s", words, id, tail)
}

func (k neutronKind) show(q *call) (any, error) {
	o := q.seen(k.kind, q.arg("id"))
	if o == nil {
		return nil, k.missing(q.arg("id"))
	}
	return doc{k.kind: q.fields(k.render(q, o))}, nil
}

// mine finds what the caller may change.
func (k neutronKind) mine(q *call) (*object, error) {
	if o := q.own(k.kind, q.arg("id")); o != nil {
		return o, nil
	}
	if q.seen(k.kind, q.arg("id")) != nil {
		return nil, fail(http.StatusForbidden, "PolicyNotAuthorized", "rule:update_%s is disallowed by policy", k.kind)
	}
	return nil, k.missing(q.arg("id"))
}

func (k neutronKind) put(q *call) (any, error) {
	in, err := q.input(k.kind)
	if err != nil {
		return nil, err
	}
	o, err := k.mine(q)
	if err != nil {
		return nil, err
	}
	if err := k.update(q, o, in); err != nil {
		return nil, err
	}
	touch(q, o)
	return doc{k.kind: k.render(q, o)}, nil
}

func (k neutronKind) del(q *call) (any, error) {
	o, err := k.mine(q)
	if err != nil {
		return nil, err
	}
	return nil, k.remove(q, o)
}

func (k neutronKind) tags(q *call) (any, error) {
	o := q.seen(k.kind, q.arg("id"))
	if o == nil {
		return nil, k.missing(q.arg("id"))
	}
	return doc{"tags": o.doc.strs("tags")}, nil
}

func (k neutronKind) changeTags(q *call, change func([]string) ([]string, error)) (any, error) {
	o, err := k.mine(q)
	if err != nil {
		return nil, err
	}
	tags, err := change(slices.Clone(o.doc.strs("tags")))
	if err != nil {
		return nil, err
	}
	for _, tag := range tags {
		if len(tag) > 255 || tag == "" || strings.Contains(tag, ",") {
			return nil, badRequest("Invalid input for operation: '%s' is not a valid tag.", tag)
		}
	}
	slices.Sort(tags)
	o.doc["tags"] = slices.Compact(tags)
	touch(q, o)
	return doc{"tags": o.doc["tags"]}, nil
}

func (k neutronKind) setTags(q *call) (any, error) {
	return k.changeTags(q, func([]string) ([]string, error) { return q.body.strs("tags"), nil })
}

func (k neutronKind) clearTags(q *call) (any, error) {
	_, err := k.changeTags(q, func([]string) ([]string, error) { return []string{}, nil })
	return nil, err
}

func (k neutronKind) addTag(q *call) (any, error) {
	_, err := k.changeTags(q, func(tags []string) ([]string, error) { return append(tags, q.arg("tag")), nil })
	return nil, err
}

func (k neutronKind) noTag(q *call) error {
	return fail(http.StatusNotFound, "TagNotFound", "Tag %s could not be found.", q.arg("tag"))
}

func (k neutronKind) removeTag(q *call) (any, error) {
	_, err := k.changeTags(q, func(tags []string) ([]string, error) {
		i := slices.Index(tags, q.arg("tag"))
		if i < 0 {
			return nil, k.noTag(q)
		}
		return slices.Delete(tags, i, i+1), nil
	})
	return nil, err
}

func (k neutronKind) hasTag(q *call) (any, error) {
	o := q.seen(k.kind, q.arg("id"))
	if o == nil {
		return nil, k.missing(q.arg("id"))
	}
	if !slices.Contains(o.doc.strs("tags"), q.arg("tag")) {
		return nil, k.noTag(q)
	}
	return nil, nil
}
