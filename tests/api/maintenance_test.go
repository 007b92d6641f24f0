package api

import (
	"strings"
	"testing"
)

func TestMaintenance(t *testing.T) {
	b := newBed(t)
	id := b.one.cluster(b.one.template(nil), nil)
	path := "/v1/clusters/" + id + "/maintenance"
	if m := b.one.want(200, "GET", path, nil).json(); m["time_zone"] != "UTC" || m["open"] != true || m["next_window"] != nil || m["hibernated"] != false {
		t.Errorf("of a new cluster: %v", m)
	}
	body := map[string]any{"time_zone": "Europe/Berlin", "windows": []any{map[string]any{"days": []string{"sat", "sun"}, "time": "02:00", "duration": 240}}, "auto_upgrade": true,
		"hibernate": []any{map[string]any{"days": []string{"fri"}, "time": "20:00"}}, "resume": []any{map[string]any{"days": []string{"mon"}, "time": "07:00"}}}
	set := b.one.want(200, "PUT", path, body).json()
	got := b.one.want(200, "GET", path, nil)
	if m := got.json(); m["time_zone"] != "Europe/Berlin" || m["auto_upgrade"] != true || len(got.list("windows")) != 1 || m["next_window"] == nil || m["next_window"] != set["next_window"] {
		t.Errorf("what was set: %s", got.body)
	}
	b.one.want(200, "PUT", path, got.json()) // an answer may be sent back
	if a := b.one.want(200, "GET", path, nil); string(a.body) != string(got.body) {
		t.Errorf("sent back it became %s", a.body)
	}
	for what, wrong := range map[string]any{
		"time_zone": map[string]any{"time_zone": "Mars/Base"}, "windows/0/time": map[string]any{"windows": []any{map[string]any{"time": "24:00", "duration": 1}}},
		"auto_upgrade": map[string]any{"auto_upgrade": true}, "windows": map[string]any{"windows": "saturday"}, "frequency": map[string]any{"frequency": 1},
	} {
		if a := b.one.want(400, "PUT", path, wrong); !strings.Contains(string(a.body), what) {
			t.Errorf("%s: %s", what, a.body)
		}
	}
	refuse(t, []refusal{
		{"nothing", b.one, "PUT", path, "", 400, `Missing argument: "maintenance"`}, {"a list", b.one, "PUT", path, "[]", 400, "A JSON object is expected"},
		{"an unknown attribute", b.one, "PUT", path, object{"frequency": 1}, 400, "Unknown attribute for argument maintenance: frequency"},
		{"days in text", b.one, "PUT", path, object{"windows": []object{{"days": "sat"}}}, 400, "attribute windows. Value: '[{\"days\":\"sat\"}]'. Wrong type. Expected a list of objects with days, time and duration"},
		{"two mistakes in one line", b.one, "PUT", path, object{"windows": []object{{}}}, 400, "windows/0/time"},
	})
	b.other.want(404, "GET", path, nil)
	b.other.want(404, "DELETE", path, nil)
	b.admin.want(200, "GET", path, nil)
	b.one.want(204, "DELETE", path, nil)
	if m := b.one.want(200, "GET", path, nil).json(); m["next_window"] != nil || m["auto_upgrade"] != false {
		t.Errorf("unset it is %v", m)
	}
}

// TestHibernate: what a hibernated cluster refuses, and that it can be deleted.
func TestHibernate(t *testing.T) {
	b := newBed(t)
	id := b.one.cluster(b.one.template(nil), nil)
	path := "/v1/clusters/" + id
	b.one.want(400, "POST", path+"/actions/hibernate", nil) // it is being created
	b.work()
	b.one.await(id, "CREATE_COMPLETE")
	b.one.want(400, "POST", path+"/actions/resume", nil)
	b.other.want(404, "POST", path+"/actions/hibernate", nil)
	b.one.want(202, "POST", path+"/actions/hibernate", nil)
	b.one.await(id, "UPDATE_COMPLETE")
	c := b.one.want(200, "GET", path, nil).json()
	if c["node_count"] != 0.0 || c["status_reason"] != "The cluster is hibernated: it has no workers. Resume brings 1 back." {
		t.Errorf("hibernated it has %v workers: %v", c["node_count"], c["status_reason"])
	}
	if m := b.one.want(200, "GET", path+"/maintenance", nil).json(); m["hibernated"] != true {
		t.Errorf("its maintenance says %v", m)
	}
	for _, refused := range []answer{
		b.one.want(400, "POST", path+"/actions/resize", map[string]any{"node_count": 3}),
		b.one.want(400, "PATCH", path, []any{map[string]any{"op": "replace", "path": "/node_count", "value": 3}}),
		b.one.want(400, "POST", path+"/nodegroups", map[string]any{"name": "more", "node_count": 1}),
	} {
		if !strings.Contains(string(refused.body), "resume it first") {
			t.Errorf("refused with %s", refused.body)
		}
	}
	b.one.want(202, "POST", path+"/actions/resume", nil)
	b.one.await(id, "UPDATE_COMPLETE")
	if c := b.one.want(200, "GET", path, nil).json(); c["node_count"] != 1.0 || c["status_reason"] != nil {
		t.Errorf("resumed it has %v workers: %v", c["node_count"], c["status_reason"])
	}
	b.one.want(202, "POST", path+"/actions/hibernate", nil)
	b.one.await(id, "UPDATE_COMPLETE")
	b.one.want(204, "DELETE", path, nil)
	b.one.await(id, "")
}
