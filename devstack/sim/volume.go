package sim

import "net/http"

func volumeRoutes() []route {
	return []route{
		{"GET", "/volumes", 200, listVolumes, false},
		{"GET", "/volumes/detail", 200, listVolumes, false},
		{"POST", "/volumes", 202, createVolume, false},
		{"GET", "/volumes/{id}", 200, showVolume, false},
		{"PUT", "/volumes/{id}", 200, updateVolume, false},
		{"DELETE", "/volumes/{id}", 202, deleteVolume, false},
		{"POST", "/volumes/{id}/action", 202, extendVolume, false},
		{"GET", "/snapshots", 200, listSnapshots, false},
		{"GET", "/snapshots/detail", 200, listSnapshots, false},
		{"POST", "/snapshots", 202, createSnapshot, false},
		{"GET", "/snapshots/{id}", 200, showSnapshot, false},
		{"DELETE", "/snapshots/{id}", 202, deleteSnapshot, false},
		{"GET", "/types", 200, listVolumeTypes, false},
		{"POST", "/types", 200, createVolumeType, false},
		{"GET", "/types/{id}", 200, showVolumeType, false},
		{"DELETE", "/types/{id}", 202, deleteVolumeType, false},
		{"GET", "/os-quota-sets/{project}", 200, showVolumeQuota, false},
		{"PUT", "/os-quota-sets/{project}", 200, setVolumeQuota, false},
		{"GET", "/os-availability-zone", 200, func(*call) (any, error) {
			out := []doc{}
			for _, name := range zones() {
				out = append(out, doc{"zoneName": name, "zoneState": doc{"available": true}})
			}
			return doc{"availabilityZoneInfo": out}, nil
		}, false},
	}
}

// defaultVolumeType is that of volumes which name none.
const defaultVolumeType = "ssd"

func (c *Cloud) seedVolumes() {
	for _, name := range []string{defaultVolumeType, "hdd"} {
		c.newVolumeType(name)
	}
}

func (c *Cloud) newVolumeType(name string) *object {
	return c.add("volume_type", "", doc{"name": name, "description": nil, "is_public": true, "os-volume-type-access:is_public": true, "extra_specs": doc{}, "qos_specs_id": nil, "shared": true})
}

func createVolumeType(q *call) (any, error) {
	in, err := q.input("volume_type")
	if err != nil {
		return nil, err
	}
	if !q.admin() {
		return nil, fail(http.StatusForbidden, "", "Policy doesn't allow volume_extension:type_create to be performed.")
	}
	if q.volumeType(in.str("name")) != nil {
		return nil, fail(http.StatusConflict, "", "Volume Type %s already exists.", in.str("name"))
	}
	return doc{"volume_type": typeView(q.newVolumeType(in.str("name")))}, nil
}

func deleteVolumeType(q *call) (any, error) {
	if !q.admin() {
		return nil, fail(http.StatusForbidden, "", "Policy doesn't allow volume_extension:type_delete to be performed.")
	}
	o := q.volumeType(q.arg("id"))
	if o == nil {
		return nil, fail(http.StatusNotFound, "", "Volume type with id %s could not be found.", q.arg("id"))
	}
	q.remove(o)
	return nil, nil
}

// volumeType finds one by name or id.
func (c *Cloud) volumeType(name string) *object {
	return c.first("volume_type", func(o *object) bool { return o.id == name || o.name() == name })
}

func typeView(o *object) doc {
	out := o.doc.public()
	delete(out, "shared")
	return out
}

func listVolumeTypes(q *call) (any, error) {
	return q.list(listing{kind: "volume_type", collection: "volume_types", render: typeView})
}

func showVolumeType(q *call) (any, error) {
	if q.arg("id") == "default" {
		return doc{"volume_type": typeView(q.volumeType(defaultVolumeType))}, nil
	}
	if o := q.volumeType(q.arg("id")); o != nil {
		return doc{"volume_type": typeView(o)}, nil
	}
	return nil, fail(http.StatusNotFound, "", "Volume type with id %s could not be found.", q.arg("id"))
}

func listVolumes(q *call) (any, error) {
	all := q.admin() && q.query.Has("all_tenants")
	return q.list(listing{kind: "volume", collection: "volumes", sees: func(o *object) bool { return all || o.project == q.project() },
		filters: map[string]func(*object, string) bool{"project_id": func(o *object, value string) bool { return o.project == value }}})
}

// extendVolume is the only action that there is.
func extendVolume(q *call) (any, error) {
	in, err := q.input("os-extend")
	if err != nil {
		return nil, badRequest("There is no such action: %s", q.raw)
	}
	o := q.own("volume", q.arg("id"))
	if o == nil {
		return nil, fail(http.StatusNotFound, "", "Volume %s could not be found.", q.arg("id"))
	}
	size, before, status := in.num("new_size"), o.doc.num("size"), o.doc.str("status")
	switch {
	case status != "available" && status != "in-use":
		return nil, badRequest("Invalid volume: Volume %s status must be available or in-use to extend, currently %s.", o.id, status)
	case size <= before:
		return nil, badRequest("Invalid input received: New size for extend must be greater than current size. (current: %d, extended: %d).", before, size)
	case q.over("gigabytes", o.project, q.gigabytes(o.project), size-before):
		return nil, fail(http.StatusRequestEntityTooLarge, "", "VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes quota.")
	}
	o.doc["status"] = "extending"
	q.after(q.options.Latency.Volume, func() { o.doc["status"], o.doc["size"] = status, size })
	return nil, nil
}

