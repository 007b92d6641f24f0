package api

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/jeroboam-cloud/jeroboam/db"
)

func parse(t *testing.T, body string) *form {
	t.Helper()
	f, err := parseForm([]byte(body), "cluster")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestReadCluster(t *testing.T) {
	for _, tc := range []struct {
		name, body, says string // says "": accepted
		minor            int
	}{
		{"as the CLI sends it", `{"cluster_template_id":"t","create_timeout":60,"discovery_url":null,"keypair":null,"master_count":1,"name":"c","node_count":1}`, "", 14},
		{"as Horizon sends it", `{"cluster_template_id":"t","master_count":"3","node_count":"2","discovery_url":"","master_lb_enabled":"True","labels":{"a":true,"b":1}}`, "", 13},
		{"as gophercloud sends it", `{"cluster_template_id":"t","name":"","create_timeout":null}`, "", 1},
		{"unknown attribute", `{"cluster_template_id":"t","nodecount":1}`, "Unknown attribute for argument cluster: nodecount", 14},
		{"read-only attribute", `{"cluster_template_id":"t","api_address":"x"}`, "Cannot set read only field", 14},
		{"no template", `{"name":"c"}`, "cluster_template_id", 14},
		{"a number that is none", `{"cluster_template_id":"t","node_count":"many"}`, "node_count", 14},
		{"a bool that is none", `{"cluster_template_id":"t","master_lb_enabled":"perhaps"}`, "master_lb_enabled", 14},
		{"name too long", `{"cluster_template_id":"t","name":"` + strings.Repeat("a", 243) + `"}`, "maximum length", 14},
		{"name with a space", `{"cluster_template_id":"t","name":"a b"}`, "pattern", 14},
		{"even masters", `{"cluster_template_id":"t","master_count":2}`, "master_count", 14},
		{"no masters", `{"cluster_template_id":"t","master_count":0}`, "master_count", 14},
		{"no nodes at 1.9", `{"cluster_template_id":"t","node_count":0}`, "zero", 9},
		{"no nodes at 1.10", `{"cluster_template_id":"t","node_count":0}`, "", 10},
		{"label with a list", `{"cluster_template_id":"t","labels":{"a":[]}}`, "labels", 14},
		{"label with a NUL", `{"cluster_template_id":"t","labels":{"a":"b\u0000"}}`, "NUL", 14},
		{"label null", `{"cluster_template_id":"t","labels":{"a":null}}`, "labels", 14},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := readCluster(parse(t, tc.body), tc.minor)
			switch {
			case tc.says == "" && err != nil:
				t.Errorf("refused: %v", err)
			case tc.says != "" && (err == nil || !strings.Contains(err.Error(), tc.says)):
				t.Errorf("%v does not say %q", err, tc.says)
			}
		})
	}
}

func TestLabelsBecomeText(t *testing.T) {
	got := parse(t, `{"labels":{"i":1,"b":true,"f":1.5,"s":"x"}}`).Strings("labels")
	if d := cmp.Diff(db.Strings{"i": "1", "b": "True", "f": "1.5", "s": "x"}, got); d != "" {
		t.Error(d)
	}
}

func TestBodiesThatAreNoObjects(t *testing.T) {
	for _, body := range []string{`[]`, `null`, `3`, `{`, `"x"`} {
		if _, err := parseForm([]byte(body), "cluster"); err == nil {
			t.Errorf("%s was accepted", body)
		}
	}
}

func TestMergeLabels(t *testing.T) {
	parent := db.Strings{"a": "1", "b": "2"}
	for _, tc := range []struct {
		name  string
		given db.Strings
		merge bool
		want  db.Strings
	}{
		{"none given", nil, false, parent}, {"replaced", db.Strings{"b": "3"}, false, db.Strings{"b": "3"}}, {"merged", db.Strings{"b": "3"}, true, db.Strings{"a": "1", "b": "3"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if d := cmp.Diff(tc.want, mergeLabels(parent, tc.given, tc.merge)); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestNodeGroupsThatContradictThemselves(t *testing.T) {
	one, five := 1, 5
	for _, tc := range []struct {
		name string
		g    db.NodeGroup
		says string
	}{
		{"fine", db.NodeGroup{NodeCount: 2, MinNodeCount: 1, MaxNodeCount: &five}, ""},
		{"fewer than the minimum", db.NodeGroup{NodeCount: 1, MinNodeCount: 2}, "min_node_count"},
		{"more than the maximum", db.NodeGroup{NodeCount: 2, MaxNodeCount: &one}, "max_node_count"},
		{"a label of Kubernetes", db.NodeGroup{NodeLabels: db.Strings{"node-role.kubernetes.io/x": ""}}, "node_labels"},
		{"a label that is none", db.NodeGroup{NodeLabels: db.Strings{"a b": ""}}, "node_labels"},
		{"an allowed label of Kubernetes", db.NodeGroup{NodeLabels: db.Strings{"node.kubernetes.io/pool": "x"}}, ""},
		{"a taint without effect", db.NodeGroup{NodeTaints: db.Taints{{Key: "k"}}}, "node_taints"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tc.g.Name = "g"
			err := checkNodeGroup(&tc.g)
			if (err == nil) != (tc.says == "") || (err != nil && !strings.Contains(err.Error(), tc.says)) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestTextIsKeptOrRefused(t *testing.T) {
	for _, tc := range []struct {
		name, body string
		want       bool
	}{
		{"plain", `{"a":"ü😀"}`, true}, {"escapes", `"\\\"\n\u00fc\\ud800"`, true}, {"a pair of surrogates", `"\ud83d\ude00\uD83D\uDE00"`, true}, {"U+FFFD itself", `"\ufffd"`, true},
		{"not UTF-8", "\"\xff\"", false}, {"the first half alone", `"\ud83d"`, false}, {"the second half alone", `"\ude00"`, false}, {"two first halves", `"\ud83d\ud83d"`, false},
		{"the first half before another letter", `"\ud83d\u0041"`, false}, {"cut off", `"\ud8`, true}, {"a backslash at the end", `"\`, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := isText([]byte(tc.body)); got != tc.want {
				t.Errorf("%q: %v", tc.body, got)
			}
		})
	}
}

func TestIsIPv4List(t *testing.T) {
	for list, want := range map[string]bool{"8.8.8.8": true, "8.8.8.8, 1.1.1.1": true, "8.8.8.8,": false, ",": false, "::1": false, "dns.example.org": false} {
		if got := isIPv4List(list); got != want {
			t.Errorf("%q: %v", list, got)
		}
	}
}
