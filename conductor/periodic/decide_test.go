package periodic

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
)

// TestCertificatesAreRenewed: in time, within the window, and without it when there is little left. A snapshot's own clock
// stands at 1970-01-01 00:00 here.
func TestCertificatesAreRenewed(t *testing.T) {
	const day = 24 * time.Hour
	closed := db.RawJSON(`{"windows":[{"time":"12:00","duration":60}]}`)
	for _, tc := range []struct {
		name    string
		left    time.Duration
		window  db.RawJSON
		renewed bool
		asks    bool
		warns   string
	}{
		{"plenty of time", 200 * day, nil, false, false, ""},
		{"two months", 59 * day, nil, false, true, ""},
		{"the window is closed", 59 * day, closed, false, false, ""},
		{"tried today", 59 * day, nil, true, false, ""},
		{"a month", 29 * day, nil, true, false, "run out on 1970-01-30"},
		{"a month, with the window closed", 29 * day, closed, false, true, "run out on 1970-01-30"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := &db.Snapshot{Cluster: &db.Cluster{UUID: "c", Status: ops.UpdateComplete, Maintenance: tc.window}}
			end := s.Now().Add(tc.left)
			v := sight{api: "ok", reached: true, certificates: ops.Certificates{Begin: end.Add(-365 * day), End: end}}
			d := decider{renewed: tc.renewed, newUUID: func() string { return "o" }}
			if err := d.onHealth(s, v); err != nil {
				t.Fatal(err)
			}
			asked := slices.ContainsFunc(s.Operations, func(o *db.Operation) bool { return o.Kind == string(ops.ClusterRenewCertificates) })
			if asked != tc.asks {
				t.Errorf("asked for: %v", asked)
			}
			if got := s.Cluster.HealthStatusReason["certificates"]; (got == "") != (tc.warns == "") || !strings.Contains(got, tc.warns) {
				t.Errorf("warns with %q", got)
			}
			if *s.Cluster.HealthStatus != healthy {
				t.Errorf("the cluster is %s", *s.Cluster.HealthStatus)
			}
		})
	}
}

// TestTheEndOfAnAuthorityIsTold: only its owner can have it replaced, since every client has to hear of the new one.
func TestTheEndOfAnAuthorityIsTold(t *testing.T) {
	s := &db.Snapshot{Cluster: &db.Cluster{UUID: "c", Status: ops.UpdateComplete}}
	const day = 24 * time.Hour
	v := sight{api: "ok", reached: true, certificates: ops.Certificates{Begin: s.Now(), End: s.Now().Add(365 * day), AuthorityBegin: s.Now().Add(-3650 * day), AuthorityEnd: s.Now().Add(89 * day)}}
	d := decider{newUUID: func() string { return "o" }}
	for range 2 {
		if err := d.onHealth(s, v); err != nil {
			t.Fatal(err)
		}
	}
	if got := s.Cluster.HealthStatusReason["certificate_authority"]; !strings.Contains(got, "1970-03-31") || !strings.Contains(got, "ca rotate") {
		t.Errorf("warns with %q", got)
	}
	if len(s.Operations) > 0 || len(s.Events) != 1 {
		t.Errorf("%d operations, %d events", len(s.Operations), len(s.Events))
	}
}
