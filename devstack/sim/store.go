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
}

func (s *store) table(kind string) *table {
	t := s.tables[kind]
	if t == nil {
		if s.tables == nil {
			s.tables = map[string]*table{}
		}
		t = &table{rows: map[string]*object{}}
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
	if i, there := slices.BinarySearchFunc(t.order, o.seq, func(x *object, seq uint64) int { return cmp.Compare(x.seq, seq) }); there {
		t.order = slices.Delete(t.order, i, i+1)
	}
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
	return s.find(kind, func(o *object) bool { return o.doc.str(field) == value })
}

// count counts what a project has of a kind.
func (s *store) count(kind, project string) int {
	n := 0
	for _, o := range s.table(kind).order {
		if o.project == project {
			n++
		}
	}
	return n
}
