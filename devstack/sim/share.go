package sim

import (
	"net/http"
	"slices"
	"strings"
)

// shareVersionHeader names the microversion.
const shareVersionHeader = "X-OpenStack-Manila-API-Version"

// Microversions at which share types change.
const (
	shareAccessRenamed   = 7  // share_type_access loses its «os-»
	shareSpecsInferred   = 24 // what a type says nothing about is false, and nothing is set when it is made
	shareTypeDescription = 41
	shareTypeDefault     = 46
)

// defaultShareType is that of shares which name none.
const defaultShareType = "nfs"

const ownServers = "driver_handles_share_servers"

// inferredSpecs are what members are told of a type that says nothing about them.
var inferredSpecs = []string{"snapshot_support", "create_share_from_snapshot_support", "revert_to_snapshot_support", "mount_snapshot_support"}

// memberSpecs are those of a type that are not the operator's alone.
var memberSpecs = append([]string{ownServers, "replication_type", "availability_zones", "provisioning:max_share_size", "provisioning:min_share_size"}, inferredSpecs...)

func shareRoutes() []route {
	return []route{
		{"GET", "/types", 200, listShareTypes, false},
		{"POST", "/types", 200, createShareType, false},
		{"GET", "/types/{id}", 200, showShareType, false},
		{"DELETE", "/types/{id}", 202, deleteShareType, false},
		{"POST", "/types/{id}/action", 202, shareTypeAction, false},
	}
}

// seedShares makes a type of each sort: one whose shares are on servers of the operator's, one with servers of their own.
func (c *Cloud) seedShares() {
	for name, own := range map[string]string{defaultShareType: "False", "generic": "True"} {
		c.newShareType(name, true, doc{ownServers: own, "snapshot_support": "True"})
	}
}

func (c *Cloud) newShareType(name string, public bool, specs doc) *object {
	return c.add("share_type", "", doc{"name": name, "description": nil, "_public": public, "_specs": specs, "_projects": []string{}})
}

// listShareTypes is in no pages. Administrators may ask for others' types, and are given none unasked.
func listShareTypes(q *call) (any, error) {
	wanted := "true"
	if asked := q.query.Get("is_public"); q.admin() && asked != "" {
		wanted = strings.ToLower(asked)
	}
	rows := q.find("share_type", func(o *object) bool {
		switch wanted {
		case "none", "all":
			return true
		case "false":
			return !o.doc.flag("_public", false)
		}
		return q.usesShareType(o)
	})
	slices.SortFunc(rows, func(a, b *object) int { return strings.Compare(a.name(), b.name()) })
	out := make([]doc, 0, len(rows))
	for _, o := range rows {
		out = append(out, q.shareTypeView(o))
	}
	return doc{"share_types": out, "volume_types": out}, nil
}

// usesShareType tells whether a type is for all or for the caller's project.
func (q *call) usesShareType(o *object) bool {
	return o.doc.flag("_public", false) || slices.Contains(o.doc.strs("_projects"), q.project())
}

// shareTypeView keeps from members what a type wants of the operator's software: whether it is NFS, for one.
func (q *call) shareTypeView(o *object) doc {
	all := o.doc.sub("_specs")
	specs, required := doc{}, doc{ownServers: all[ownServers]}
	for key, value := range all {
		if q.admin() || slices.Contains(memberSpecs, key) {
			specs[key] = value
		}
	}
	minor := q.microversion()
	if minor >= shareSpecsInferred && !q.admin() {
		for _, key := range inferredSpecs {
			if !specs.has(key) {
				specs[key] = false
			}
		}
	}
	out := doc{"id": o.id, "name": o.doc["name"], "extra_specs": specs, "required_extra_specs": required}
	access := "os-share-type-access:is_public"
	if minor >= shareAccessRenamed {
		access = "share_type_access:is_public"
	}
	out[access] = o.doc["_public"]
	if minor >= shareTypeDescription {
		out["description"] = o.doc["description"]
	}
	if minor >= shareTypeDefault {
		out["is_default"] = o.name() == defaultShareType
	}
	return out
}

