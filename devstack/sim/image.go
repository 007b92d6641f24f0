package sim

import (
	"net/http"

	"github.com/google/uuid"
)

func imageRoutes() []route {
	return []route{
		{"GET", "/images", 200, listImages, false},
		{"GET", "/images/{id}", 200, showImage, false},
		{"GET", "/schemas/image", 200, imageSchema, false},
	}
}

func (c *Cloud) seedImages() {
	owner := c.with("project", "name", "admin")[0].id
	for _, i := range c.options.Images {
		properties := doc{}
		d := doc{
			"id": cmpOr(i.ID, uuid.NewString()), "name": i.Name, "status": "active", "visibility": "public", "owner": owner, "protected": false, "os_hidden": false,
			"min_disk": i.MinDisk, "min_ram": i.MinRAM, "container_format": "bare", "disk_format": "qcow2", "size": 1 << 30, "virtual_size": 4 << 30, "checksum": hexID(),
			"tags": []string{}, "created_at": c.now(), "updated_at": c.now(), "schema": "/v2/schemas/image", "_properties": properties,
		}
		for key, value := range i.Properties {
			properties[key], d[key] = value, value
		}
		id := d.str("id")
		d["self"], d["file"] = "/v2/images/"+id, "/v2/images/"+id+"/file"
		c.add("image", owner, d).doc["shared"] = true
	}
}

func imageView(o *object) doc {
	out := o.doc.public()
	delete(out, "shared")
	return out
}

func listImages(q *call) (any, error) {
	return q.list(listing{kind: "image", collection: "images", render: imageView, filters: map[string]func(*object, string) bool{
		"member_status": func(*object, string) bool { return true },
		"tag":           func(o *object, value string) bool { return equals(o.doc.strs("tags"), value) },
	}})
}

func showImage(q *call) (any, error) {
	if o := q.seen("image", q.arg("id")); o != nil {
		return imageView(o), nil
	}
	return nil, fail(http.StatusNotFound, "", "No image found with ID %s", q.arg("id"))
}

// imageSchema says what an image's attributes are. Glance's Python client does not list images before it has read it.
func imageSchema(*call) (any, error) {
	properties := doc{}
	for kind, names := range map[string][]string{
		"string":  {"id", "name", "status", "visibility", "owner", "container_format", "disk_format", "checksum", "created_at", "updated_at", "self", "file", "schema"},
		"integer": {"min_disk", "min_ram", "size", "virtual_size"}, "boolean": {"protected", "os_hidden"}, "array": {"tags"},
	} {
		for _, name := range names {
			properties[name] = doc{"type": []string{"null", kind}}
		}
	}
	return doc{"name": "image", "properties": properties, "additionalProperties": doc{"type": "string"},
		"links": []doc{{"rel": "self", "href": "{self}"}, {"rel": "enclosure", "href": "{file}"}, {"rel": "describedby", "href": "{schema}"}}}, nil
}
