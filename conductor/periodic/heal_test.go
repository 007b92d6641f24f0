package periodic

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
)

func TestTreat(t *testing.T) {
	ok := circumstances{reached: true, open: true}
	r := rules{after: 5 * time.Minute, share: 34, perHour: 5}
	ill := func(names ...string) []patient {
		var l []patient
		for _, n := range names {
			l = append(l, patient{name: n, away: time.Hour})
		}
		return l
	}
	for _, tc := range []struct {
		name string
		w    ward
		c    circumstances
		heal string
		says string // part of the words; "": no words at all
	}{
		{"nobody is ill", ward{enabled: true, size: 3}, ok, "", ""},
		{"one of three", ward{enabled: true, size: 3, patients: ill("a")}, ok, "a", "a: to be healed"},
		{"not for long enough", ward{enabled: true, size: 3, patients: []patient{{"a", time.Minute, false}}}, ok, "", ""},
		{"not enabled", ward{size: 3, patients: ill("a")}, ok, "", ""},
		{"not enabled, but the host is gone", ward{size: 3, patients: []patient{{"a", 0, true}, {"b", time.Hour, false}}}, ok, "a", "a: to be healed"},
		{"a host that is gone needs no patience", ward{enabled: true, size: 3, patients: []patient{{"a", 0, true}}}, ok, "a", "a: to be healed"},
		{"the API is away", ward{enabled: true, size: 3, patients: ill("a")}, circumstances{open: true}, "", "does not answer"},
		{"the window is closed", ward{enabled: true, size: 3, patients: ill("a")}, circumstances{reached: true}, "", "window is closed"},
		{"an operation runs", ward{enabled: true, size: 3, busy: ops.NodeGroupResize, patients: ill("a")}, ok, "", "nodegroup.resize is under way"},
		{"a share at once", ward{enabled: true, size: 10, patients: ill("a", "b", "c", "d")}, ok, "a b c", "d: afterwards"},
		{"always one", ward{enabled: true, size: 2, patients: ill("a", "b")}, ok, "a", "b: afterwards"},
		{"the longest away first", ward{enabled: true, size: 2, patients: []patient{{"a", 10 * time.Minute, false}, {"b", time.Hour, false}}}, ok, "b", "b: to be healed; a: afterwards"},
		{"five an hour", ward{enabled: true, size: 10, healed: 4, patients: ill("a", "b")}, ok, "a", "a: to be healed"},
		{"not a sixth", ward{enabled: true, size: 10, healed: 5, patients: ill("a")}, ok, "", "5 nodes of the group were healed"},
		{"one of three control planes", ward{controlPlane: true, enabled: true, size: 3, patients: ill("a")}, ok, "a", "a: to be healed"},
		{"two of three control planes", ward{controlPlane: true, enabled: true, size: 3, patients: ill("a", "b")}, ok, "", "etcd needs 2"},
		{"a quorum counts those that are ill only just now", ward{controlPlane: true, enabled: true, size: 3, patients: append(ill("a"), patient{"b", time.Second, false})}, ok, "", "1 of 3 control planes"},
		{"two of five control planes", ward{controlPlane: true, enabled: true, size: 5, patients: ill("a", "b")}, ok, "a", "b: afterwards"},
		{"the only control plane", ward{controlPlane: true, enabled: true, size: 1, patients: ill("a")}, ok, "", "0 of 1 control planes"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := treat(tc.w, tc.c, r)
			if want := strings.Fields(tc.heal); !slices.Equal(got.heal, want) {
				t.Errorf("heals %v, want %v", got.heal, want)
			}
			if (tc.says == "") != (got.words == "") || !strings.Contains(got.words, tc.says) {
				t.Errorf("says %q, want something with %q", got.words, tc.says)
			}
		})
	}
}

// TestWordsChangeWithTheDecisionOnly: a decision is an event when it changes, not at every look.
func TestWordsChangeWithTheDecisionOnly(t *testing.T) {
	r := rules{after: time.Minute, share: 34, perHour: 5}
	at := func(away time.Duration) string {
		return treat(ward{enabled: true, size: 3, patients: []patient{{"a", away, false}, {"b", away, false}}}, circumstances{reached: true}, r).words
	}
	if a, b := at(2*time.Minute), at(20*time.Minute); a == "" || a != b {
		t.Errorf("%q, later %q", a, b)
	}
}
