package api

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

// TestServices: one row per conductor, numbered from one; of one that is silent for too long it says so.
func TestServices(t *testing.T) {
	b := newBed(t)
	if l := b.admin.want(200, "GET", "/v1/mservices", nil).list("mservices"); len(l) != 0 {
		t.Errorf("before there is any: %v", l)
	}
	b.work()
	var l []object
	testenv.Eventually(t, patience, "a conductor to report", func() bool {
		l = b.admin.at("").want(200, "GET", "/v1/mservices/", nil).list("mservices")
		return len(l) > 0
	})
	row := l[0]
	want := object{"id": 1.0, "host": row["host"], "binary": "magnum-conductor", "state": "up", "report_count": row["report_count"], "disabled": false, "disabled_reason": nil,
		"created_at": row["created_at"], "updated_at": row["updated_at"]}
	if d := cmp.Diff([]object{want}, l); d != "" || row["report_count"].(float64) < 1 || row["host"] == "" || row["created_at"] == nil {
		t.Errorf("%v (-want +got):\n%s", row, d)
	}
	b.server.Defaults.ServiceDownTime = 0
	if l := b.admin.want(200, "GET", "/v1/mservices", nil).list("mservices"); l[0]["state"] != "down" {
		t.Errorf("it is not down: %v", l)
	}
}
