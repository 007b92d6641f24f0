package sim

import (
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/google/uuid"
)

func computeRoutes() []route {
	return []route{
		{"GET", "/servers", 200, listServers(false), false},
		{"GET", "/servers/detail", 200, listServers(true), false},
		{"POST", "/servers", 202, createServer, false},
		{"GET", "/servers/{id}", 200, showServer, false},
		{"PUT", "/servers/{id}", 200, updateServer, false},
		{"DELETE", "/servers/{id}", 204, deleteServer, false},
		{"POST", "/servers/{id}/action", 202, serverAction, false},
		{"GET", "/servers/{id}/metadata", 200, showMetadata, false},
		{"PUT", "/servers/{id}/metadata", 200, setMetadata, false},
		{"POST", "/servers/{id}/metadata", 200, mergeMetadata, false},
		{"DELETE", "/servers/{id}/metadata/{key}", 204, deleteMetadata, false},
		{"GET", "/servers/{id}/tags", 200, showServerTags, false},
		{"PUT", "/servers/{id}/tags", 200, setServerTags, false},
		{"PUT", "/servers/{id}/tags/{tag}", 201, addServerTag, false},
		{"DELETE", "/servers/{id}/tags/{tag}", 204, deleteServerTag, false},
		{"GET", "/servers/{id}/os-interface", 200, listServerPorts, false},
		{"POST", "/servers/{id}/os-interface", 200, attachPort, false},
		{"DELETE", "/servers/{id}/os-interface/{port}", 202, detachPort, false},
		{"GET", "/servers/{id}/os-volume_attachments", 200, listAttachments, false},
		{"POST", "/servers/{id}/os-volume_attachments", 200, attachVolume, false},
		{"DELETE", "/servers/{id}/os-volume_attachments/{volume}", 202, detachVolume, false},
		{"GET", "/flavors", 200, listFlavors, false},
		{"GET", "/flavors/detail", 200, listFlavors, false},
		{"GET", "/flavors/{id}", 200, showFlavor, false},
		{"GET", "/flavors/{id}/os-extra_specs", 200, showExtraSpecs, false},
		{"GET", "/os-keypairs", 200, listKeypairs, false},
		{"POST", "/os-keypairs", 200, createKeypair, false},
		{"GET", "/os-keypairs/{name}", 200, showKeypair, false},
		{"DELETE", "/os-keypairs/{name}", 202, deleteKeypair, false},
		{"GET", "/os-server-groups", 200, listServerGroups, false},
		{"POST", "/os-server-groups", 200, createServerGroup, false},
		{"GET", "/os-server-groups/{id}", 200, showServerGroup, false},
		{"DELETE", "/os-server-groups/{id}", 204, deleteServerGroup, false},
		{"GET", "/os-availability-zone", 200, listZones, false},
		{"GET", "/limits", 200, showLimits, false},
		{"GET", "/os-quota-sets/{project}", 200, showComputeQuota, false},
		{"GET", "/os-quota-sets/{project}/detail", 200, detailComputeQuota, false},
		{"PUT", "/os-quota-sets/{project}", 200, setComputeQuota, false},
	}
}

func (c *Cloud) seedCompute() {
	for _, f := range c.options.Flavors {
		id := cmpOr(f.ID, uuid.NewString())
		specs := doc{}
		for key, value := range f.ExtraSpecs {
			specs[key] = value
		}
		c.add("flavor", "", doc{
			"id": id, "name": f.Name, "vcpus": f.VCPUs, "ram": f.RAM, "disk": f.Disk, "swap": 0, "OS-FLV-EXT-DATA:ephemeral": 0,
			"OS-FLV-DISABLED:disabled": false, "os-flavor-access:is_public": true, "rxtx_factor": 1.0, "_specs": specs, "shared": true,
		})
	}
}

// zones are the availability zones; servers without a wish are put into the first.
func zones() []string { return []string{"nova", "az2"} }

func (q *call) flavorView(o *object) doc {
	out := o.doc.public()
	delete(out, "shared")
	if q.microversion() >= 61 {
		out["extra_specs"] = o.doc["_specs"]
	}
	if q.microversion() >= 55 {
		out["description"] = nil
	}
	out["links"] = q.links("flavors", o.id)
	return out
}

func (q *call) links(collection, id string) []doc {
	return []doc{{"rel": "self", "href": q.url + "/compute/v2.1/" + collection + "/" + id}, {"rel": "bookmark", "href": q.url + "/compute/" + collection + "/" + id}}
}

func listFlavors(q *call) (any, error) {
	at := func(field string) func(*object, string) bool {
		return func(o *object, value string) bool { return o.doc.num(field) >= doc{"v": value}.num("v") }
	}
	return q.list(listing{kind: "flavor", collection: "flavors", render: q.flavorView, sees: func(*object) bool { return true },
		filters: map[string]func(*object, string) bool{"minDisk": at("disk"), "minRam": at("ram")}})
}

func (q *call) flavor(id string) (*object, error) {
	if o := q.get("flavor", id); o != nil {
		return o, nil
	}
	return nil, fail(http.StatusNotFound, "", "Flavor %s could not be found.", id)
}

func showFlavor(q *call) (any, error) {
	o, err := q.flavor(q.arg("id"))
	if err != nil {
		return nil, err
	}
	return doc{"flavor": q.flavorView(o)}, nil
}

func showExtraSpecs(q *call) (any, error) {
	o, err := q.flavor(q.arg("id"))
	if err != nil {
		return nil, err
	}
	return doc{"extra_specs": o.doc["_specs"]}, nil
}

func listZones(*call) (any, error) {
	out := []doc{}
	for _, name := range zones() {
		out = append(out, doc{"zoneName": name, "zoneState": doc{"available": true}, "hosts": nil})
	}
	return doc{"availabilityZoneInfo": out}, nil
}