func (c *Cloud) gigabytes(project string) int {
	sum := 0
	for _, v := range c.with("volume", byProject, project) {
		sum += v.doc.num("size")
	}
	return sum
}

func createVolume(q *call) (any, error) {
	in, err := q.input("volume")
	if err != nil {
		return nil, err
	}
	o, err := q.newVolume(in, q.project(), q.token.userID)
	if err != nil {
		return nil, err
	}
	return doc{"volume": o.doc.public()}, nil
}

// newVolume checks the order and lets the volume become available.
func (q *call) newVolume(in doc, project, user string) (*object, error) {
	size := in.num("size")
	kind := q.volumeType(cmpOr(in.str("volume_type"), defaultVolumeType))
	switch {
	case size <= 0:
		return nil, badRequest("Invalid input received: Volume size '%v' must be an integer and greater than 0.", in["size"])
	case kind == nil:
		return nil, fail(http.StatusNotFound, "", "Volume type with name %s could not be found.", in.str("volume_type"))
	case q.over("volumes", project, q.count("volume", project), 1):
		return nil, fail(http.StatusRequestEntityTooLarge, "", "VolumeLimitExceeded: Maximum number of volumes allowed (%d) exceeded for quota 'volumes'.", q.quota(project, "volumes"))
	case q.over("gigabytes", project, q.gigabytes(project), size):
		return nil, fail(http.StatusRequestEntityTooLarge, "", "VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes quota. Requested %dG, quota is %dG and %dG has been consumed.",
			size, q.quota(project, "gigabytes"), q.gigabytes(project))
	}
	metadata := in.sub("metadata")
	if metadata == nil {
		metadata = doc{}
	}
	o := q.add("volume", project, doc{
		"name": in["name"], "description": in["description"], "size": size, "volume_type": kind.name(), "status": "creating", "metadata": metadata,
		"attachments": []doc{}, "availability_zone": cmpOr(in.str("availability_zone"), zones()[0]), "bootable": text(in.str("imageRef") != ""), "encrypted": false,
		"multiattach": false, "replication_status": nil, "snapshot_id": nil, "source_volid": nil, "consistencygroup_id": nil, "user_id": user,
		"created_at": q.clock.Now().Format("2006-01-02T15:04:05.000000"), "updated_at": q.clock.Now().Format("2006-01-02T15:04:05.000000"),
		"os-vol-tenant-attr:tenant_id": project, "links": []doc{}, "_image": in.str("imageRef"),
	})
	q.start(q.options.Latency.Volume, func() {
		if o.doc.str("status") == "creating" {
			o.doc["status"] = "available"
		}
	}, func(string) { o.doc["status"] = "error" })
	return o, nil
}

func (q *call) volumeByID() (*object, error) {
	if o := q.own("volume", q.arg("id")); o != nil {
		return o, nil
	}
	return nil, fail(http.StatusNotFound, "", "Volume %s could not be found.", q.arg("id"))
}

func showVolume(q *call) (any, error) {
	o, err := q.volumeByID()
	if err != nil {
		return nil, err
	}
	return doc{"volume": o.doc.public()}, nil
}

func updateVolume(q *call) (any, error) {
	in, err := q.input("volume")
	if err != nil {
		return nil, err
	}
	o, err := q.volumeByID()
	if err != nil {
		return nil, err
	}
	for _, key := range []string{"name", "description", "metadata"} {
		if in.has(key) {
			o.doc[key] = in[key]
		}
	}
	return doc{"volume": o.doc.public()}, nil
}

func deleteVolume(q *call) (any, error) {
	o, err := q.volumeByID()
	if err != nil {
		return nil, err
	}
	switch status := o.doc.str("status"); {
	case status != "available" && status != "error" && status != "error_deleting", len(q.with("snapshot", "volume_id", o.id)) > 0:
		return nil, badRequest("Invalid volume: Volume status must be available or error or error_restoring or error_extending or error_managing and must not be migrating, attached, belong to a group, have snapshots, awaiting a transfer, or be disassociated from snapshots after volume transfer.")
	}
	o.doc["status"] = "deleting"
	q.start(q.options.Latency.Volume, func() { q.remove(o) }, func(string) { o.doc["status"] = "error_deleting" })
	return nil, nil
}

func showVolumeQuota(q *call) (any, error) {
	project := q.arg("project")
	if project != q.project() && !q.admin() {
		return nil, fail(http.StatusForbidden, "", "Policy doesn't allow volume_extension:quotas:show to be performed.")
	}
	used := map[string]int{"volumes": q.count("volume", project), "gigabytes": q.gigabytes(project), "snapshots": q.count("snapshot", project), "per_volume_gigabytes": 0}
	out := doc{"id": project}
	for name, n := range used {
		out[name] = q.quota(project, name)
		if equals(true, q.query.Get("usage")) {
			out[name] = doc{"limit": q.quota(project, name), "in_use": n, "reserved": 0, "allocated": 0}
		}
	}
	return doc{"quota_set": out}, nil
}

func setVolumeQuota(q *call) (any, error) {
	in, err := q.input("quota_set")
	if err != nil {
		return nil, err
	}
	if !q.admin() {
		return nil, fail(http.StatusForbidden, "", "Policy doesn't allow volume_extension:quotas:update to be performed.")
	}
	q.setQuotas(q.arg("project"), in)
	return showVolumeQuota(q)
}
