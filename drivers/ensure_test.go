package drivers

import (
	"context"
	"errors"
	"testing"
)

// memLedger is a ledger that can be told to die before a write is recorded.
type memLedger struct {
	rows map[string]Resource
	die  string // name of the write that fails
}

var errDied = errors.New("died")

func (m *memLedger) Find(kind, name string) (Resource, bool) {
	r, ok := m.rows[kind+name]
	return r, ok
}

func (m *memLedger) All() []Resource { return nil }

func (m *memLedger) Intend(_ context.Context, r Resource) (Resource, error) {
	if m.die == "intend" {
		return r, errDied
	}
	if old, ok := m.rows[r.Kind+r.Name]; ok {
		return old, nil
	}
	m.rows[r.Kind+r.Name] = r
	return r, nil
}

func (m *memLedger) Confirm(_ context.Context, kind, name, id string, attrs map[string]string) error {
	if m.die == "confirm" {
		return errDied
	}
	m.rows[kind+name] = Resource{Kind: kind, Name: name, ID: id, Attrs: attrs}
	return nil
}

func (m *memLedger) Forget(_ context.Context, kind, name string) error {
	delete(m.rows, kind+name)
	return nil
}

// world is a cloud with objects of one name.
type world struct {
	objects []string
	creates int
	lost    bool // the next answer to a create is lost
}

func (w *world) object() Object {
	return Object{Kind: KindPort, Name: "p",
		Find: func(context.Context) ([]Found, error) {
			var l []Found
			for _, id := range w.objects {
				l = append(l, Found{ID: id})
			}
			return l, nil
		},
		Create: func(context.Context) (Found, error) {
			w.creates++
			id := string(rune('a' + w.creates - 1))
			w.objects = append(w.objects, id)
			if w.lost {
				w.lost = false
				return Found{}, errors.New("the answer was lost")
			}
			return Found{ID: id}, nil
		},
		Delete: func(_ context.Context, id string) error {
			for i, x := range w.objects {
				if x == id {
					w.objects = append(w.objects[:i], w.objects[i+1:]...)
				}
			}
			return nil
		}}
}

func TestEnsureMakesOneObjectWhateverDies(t *testing.T) {
	for _, tc := range []struct {
		name  string
		die   string
		lost  bool
		extra int // objects that are there beside ours: an earlier bug made two
	}{
		{"nothing dies", "", false, 0},
		{"before the intent", "intend", false, 0},
		{"after the create, before the record", "confirm", false, 0},
		{"answer lost", "", true, 0},
		{"answer lost and a duplicate", "", true, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ctx := context.Background()
			l, w := &memLedger{rows: map[string]Resource{}, die: tc.die}, &world{lost: tc.lost}
			_, _ = Ensure(ctx, l, w.object())
			for range tc.extra {
				w.objects = append(w.objects, "z")
			}
			l.die = ""
			r, err := Ensure(ctx, l, w.object())
			if err != nil {
				t.Fatal(err)
			}
			if len(w.objects) != 1 || w.objects[0] != r.ID || w.creates != 1 {
				t.Errorf("objects %v after %d creates, recorded %q", w.objects, w.creates, r.ID)
			}
			if _, err := Ensure(ctx, l, w.object()); err != nil || w.creates != 1 {
				t.Errorf("a second run created again: %d creates, %v", w.creates, err)
			}
		})
	}
}
