package sim

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// metalListing is how Ironic lists a collection.
type metalListing struct {
	kind, collection string
	plain            []string // fields without detail; nil: all
	since            map[string]int
	match            map[string]func(o *object, value string) bool // what may be asked for
	sees             func(*object) bool
	render           func(*object) doc
}

// listMetal answers with a page. Unlike others, Ironic refuses parameters that it does not know, and a full page has a
// link to the next one even when nothing follows.
func (q *call) listMetal(l metalListing, detail bool) (any, error) {
	fields, err := q.metalFields(l, detail)
	if err != nil {
		return nil, err
	}
	for key, values := range q.query {
		if slices.Contains([]string{"limit", "marker", "sort_key", "sort_dir", "fields", "detail"}, key) {
			continue
		}
		if l.match[key] == nil {
			return nil, badRequest("Unexpected arguments: %s", key)
		}
		if err := q.since(l.since[key]); err != nil {
			return nil, err
		}
		if strictFlags[key] {
			if err := checkFlag(key, values[0]); err != nil {
				return nil, err
			}
		}
	}
	if key := q.query.Get("sort_key"); slices.Contains([]string{"properties", "driver_info", "extra", "instance_info", "driver_internal_info", "clean_step", "deploy_step", "raid_config", "target_raid_config", "traits", "network_data", "candidate_nodes", "internal_info", "local_link_connection"}, key) {
		return nil, badRequest("The sort_key value %s is an invalid field for sorting", key)
	}
	rows := q.find(l.kind, func(o *object) bool {
		for key, values := range q.query {
			if match := l.match[key]; match != nil && !match(o, values[0]) {
				return false
			}
		}
		return l.sees(o)
	})
	q.sort(listing{}, rows)
	rows, next, err := q.metalPage(l, rows)
	if err != nil {
		return nil, err
	}
	out := []doc{}
	for _, o := range rows {
		out = append(out, only(l.render(o), fields))
	}
	return ironicPage(l.collection, out, next), nil
}

// strictFlags are the filters that are true or false.
var strictFlags = map[string]bool{"associated": true, "maintenance": true, "retired": true, "sharded": true}

func isFlag(s string) bool {
	return slices.Contains([]string{"0", "1", "f", "false", "n", "no", "off", "on", "t", "true", "y", "yes"}, strings.ToLower(s))
}

func checkFlag(name, value string) error {
	if isFlag(value) {
		return nil
	}
	return badRequest("Invalid %s: Unrecognized value '%s', acceptable values are: '0', '1', 'f', 'false', 'n', 'no', 'off', 'on', 't', 'true', 'y', 'yes'", name, value)
}

func isTrue(s string) bool {
	return slices.Contains([]string{"1", "t", "true", "on", "y", "yes"}, strings.ToLower(s))
}

// metalFields reads which fields are wanted; nil: all.
func (q *call) metalFields(l metalListing, detail bool) ([]string, error) {
	asked := q.query.Get("fields")
	switch {
	case asked != "" && (detail || isTrue(q.query.Get("detail"))):
		return nil, badRequest("Can not specify ?detail=True and fields in the same request.")
	case detail || isTrue(q.query.Get("detail")):
		return nil, nil
	case asked == "":
		return l.plain, nil
	}
	fields := strings.Split(asked, ",")
	for _, f := range fields {
		if l.kind == "node" && (!isNodeField(f) || slices.Contains([]string{"allocation_uuid", "chassis_uuid", "conductor"}, f)) {
			// what is no column of the table, Ironic of this age stumbles over
			return nil, fail(http.StatusInternalServerError, "", "type object 'Node' has no attribute '%s'", f)
		}
	}
	return fields, q.validFields(l.kind, fields)
}

// validFields refuses fields that there are not, and those of later versions.
func (q *call) validFields(kind string, fields []string) error {
	for _, f := range fields {
		switch kind {
		case "node":
			if err := q.since(nodeFieldSince[f]); err != nil {
				return err
			}
			if !isNodeField(f) {
				return badRequest("Field %s is not a valid field.", f)
			}
		case metalPorts.kind, metalPortgroups.kind:
			k := map[string]nicKind{metalPorts.kind: metalPorts, metalPortgroups.kind: metalPortgroups}[kind]
			if !slices.Contains(append([]string{"uuid", "internal_info", "created_at", "updated_at"}, k.fields...), f) {
				return badRequest("Field(s) \"%s\" are not valid", f)
			}
		}
	}
	return nil
}

// only keeps the wanted fields, and the links.
func only(d doc, fields []string) doc {
	if fields == nil {
		return d
	}
	out := doc{}
	for key, value := range d {
		if key == "links" || slices.Contains(fields, key) {
			out[key] = value
		}
	}
	return out
}

const metalPageSize = 1000

func (q *call) metalPage(l metalListing, rows []*object) ([]*object, string, error) {
	if marker := q.query.Get("marker"); marker != "" {
		i := slices.IndexFunc(rows, func(o *object) bool { return o.id == marker })
		if i < 0 {
			return nil, "", fail(http.StatusNotFound, "", "%s %s could not be found.", strings.ToUpper(l.kind[:1])+l.kind[1:], marker)
		}
		rows = rows[i+1:]
	}
	limit := metalPageSize
	if s := q.query.Get("limit"); s != "" {
		limit = min(limit, doc{"limit": s}.num("limit"))
		if limit <= 0 {
			return nil, "", badRequest("Limit must be positive")
		}
	}
	if len(rows) < limit || q.query.Get("instance_uuid") != "" {
		return rows, "", nil
	}
	rows = rows[:limit]
	rest := url.Values{}
	for key, values := range q.query {
		rest[key] = values
	}
	rest.Set("limit", text(limit))
	rest.Set("marker", rows[limit-1].id)
	return rows, q.url + q.r.URL.Path + "?" + rest.Encode(), nil
}
