// Package wire is how things look in answers: one view per resource, by microversion. It is pure.
package wire

import (
	"maps"
	"time"

	"github.com/jeroboam-cloud/jeroboam/db"
)

// Link is a self or bookmark link.
type Link struct {
	HREF string `json:"href"`
	Rel  string `json:"rel"`
}

// Links of a member: base is the application's URL without a trailing slash, path is `clusters/<uuid>`.
func Links(base, path string) []Link {
	return []Link{{base + "/v1/" + path, "self"}, {base + "/" + path, "bookmark"}}
}

// Time is a moment as Magnum shows it: ISO 8601, seconds, with offset.
func Time(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05+00:00") }

func timeOrNull(t *time.Time) *string {
	if t == nil || t.IsZero() {
		return nil
	}
	s := Time(*t)
	return &s
}

func strings(m db.Strings) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

func list(l []string) []string {
	if l == nil {
		return []string{}
	}
	return l
}

// Diff compares labels with those of the parent (template or cluster): overridden shows the parent's value.
func Diff(own, parent db.Strings) (overridden, added, skipped map[string]string) {
	overridden, added, skipped = map[string]string{}, maps.Clone(strings(own)), map[string]string{}
	for k, v := range parent {
		mine, ok := own[k]
		delete(added, k)
		switch {
		case !ok:
			skipped[k] = v
		case mine != v:
			overridden[k] = v
		}
	}
	return overridden, added, skipped
}