func (q *call) shareTypeAnswer(o *object) doc {
	view := q.shareTypeView(o)
	return doc{"share_type": view, "volume_type": view}
}

func showShareType(q *call) (any, error) {
	id := q.arg("id")
	o := q.get("share_type", id)
	if id == "default" {
		o = q.first("share_type", func(o *object) bool { return o.name() == defaultShareType })
	}
	if o == nil || !q.admin() && !q.usesShareType(o) {
		return nil, fail(http.StatusNotFound, "", "Share type not found.")
	}
	return q.shareTypeAnswer(o), nil
}

func createShareType(q *call) (any, error) {
	if !q.admin() {
		return nil, errShareForbidden()
	}
	in, err := q.input("share_type")
	if err != nil {
		return nil, err
	}
	name, specs := in.str("name"), doc{}
	for key, value := range in.sub("extra_specs") {
		if specs[key] = value; value == true || value == false { // in the database's words, which are Python's
			specs[key] = map[any]string{true: "True", false: "False"}[value]
		}
	}
	if q.microversion() < shareSpecsInferred && !specs.has("snapshot_support") {
		specs["snapshot_support"] = "True"
	}
	switch {
	case name == "":
		return nil, badRequest("Type name or description is not valid.")
	case !isBool(specs.str(ownServers)):
		return nil, badRequest("Invalid extra_spec: %%(reason)s.") // its words are like this
	case q.first("share_type", func(o *object) bool { return o.name() == name }) != nil:
		return nil, fail(http.StatusConflict, "", "Share Type %%(id)s already exists.")
	}
	public := in.flag("os-share-type-access:is_public", in.flag("share_type_access:is_public", true))
	return q.shareTypeAnswer(q.newShareType(name, public, specs)), nil
}

// isBool tells whether Manila takes a text for a truth.
func isBool(s string) bool {
	return slices.Contains([]string{"1", "t", "true", "on", "y", "yes", "0", "f", "false", "off", "n", "no"}, strings.ToLower(strings.TrimSpace(s)))
}

func deleteShareType(q *call) (any, error) {
	if !q.admin() {
		return nil, errShareForbidden()
	}
	o := q.get("share_type", q.arg("id"))
	if o == nil {
		return nil, fail(http.StatusNotFound, "", "The resource could not be found.")
	}
	q.remove(o)
	return nil, nil
}

// shareTypeAction lets a project use a type that is not for all, or not any more.
func shareTypeAction(q *call) (any, error) {
	adding := q.body.has("addProjectAccess")
	in := q.body.sub("removeProjectAccess")
	if adding {
		in = q.body.sub("addProjectAccess")
	}
	if in == nil {
		return nil, badRequest("There is no such action: %s", q.raw)
	}
	if !q.admin() {
		return nil, errShareForbidden()
	}
	o, project := q.get("share_type", q.arg("id")), in.str("project")
	if o == nil {
		return nil, fail(http.StatusNotFound, "", "Share type %%(share_type_id)s could not be found.")
	}
	projects := o.doc.strs("_projects")
	switch there := slices.Contains(projects, project); {
	case o.doc.flag("_public", false):
		return nil, fail(http.StatusConflict, "", "Type access modification is not applicable to public share type.")
	case adding && there:
		return nil, fail(http.StatusConflict, "", "Share type access for %%(share_type_id)s / %%(project_id)s combination already exists.")
	case !adding && !there:
		return nil, fail(http.StatusNotFound, "", "Share type access not found for %%(share_type_id)s / %%(project_id)s combination.")
	case adding:
		o.doc["_projects"] = append(slices.Clone(projects), project)
	default:
		o.doc["_projects"] = slices.DeleteFunc(slices.Clone(projects), func(p string) bool { return p == project })
	}
	return nil, nil
}

func errShareForbidden() error {
	return fail(http.StatusForbidden, "", "Access was denied to this resource.")
}
