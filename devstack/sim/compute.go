package sim

import (
	"net/http"
	"regexp"

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
	for _, s := range c.with("server", byProject, project) {
		flavor := s.doc.sub("_flavor")
		out["instances"]++
		out["cores"] += flavor.num("vcpus")
		out["ram"] += flavor.num("ram")
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

// pattern is how Nova compares names: by an unanchored regular expression, or as they are if it is none.
func pattern(s string) func(string) bool {
	re, err := regexp.Compile(s)
	if err != nil {
		return func(value string) bool { return value == s }
	}
	return re.MatchString
}
