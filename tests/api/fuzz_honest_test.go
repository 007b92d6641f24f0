package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// faithful tells whether every text of a body can be given back as it was sent: bytes that are no UTF-8, and halves of
// surrogate pairs, become U+FFFD when they are read.
func faithful(body []byte) bool {
	if !utf8.Valid(body) {
		return false
	}
	lower := strings.ToLower(string(body))
	if strings.Contains(lower, `\ufffd`) || strings.ContainsRune(lower, utf8.RuneError) {
		return true
	}
	d := json.NewDecoder(bytes.NewReader(body))
	for {
		token, err := d.Token()
		if err != nil {
			return true
		}
		if s, ok := token.(string); ok && strings.ContainsRune(s, utf8.RuneError) {
			return false
		}
	}
}

// decode reads a body as it was sent.
func decode[T any](t *testing.T, body []byte) (v T) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	if err := d.Decode(&v); err != nil && len(bytes.TrimSpace(body)) > 0 {
		t.Fatalf("accepted, although it is no such document: %q: %v", body, err)
	}
	return v
}

// readBack compares what was sent with what is shown. Null and "" are «not given».
func readBack(t *testing.T, given map[string]any, shown object, except ...string) {
	t.Helper()
	for name, v := range given {
		if v == nil || v == "" || slices.Contains(except, name) {
			continue
		}
		if !same(v, shown[name]) {
			t.Errorf("%s: sent %v, accepted, and shown as %v", name, v, shown[name])
		}
	}
}

// same knows in which ways clients write values.
func same(given, shown any) bool {
	text := fmt.Sprint(given)
	switch x := shown.(type) {
	case string:
		return text == x || given == true && x == "True" || given == false && x == "False"
	case float64:
		n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		return err == nil && math.Trunc(n) == x || given == true && x == 1 || given == false && x == 0
	case bool:
		return slices.Contains(map[bool][]string{true: {"1", "t", "true", "on", "y", "yes"}, false: {"0", "f", "false", "off", "n", "no"}}[x], strings.ToLower(text))
	case map[string]any:
		m, ok := given.(map[string]any)
		for k, v := range m {
			if !same(v, x[k]) {
				return false
			}
		}
		return ok
	case []any:
		l, ok := given.([]any)
		if !ok || len(l) != len(x) {
			return false
		}
		for i, v := range l {
			if !same(v, x[i]) {
				return false
			}
		}
		return true
	}
	return shown == nil && (given == nil || text == "" || text == "map[]" || text == "[]")
}

// onlyLabels: without merge_labels the labels are those that were sent and no others.
func onlyLabels(t *testing.T, given map[string]any, shown object) {
	t.Helper()
	sentLabels, _ := given["labels"].(map[string]any)
	have, _ := shown["labels"].(map[string]any)
	merge := given["merge_labels"] != nil && same(given["merge_labels"], true)
	if len(sentLabels) > 0 && !merge && len(have) != len(sentLabels) {
		t.Errorf("labels: sent %v, shown as %v", sentLabels, have)
	}
}

func honestTemplate(t *testing.T, w *world, s sent) {
	given := decode[map[string]any](t, s.body)
	shown := w.one.on(t).at(s.version).want(200, "GET", s.path+"/"+s.answer.text("uuid"), nil).json()
	readBack(t, given, shown, "cluster_distro") // the image's
	onlyLabels(t, given, shown)
}

func honestCluster(t *testing.T, w *world, s sent) {
	given := decode[map[string]any](t, s.body)
	shown := w.one.on(t).at(s.version).want(200, "GET", s.path+"/"+s.answer.text("uuid"), nil).json()
	if old, ok := shown["bay_create_timeout"]; ok {
		shown["create_timeout"] = old
	}
	readBack(t, given, shown, "cluster_template_id", "baymodel_id", "merge_labels", // a name is resolved; the last says how labels are read
		// Magnum lets these pass without effect
		"uuid", "status", "status_reason", "health_status", "health_status_reason", "faults", "labels_overridden", "labels_added", "labels_skipped")
	onlyLabels(t, given, shown)
	if named := fmt.Sprint(given["cluster_template_id"]); given["cluster_template_id"] != nil && named != "1" && named != "k8s" && "/v1/clustertemplates/"+named != w.template {
		t.Errorf("cluster_template_id %q, and one was found", named)
	}
}

func honestNodeGroup(t *testing.T, w *world, s sent) {
	given := decode[map[string]any](t, s.body)
	shown := w.one.on(t).want(200, "GET", s.path+"/"+s.answer.text("uuid"), nil).json()
	readBack(t, given, shown, "merge_labels", "uuid", "is_default", "labels_overridden", "labels_added", "labels_skipped")
	onlyLabels(t, given, shown)
}

func honestQuota(t *testing.T, w *world, s sent) {
	given := decode[map[string]any](t, s.body)
	readBack(t, given, s.answer.json())
	shown := w.admin.on(t).want(200, "GET", "/v1/quotas/"+s.answer.text("project_id")+"/Cluster", nil).json()
	readBack(t, given, shown)
}

func honestResize(t *testing.T, w *world, s sent) {
	given := decode[map[string]any](t, s.body)
	group := "default-worker"
	if g := given["nodegroup"]; g != nil && g != "" {
		group = fmt.Sprint(g)
	}
	shown := w.one.on(t).want(200, "GET", w.cluster+"/nodegroups/"+group, nil).json()
	readBack(t, map[string]any{"node_count": given["node_count"]}, shown)
}

// honestPatch looks at the attributes whose last operation sets them as a whole.
func honestPatch(t *testing.T, w *world, s sent) {
	final := map[string]any{}
	for _, o := range decode[[]map[string]any](t, s.body) {
		path, _ := o["path"].(string)
		name, inside, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
		delete(final, name)
		_, isText := o["value"].(string)
		literal := slices.Contains([]string{"labels", "node_labels", "node_taints", "health_status_reason"}, name) && isText
		if inside == "" && o["op"] != "remove" && !literal {
			final[name] = o["value"]
		}
	}
	readBack(t, final, w.admin.on(t).at(s.version).want(200, "GET", s.path, nil).json(), "cluster_distro")
}
