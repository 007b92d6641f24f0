package sim

import "net/http"

func listSnapshots(q *call) (any, error) {
	all := q.admin() && q.query.Has("all_tenants")
	return q.list(listing{kind: "snapshot", collection: "snapshots", sees: func(o *object) bool { return all || o.project == q.project() },
		filters: map[string]func(*object, string) bool{"project_id": func(o *object, value string) bool { return o.project == value }}})
}

func createSnapshot(q *call) (any, error) {
	in, err := q.input("snapshot")
	if err != nil {
		return nil, err
	}
	volume := q.own("volume", in.str("volume_id"))
	switch {
	case volume == nil:
		return nil, fail(http.StatusNotFound, "", "Volume %s could not be found.", in.str("volume_id"))
	case volume.doc.str("status") != "available" && !in.flag("force", false):
		return nil, badRequest("Invalid volume: Volume %s status must be available, but current status is: %s.", volume.id, volume.doc.str("status"))
	case q.over("snapshots", volume.project, q.count("snapshot", volume.project), 1):
		return nil, fail(http.StatusRequestEntityTooLarge, "", "SnapshotLimitExceeded: Maximum number of snapshots allowed (%d) exceeded", q.quota(volume.project, "snapshots"))
	}
	metadata := in.sub("metadata")
	if metadata == nil {
		metadata = doc{}
	}
	at := q.clock.Now().Format("2006-01-02T15:04:05.000000")
	o := q.add("snapshot", volume.project, doc{"name": in["name"], "description": in["description"], "volume_id": volume.id, "size": volume.doc["size"], "status": "creating",
		"metadata": metadata, "created_at": at, "updated_at": at, "os-extended-snapshot-attributes:progress": "0%", "os-extended-snapshot-attributes:project_id": volume.project})
	q.start(q.options.Latency.Volume, func() { o.doc["status"], o.doc["os-extended-snapshot-attributes:progress"] = "available", "100%" },
		func(string) { o.doc["status"] = "error" })
	return doc{"snapshot": o.doc.public()}, nil
}

func (q *call) snapshotByID() (*object, error) {
	if o := q.own("snapshot", q.arg("id")); o != nil {
		return o, nil
	}
	return nil, fail(http.StatusNotFound, "", "Snapshot %s could not be found.", q.arg("id"))
}

func showSnapshot(q *call) (any, error) {
	o, err := q.snapshotByID()
	if err != nil {
		return nil, err
	}
	return doc{"snapshot": o.doc.public()}, nil
}

func deleteSnapshot(q *call) (any, error) {
	o, err := q.snapshotByID()
	if err != nil {
		return nil, err
	}
	switch o.doc.str("status") {
	case "available", "error", "error_deleting":
	default:
		return nil, badRequest("Invalid snapshot: Snapshot status must be available or error.")
	}
	o.doc["status"] = "deleting"
	q.start(q.options.Latency.Volume, func() { q.remove(o) }, func(string) { o.doc["status"] = "error_deleting" })
	return nil, nil
}
