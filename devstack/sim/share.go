package sim

func shareRoutes() []route {
	return []route{
		{"GET", "/types", 200, func(q *call) (any, error) {
			return q.list(listing{kind: "share_type", collection: "share_types", render: func(o *object) doc {
				out := o.doc.public()
				delete(out, "shared")
				return out
			}})
		}, false},
	}
}

// seedShares makes a type of each sort: one whose shares are on servers of the operator's, one with servers of their own.
func (c *Cloud) seedShares() {
	for name, own := range map[string]string{"nfs": "False", "generic": "True"} {
		specs := doc{"driver_handles_share_servers": own}
		c.add("share_type", "", doc{"name": name, "description": nil, "is_default": name == "nfs", "share_type_access:is_public": true, "required_extra_specs": specs, "extra_specs": specs, "shared": true})
	}
}
