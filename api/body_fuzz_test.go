package api

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/jeroboam-cloud/jeroboam/db"
)

// FuzzReadCluster: what is accepted is a document of known attributes within their bounds, says in the request what it said
// itself, and means the same when it is written down again.
func FuzzReadCluster(f *testing.F) {
	for _, body := range []string{
		`{"cluster_template_id":"t","labels":{"a":1,"b":true,"c":1.50,"d":"x"},"node_count":"3","master_count":3,"master_lb_enabled":"Yes"}`,
		`{"cluster_template_id":1,"name":"a.b-c_d","keypair":"k","docker_volume_size":" 7 ","flavor_id":"m1","master_flavor_id":"m2","fixed_network":"n","fixed_subnet":"s"}`,
		`{"cluster_template_id":"t","create_timeout":null,"discovery_url":"","merge_labels":1,"floating_ip_enabled":"off","node_count":0,"labels":null}`,
		`{"cluster_template_id":"t","create_timeout":-0.5,"node_count":1e1,"name":"\ud83d\ude00","status":{},"uuid":[],"faults":null}`,
		`{"cluster_template_id":"t","keypair":"\u0000","labels":{"":"x"}}`, `{"cluster_template_id":"t","project_id":null,"links":[]}`,
		`{"cluster_template_id":" ","name":"a b","node_count":10001,"node_count":1}`,
	} {
		f.Add(uint8(14), body)
		f.Add(uint8(9), body)
	}
	f.Fuzz(func(t *testing.T, version uint8, body string) {
		minor := minMinor + int(version)%maxMinor
		r, err := read(body, minor)
		if err != nil {
			return
		}
		checkRequest(t, body, r, minor)
		written := writeRequest(t, r)
		again, err := read(written, minor)
		if err != nil {
			t.Fatalf("%s was understood, and written as %s it is not: %v", body, written, err)
		}
		if d := cmp.Diff(r, again, cmp.AllowUnexported(clusterRequest{})); d != "" {
			t.Errorf("%s, written as %s, means something else (-before +after):\n%s", body, written, d)
		}
	})
}

// read does what a request goes through before anything else is asked.
func read(body string, minor int) (*clusterRequest, error) {
	if !isText([]byte(body)) {
		return nil, badRequest("no text")
	}
	f, err := parseForm([]byte(body), "cluster")
	if err != nil {
		return nil, err
	}
	return readCluster(f, minor)
}

// checkRequest compares a request with the attributes that it was read from, by Magnum's table of them.
func checkRequest(t *testing.T, body string, r *clusterRequest, minor int) {
	t.Helper()
	var given map[string]any
	d := json.NewDecoder(bytes.NewReader([]byte(body)))
	d.UseNumber()
	if err := d.Decode(&given); err != nil || given == nil {
		t.Fatalf("accepted, and is no object: %q", body)
	}
	texts := map[string]*string{"cluster_template_id": &r.templateID, "name": &r.name, "keypair": r.keypair, "master_flavor_id": r.masterFlavor, "flavor_id": r.flavor,
		"discovery_url": r.discoveryURL, "fixed_network": r.fixedNetwork, "fixed_subnet": r.fixedSubnet}
	numbers := map[string]*int{"node_count": &r.nodes, "master_count": &r.masters, "docker_volume_size": r.dockerVolumeSize, "create_timeout": r.createTimeout}
	flags := map[string]*bool{"merge_labels": &r.mergeLabels, "floating_ip_enabled": r.floatingIP, "master_lb_enabled": r.masterLB}
	ignored := []string{"uuid", "status", "status_reason", "health_status", "health_status_reason", "faults", "labels_overridden", "labels_added", "labels_skipped"}
	for name, v := range given {
		text, isText := texts[name]
		number, isNumber := numbers[name]
		flag, isFlag := flags[name]
		switch {
		case slices.Contains(ignored, name), (v == nil || v == "") && name != "cluster_template_id" && (isText || isNumber || isFlag || name == "labels"):
		case isText:
			checkText(t, name, v, text)
		case isNumber:
			checkNumber(t, name, v, number)
		case isFlag:
			if b, ok := truth(v); !ok || flag == nil || b != *flag {
				t.Errorf("%s: %v was read as %v", name, v, flag)
			}
		case name == "labels":
			checkLabels(t, v, r.labels)
		default:
			t.Errorf("%s is no attribute that a request may have", name)
		}
	}
	if r.templateID == "" || r.masters%2 == 0 || r.nodes == 0 && minor < 10 {
		t.Errorf("accepted at 1.%d: template %q, %d masters, %d nodes", minor, r.templateID, r.masters, r.nodes)
	}
}

