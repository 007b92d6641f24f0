package sim

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
)

// notFilters are query parameters that say how a list is to look.
var notFilters = []string{
	"limit", "marker", "sort_key", "sort_dir", "sort", "fields", "page_reverse", "all_tenants", "all_projects", "deleted",
	"tags", "tags-any", "not-tags", "not-tags-any", "offset", "is_public", "with_count", "nocache", "visibility",
}

// listing is how one collection is listed.
type listing struct {
	kind, collection string
	sees             func(*object) bool // nil: call.sees
	render           func(*object) doc  // nil: doc.public
	// filters know better than comparing the field of that name
	filters map[string]func(o *object, value string) bool
	byID    bool // sorted by id, as Neutron does
}

// list answers with a page of a collection.
func (q *call) list(l listing) (any, error) {
	if l.sees == nil {
		l.sees = q.sees
	}
	if l.render == nil {
		l.render = func(o *object) doc { return o.doc.public() }
	}
	rows := q.find(l.kind, func(o *object) bool { return l.sees(o) && q.matches(l, o) })
	q.sort(l, rows)
	rows, next, err := q.page(rows)
	if err != nil {
		return nil, err
	}
	out := make([]doc, 0, len(rows))
	for _, o := range rows {
		out = append(out, q.fields(l.render(o)))
	}
	return q.svc.paged(l.collection, out, next), nil
}

func (q *call) matches(l listing, o *object) bool {
	for key, values := range q.query {
		if slices.Contains(notFilters, key) {
			continue
		}
		match := func(value string) bool { return equals(o.doc[key], value) }
		if special := l.filters[key]; special != nil {
			match = func(value string) bool { return special(o, value) }
		}
		if !slices.ContainsFunc(values, match) {
			return false
		}
	}
	return matchTags(q.query, o.doc.strs("tags"))
}

func equals(v any, value string) bool {
	switch v := v.(type) {
	case bool:
		return strings.EqualFold(text(v), value)
	case []string:
		return slices.Contains(v, value)
	case []any:
		return slices.ContainsFunc(v, func(x any) bool { return text(x) == value })
	}
	return text(v) == value
}

// matchTags is the same in all services that have tags.
func matchTags(query url.Values, tags []string) bool {
	all := func(list string) bool {
		for tag := range strings.SplitSeq(list, ",") {
			if !slices.Contains(tags, tag) {
				return false
			}
		}
		return true
	}
	some := func(list string) bool {
		return slices.ContainsFunc(strings.Split(list, ","), func(tag string) bool { return slices.Contains(tags, tag) })
	}
	for _, rule := range []struct {
		key   string
		match func(string) bool
		want  bool
	}{{"tags", all, true}, {"tags-any", some, true}, {"not-tags", all, false}, {"not-tags-any", some, false}} {
		for _, value := range query[rule.key] {
			if rule.match(value) != rule.want {
				return false
			}
		}
	}
	return true
}

func (q *call) sort(l listing, rows []*object) {
	key, descending := q.query.Get("sort_key"), q.query.Get("sort_dir") == "desc"
	if s := q.query.Get("sort"); s != "" {
		first, _, _ := strings.Cut(s, ",")
		name, dir, _ := strings.Cut(first, ":")
		key, descending = name, dir == "desc"
	}
	switch {
	case key != "":
		slices.SortStableFunc(rows, func(a, b *object) int {
			return cmp.Or(cmp.Compare(text(a.doc[key]), text(b.doc[key])), cmp.Compare(a.seq, b.seq))
		})
		if descending {
			slices.Reverse(rows)
		}
	case l.byID:
		slices.SortFunc(rows, func(a, b *object) int { return cmp.Compare(a.id, b.id) })
	case q.svc.newest:
		slices.Reverse(rows)
	}
}

// page cuts the rows to what was asked for and tells where the rest is.
func (q *call) page(rows []*object) ([]*object, string, error) {
	query := q.query
	if marker := query.Get("marker"); marker != "" {
		i := slices.IndexFunc(rows, func(o *object) bool { return o.id == marker })
		if i < 0 {
			return nil, "", badRequest("marker [%s] not found", marker)
		}
		rows = rows[i+1:]
	}
	offset := doc{"offset": query.Get("offset")}.num("offset")
	if offset > 0 {
		rows = rows[min(offset, len(rows)):]
	}
	limit := doc{"limit": query.Get("limit")}.num("limit")
	if limit < 0 {
		return nil, "", badRequest("Invalid input for field/attribute limit. Value: %d. %d is less than the minimum of 0", limit, limit)
	}
	if limit == 0 || q.svc.page > 0 && limit > max(q.svc.page, 1000) {
		limit = q.svc.page
	}
	if limit == 0 || len(rows) <= limit {
		return rows, "", nil
	}
	rows = rows[:limit]
	rest := url.Values{}
	for key, values := range query {
		rest[key] = values
	}
	rest.Set("limit", text(limit))
	if q.svc.kind == "key-manager" {
		rest.Set("offset", text(offset+limit))
	} else {
		rest.Set("marker", rows[limit-1].id)
	}
	next := q.r.URL.Path + "?" + rest.Encode()
	if q.svc.kind == "image" {
		return rows, strings.TrimPrefix(next, "/image"), nil // Glance's are relative to its endpoint
	}
	return rows, q.url + next, nil
}

// fields keeps only those that were asked for.
func (q *call) fields(d doc) doc {
	wanted := q.query["fields"]
	if len(wanted) == 0 {
		return d
	}
	out := doc{}
	for _, list := range wanted {
		for key := range strings.SplitSeq(list, ",") {
			if v, there := d[key]; there {
				out[key] = v
			}
		}
	}
	return out
}