// used counts what the servers of a project take of each quota.
func (c *Cloud) used(project string) map[string]int {
	out := map[string]int{"instances": 0, "cores": 0, "ram": 0}
	for _, s := range c.table("server").order {
		if s.project == project {
			flavor := s.doc.sub("_flavor")
			out["instances"]++
			out["cores"] += flavor.num("vcpus")
			out["ram"] += flavor.num("ram")
		}
	}
	out["server_groups"] = c.count("server_group", project)
	return out
}

func showLimits(q *call) (any, error) {
	project := cmpOr(q.query.Get("tenant_id"), q.project())
	used := q.used(project)
	return doc{"limits": doc{"rate": []doc{}, "absolute": doc{
		"maxTotalInstances": q.quota(project, "instances"), "totalInstancesUsed": used["instances"],
		"maxTotalCores": q.quota(project, "cores"), "totalCoresUsed": used["cores"],
		"maxTotalRAMSize": q.quota(project, "ram"), "totalRAMUsed": used["ram"],
		"maxServerGroups": q.quota(project, "server_groups"), "totalServerGroupsUsed": used["server_groups"],
		"maxServerGroupMembers": q.quota(project, "server_group_members"), "maxTotalKeypairs": q.quota(project, "key_pairs"), "maxServerMeta": maxMetadata,
	}}}, nil
}

var computeQuotas = []string{"instances", "cores", "ram", "server_groups", "server_group_members", "key_pairs"}

func (q *call) computeQuotaOwner() error {
	if p := q.arg("project"); p != q.project() && !q.admin() {
		return fail(http.StatusForbidden, "", "Policy doesn't allow os_compute_api:os-quota-sets:show to be performed.")
	}
	return nil
}

func showComputeQuota(q *call) (any, error) {
	if err := q.computeQuotaOwner(); err != nil {
		return nil, err
	}
	out := doc{"id": q.arg("project"), "metadata_items": maxMetadata}
	for _, name := range computeQuotas {
		out[name] = q.quota(q.arg("project"), name)
	}
	return doc{"quota_set": out}, nil
}

func detailComputeQuota(q *call) (any, error) {
	if err := q.computeQuotaOwner(); err != nil {
		return nil, err
	}
	used := q.used(q.arg("project"))
	out := doc{"id": q.arg("project"), "metadata_items": doc{"limit": maxMetadata, "in_use": 0, "reserved": 0}}
	for _, name := range computeQuotas {
		out[name] = doc{"limit": q.quota(q.arg("project"), name), "in_use": used[name], "reserved": 0}
	}
	return doc{"quota_set": out}, nil
}

func setComputeQuota(q *call) (any, error) {
	in, err := q.input("quota_set")
	if err != nil {
		return nil, err
	}
	if !q.admin() {
		return nil, fail(http.StatusForbidden, "", "Policy doesn't allow os_compute_api:os-quota-sets:update to be performed.")
	}
	q.setQuotas(q.arg("project"), in)
	return showComputeQuota(q)
}

// Keypairs belong to a user, in whatever project.

func (q *call) keypairUser() string {
	if user := q.query.Get("user_id"); user != "" && q.admin() {
		return user
	}
	return q.token.userID
}

func (q *call) keypair() (*object, error) {
	if o := q.get("keypair", q.keypairUser()+"/"+q.arg("name")); o != nil {
		return o, nil
	}
	return nil, fail(http.StatusNotFound, "", "Keypair %s not found for user %s", q.arg("name"), q.keypairUser())
}

func listKeypairs(q *call) (any, error) {
	out := []doc{}
	for _, o := range q.with("keypair", "user_id", q.keypairUser()) {
		out = append(out, doc{"keypair": o.doc.public()})
	}
	return doc{"keypairs": out}, nil
}

func createKeypair(q *call) (any, error) {
	in, err := q.input("keypair")
	if err != nil {
		return nil, err
	}
	name, user := in.str("name"), cmpOr(in.str("user_id"), q.token.userID)
	id := user + "/" + name
	switch {
	case name == "":
		return nil, badRequest("Invalid input for field/attribute name. Value: . '' is too short")
	case len(strings.Fields(in.str("public_key"))) < 2:
		return nil, badRequest("Keypair data is invalid: failed to generate fingerprint")
	case user != q.token.userID && !q.admin():
		return nil, fail(http.StatusForbidden, "", "Policy doesn't allow os_compute_api:os-keypairs:create to be performed.")
	case q.get("keypair", id) != nil:
		return nil, fail(http.StatusConflict, "", "Key pair '%s' already exists.", name)
	}
	if q.microversion() >= 2 {
		q.status = http.StatusCreated
	}
	o := q.put(&object{kind: "keypair", id: id, doc: doc{
		"name": name, "user_id": user, "public_key": in.str("public_key"), "type": cmpOr(in.str("type"), "ssh"), "created_at": q.now(),
		"fingerprint": uuid.NewMD5(uuid.Nil, []byte(in.str("public_key"))).String(), "id": int(q.seq), "deleted": false,
	}})
	return doc{"keypair": o.doc.public()}, nil
}

func showKeypair(q *call) (any, error) {
	o, err := q.keypair()
	if err != nil {
		return nil, err
	}
	return doc{"keypair": o.doc.public()}, nil
}

func deleteKeypair(q *call) (any, error) {
	o, err := q.keypair()
	if err != nil {
		return nil, err
	}
	if q.microversion() >= 2 {
		q.status = http.StatusNoContent
	}
	q.remove(o)
	return nil, nil
}

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

// matchesPattern is how Nova compares names: as an unanchored regular expression.
func matchesPattern(s, pattern string) bool {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return s == pattern
	}
	return re.MatchString(s)
}
