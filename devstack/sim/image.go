package sim

import (
	"net/http"

	"github.com/google/uuid"
)

func imageRoutes() []route {
	return []route{
		{"GET", "/images", 200, listImages, false},
		{"GET", "/images/{id}", 200, showImage, false},
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
