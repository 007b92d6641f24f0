package sim

import (
	"cmp"
	"slices"

	"github.com/google/uuid"
)

// object is a row of the cloud.
type object struct {
	kind    string
	id      string
	project string
	doc     doc
	seeded  bool // was there from the start, or comes by itself
	seq     uint64
}

func (o *object) name() string { return o.doc.str("name") }

// store is everything that the cloud has.
type store struct {
	tables map[string]*table
	seq    uint64
}

type table struct {
	rows  map[string]*object
	order []*object // by seq
	// index finds objects by fields that never change: field, value
	index map[string]map[string][]*object
}

// byProject is the name of the index over object.project.
const byProject = "\x00project"

// indexed are the fields that large clouds are searched by. Only those that are set once and for all may be here.
func indexed(kind string) []string {
	switch kind {
	case "port", "subnet":
		return []string{byProject, "network_id"}
	case "security_group_rule":
		return []string{byProject, "security_group_id"}
	case "server":
		return []string{byProject, "_group"}
	case "baremetal_port", "baremetal_portgroup":
		return []string{"node_uuid"}
	case "listener", "pool":
		return []string{byProject, "_lb"}
	case "member", "health_monitor":
		return []string{byProject, "_lb", "_pool"}
	case "role_assignment":
		return []string{byProject, "user"}
	}
	return []string{byProject}
}

func (o *object) key(field string) string {
	if field == byProject {
		return o.project
	}
	return o.doc.str(field)
}

func (s *store) table(kind string) *table {
	t := s.tables[kind]
	if t == nil {
		if s.tables == nil {
			s.tables = map[string]*table{}
		}
		t = &table{rows: map[string]*object{}, index: map[string]map[string][]*object{}}
		for _, field := range indexed(kind) {
			t.index[field] = map[string][]*object{}
		}
		s.tables[kind] = t
	}
	return t
}

// put adds a new object.
func (s *store) put(o *object) *object {
	s.seq++
	o.seq = s.seq
	t := s.table(o.kind)
	t.rows[o.id] = o
	t.order = append(t.order, o)
	for field, values := range t.index {
		values[o.key(field)] = append(values[o.key(field)], o)
	}
	return o
}

// add makes an object with a new id and puts it.
func (s *store) add(kind, project string, d doc) *object {
	id := d.str("id")
	if id == "" {
		id = uuid.NewString()
		d["id"] = id
	}
	return s.put(&object{kind: kind, id: id, project: project, doc: d})
}

// get returns nil when there is none.
func (s *store) get(kind, id string) *object { return s.table(kind).rows[id] }

func (s *store) remove(o *object) {
	t := s.table(o.kind)
	if t.rows[o.id] != o {
		return
	}
	delete(t.rows, o.id)
	t.order = without(t.order, o)
	for field, values := range t.index {
		key := o.key(field)
		if values[key] = without(values[key], o); len(values[key]) == 0 {
			delete(values, key)
		}
	}
}

// without takes an object out of a list that is sorted by seq.
func without(list []*object, o *object) []*object {
	i, there := slices.BinarySearchFunc(list, o.seq, func(x *object, seq uint64) int { return cmp.Compare(x.seq, seq) })
	if !there {
		return list
	}
	return slices.Delete(list, i, i+1)
}

// alive tells whether the object was not removed in the meantime.
func (s *store) alive(o *object) bool { return s.table(o.kind).rows[o.id] == o }

// find returns the objects that match, oldest first; the result stays valid when objects are removed.
func (s *store) find(kind string, match func(*object) bool) []*object {
	var out []*object
	for _, o := range s.table(kind).order {
		if match(o) {
			out = append(out, o)
		}
	}
	return out
}

// first returns the oldest match or nil.
func (s *store) first(kind string, match func(*object) bool) *object {
	for _, o := range s.table(kind).order {
		if match(o) {
			return o
		}
	}
	return nil
}

// with finds by the value of one field.
func (s *store) with(kind, field, value string) []*object {
	if values, there := s.table(kind).index[field]; there {
		return slices.Clone(values[value])
	}
	return s.find(kind, func(o *object) bool { return o.doc.str(field) == value })
}

// count counts what a project has of a kind.
func (s *store) count(kind, project string) int { return len(s.table(kind).index[byProject][project]) }
