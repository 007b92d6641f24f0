package cluster

import (
	"slices"
	"testing"
)

// TestMarksFrom: what a later command of a rotation has restarted was restarted by the earlier ones too.
func TestMarksFrom(t *testing.T) {
	for _, tc := range []struct {
		name, command string
		want          []string
	}{
		{"the first", "trust", []string{"r-trust", "r-issue", "r-drop"}},
		{"in between", "issue", []string{"r-issue", "r-drop"}},
		{"the last", "drop", []string{"r-drop"}},
		{"of another operation", "renew", []string{"r-renew"}},
	} {
		if got := marksFrom("r", tc.command); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %v, expected %v", tc.name, got, tc.want)
		}
	}
}