func checkText(t *testing.T, name string, given any, got *string) {
	t.Helper()
	want, ok := given.(string)
	if n, isNumber := given.(json.Number); isNumber && name == "cluster_template_id" { // the number of a row
		want, ok = n.String(), true
	}
	if !ok || got == nil || *got != want {
		t.Fatalf("%s: %v was read as %v", name, given, got)
	}
	most := 255
	if name == "name" {
		most = 242
		if strings.Trim(want, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") != "" || strings.ContainsAny(want[:1], "0123456789_.-") {
			t.Errorf("accepted as a name: %q", want)
		}
	}
	if utf8.RuneCountInString(want) > most || strings.Contains(want, "\x00") {
		t.Errorf("accepted as %s: %q", name, want)
	}
}

func checkNumber(t *testing.T, name string, given any, got *int) {
	t.Helper()
	text, isString := given.(string)
	if n, ok := given.(json.Number); ok {
		text = n.String()
	} else if !isString {
		t.Fatalf("%s: %v was accepted", name, given)
	}
	want, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || isString && strings.ContainsAny(text, ".eExXpP_") || got == nil || math.Trunc(want) != float64(*got) {
		t.Fatalf("%s: %v was read as %v", name, given, got)
	}
	least := map[string]int{"node_count": 0, "master_count": 1, "docker_volume_size": 1, "create_timeout": 0}[name]
	most := map[string]int{"node_count": maxNodes, "master_count": 99, "docker_volume_size": 1 << 20, "create_timeout": 1 << 20}[name]
	if *got < least || *got > most {
		t.Errorf("%s: %d was accepted", name, *got)
	}
}

// truth is what the clients mean by a value.
func truth(v any) (value, ok bool) {
	switch v := v.(type) {
	case bool:
		return v, true
	case json.Number:
		return v == "1", v == "0" || v == "1"
	case string:
		yes, no := strings.Fields("1 t true on y yes"), strings.Fields("0 f false off n no")
		word := strings.ToLower(v)
		return slices.Contains(yes, word), slices.Contains(yes, word) || slices.Contains(no, word)
	}
	return false, false
}

func checkLabels(t *testing.T, given any, got db.Strings) {
	t.Helper()
	m, ok := given.(map[string]any)
	if !ok {
		t.Fatalf("accepted as labels: %v", given)
	}
	want := db.Strings{}
	for k, v := range m {
		switch v := v.(type) {
		case string:
			want[k] = v
		case json.Number:
			want[k] = v.String()
		case bool:
			want[k] = map[bool]string{true: "True", false: "False"}[v]
		default:
			t.Errorf("accepted as the value of label %q: %v", k, v)
		}
		if k == "" || strings.Contains(k+want[k], "\x00") {
			t.Errorf("accepted as a label: %q: %q", k, want[k])
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("labels (-sent +read):\n%s", d)
	}
}

// writeRequest is a body that asks for the same.
func writeRequest(t *testing.T, r *clusterRequest) string {
	t.Helper()
	body := map[string]any{"cluster_template_id": r.templateID, "name": r.name, "keypair": r.keypair, "node_count": r.nodes, "master_count": r.masters,
		"docker_volume_size": r.dockerVolumeSize, "labels": r.labels, "merge_labels": r.mergeLabels, "master_flavor_id": r.masterFlavor, "flavor_id": r.flavor,
		"create_timeout": r.createTimeout, "discovery_url": r.discoveryURL, "fixed_network": r.fixedNetwork, "fixed_subnet": r.fixedSubnet,
		"floating_ip_enabled": r.floatingIP, "master_lb_enabled": r.masterLB}
	raw, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
