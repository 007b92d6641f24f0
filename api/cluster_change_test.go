package api

import "testing"

func TestChanged(t *testing.T) {
	for _, tc := range []struct {
		name          string
		before, after any
		changed       bool
	}{
		{"a number in two forms", 3, 3.0, false},
		{"another number", 3, 4.0, true},
		{"the same labels", map[string]any{"a": "1", "b": "2"}, map[string]any{"b": "2", "a": "1"}, false},
		{"labels that read alike", map[string]any{"a": "b c:d"}, map[string]any{"a": "b", "c": "d"}, true},
		{"taints that read alike", []any{"a b"}, []any{"a", "b"}, true},
		{"nothing", nil, nil, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if l := changed(map[string]any{"x": tc.before}, map[string]any{"x": tc.after}); (len(l) == 1) != tc.changed {
				t.Errorf("changed: %v", l)
			}
		})
	}
}
