package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
)

// cli runs `jeroboam cluster …` as cloud «mine» and gives its output and exit code.
func cli(t *testing.T, args ...string) (out, errs string, code int) {
	t.Helper()
	var o, e buffer
	code = shell{&o, &e}.run(t.Context(), append([]string{"cluster"}, args...))
	return o.String(), e.String(), code
}

// want is cli for what has to succeed; every part has to be in the output.
func want(t *testing.T, args []string, parts ...string) string {
	t.Helper()
	out, errs, code := cli(t, args...)
	if code != 0 {
		t.Fatalf("jeroboam cluster %v: exit code %d: %s", args, code, errs)
	}
	for _, p := range parts {
		if !strings.Contains(out, p) {
			t.Errorf("jeroboam cluster %v: %q is not in the output:\n%s", args, p, out)
		}
	}
	return out
}

// TestClusterCommands takes a cluster through a failure, a retry and its end, and asks every command about it.
func TestClusterCommands(t *testing.T) {
	c := cloudsYAML(t)
	url, _ := serving(t)
	t.Setenv("OS_CLOUD", "mine")
	t.Setenv("OS_CONTAINER_INFRA_ENDPOINT_OVERRIDE", url)
	if err := c.Inject(sim.Rule{Service: "compute", Method: "POST", PathRegexp: "/servers$", Name: "worker", Times: 1, Action: sim.Action{Fault: "No valid host was found."}}); err != nil {
		t.Fatal(err)
	}
	me := as(t, c, url, "demo", "demo")
	id, err := me.createCluster(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out, errs, code := cli(t, "watch", "demo")
	if code != 1 || !strings.Contains(out, "Cluster demo is CREATE_FAILED.") || !strings.Contains(errs, "No valid host was found") {
		t.Fatalf("a watch of a failure: exit code %d\n%s%s", code, out, errs)
	}
	want(t, []string{"operation", "list", "demo"}, "| cluster.create | failed", "No valid host was found")
	want(t, []string{"operation", "show", "demo"}, "| status           | failed", "✗ host demo-", "✓ network")
	want(t, []string{"event", "list", "--level", "error", "demo", "-f", "value", "-c", "message"}, "No valid host was found")
	want(t, []string{"operation", "retry", "demo"}, "has been accepted")
	want(t, []string{"watch", "demo"}, "Kubernetes API: done", "Cluster demo is CREATE_COMPLETE.")

	var nodes []struct {
		Name, Role, Version string
		Ready               bool
		Conditions          []struct{ Type, Status string }
	}
	if err := json.Unmarshal([]byte(want(t, []string{"node", "list", "demo", "-f", "json"})), &nodes); err != nil {
		t.Fatal(err)
	}
	if len(nodes) != masters+workers {
		t.Errorf("nodes: %+v", nodes)
	}
	for _, n := range nodes {
		if !n.Ready || n.Version != "v1.37.2" || len(n.Conditions) == 0 {
			t.Errorf("node %+v", n)
		}
	}
	if n := strings.Count(want(t, []string{"resource", "list", "demo", "-f", "value", "-c", "kind"}), "server\n"); n != masters+workers {
		t.Errorf("%d servers", n)
	}
	if _, errs, code := cli(t, "kubeconfig", "demo"); code != 1 || !strings.Contains(errs, "cluster demo: your token of Keystone is not taken") || !strings.Contains(errs, "keystone_auth_enabled") {
		t.Errorf("a kubeconfig for a cluster that takes no tokens: exit code %d: %s", code, errs)
	}
	var credential struct {
		Kind   string
		Status struct {
			Token               string
			ExpirationTimestamp time.Time
		}
	}
	var o, e buffer
	if code := (shell{&o, &e}).run(t.Context(), []string{"credential"}); code != 0 || json.Unmarshal([]byte(o.String()), &credential) != nil || credential.Kind != "ExecCredential" ||
		credential.Status.Token == "" || time.Until(credential.Status.ExpirationTimestamp) <= 0 {
		t.Errorf("jeroboam credential: exit code %d, %s, %s of %s", code, e.String(), credential.Kind, credential.Status.ExpirationTimestamp)
	}
	benchIn(t, me, id)
	want(t, []string{"node", "list", "-f", "yaml", "demo", "-c", "name"}, "- name: demo-")
	want(t, []string{"maintenance", "set", "demo", "--time-zone", "Europe/Berlin", "--window", "sat,sun 02:00 4h", "--hibernate", "mon-fri 20:00", "--resume", "07:00"},
		"| time_zone    | Europe/Berlin", "| windows      | sat,sun 02:00 4h0m0s", "| hibernate    | mon,tue,wed,thu,fri 20:00", "| resume       | 07:00")
	want(t, []string{"maintenance", "show", "demo", "-f", "value", "-c", "hibernated"}, "False")
	want(t, []string{"hibernate", "demo"}, "has been accepted")
	want(t, []string{"watch", "demo"}, "Cluster demo is UPDATE_COMPLETE.")
	want(t, []string{"maintenance", "show", "demo", "-f", "value", "-c", "hibernated"}, "True")
	want(t, []string{"resume", "demo"}, "has been accepted")
	want(t, []string{"watch", "demo"}, "Cluster demo is UPDATE_COMPLETE.")
	want(t, []string{"maintenance", "unset", "demo"}, "has no maintenance windows")
	want(t, []string{"preflight", "--cluster-template", "k8s", "another"}, "| flavor_id | warning  | Flavor m1.medium does not have hw:cpu_policy=dedicated")
	if out, _, code := cli(t, "preflight", "--cluster-template", "k8s", "--master-count", "2", "--labels", "kube_tag=nine"); code != 1 ||
		!strings.Contains(out, "| master_count    |") || !strings.Contains(out, "| labels.kube_tag |") {
		t.Errorf("preflight of what is wrong: exit code %d\n%s", code, out)
	}
	if _, errs, code := cli(t, "delete", "--force", "demo"); code != 1 || !strings.Contains(errs, "cluster:force_delete") {
		t.Errorf("a delete by force: exit code %d: %s", code, errs)
	}
	want(t, []string{"delete", "demo"}, "Request to delete cluster demo has been accepted; it is operation ")
	want(t, []string{"watch", id}, "Cluster "+id+" is gone.")
	want(t, []string{"operation", "show", id, "-c", "leftovers", "-f", "value"}, "nothing left")
	want(t, []string{"operation", "list", id, "-f", "value", "-c", "kind"}, "cluster.delete\ncluster.resume\ncluster.hibernate\ncluster.create\ncluster.create\n")
}

func TestClusterCommandsRefuse(t *testing.T) {
	cloudsYAML(t)
	url, _ := serving(t)
	t.Setenv("OS_CLOUD", "mine")
	t.Setenv("OS_CONTAINER_INFRA_ENDPOINT_OVERRIDE", url)
	for _, tc := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"no command", nil, 2, "Usage: jeroboam cluster COMMAND"},
		{"an unknown command", []string{"list"}, 2, `no command "list"`},
		{"no cluster", []string{"node", "list"}, 2, "CLUSTER"},
		{"too much", []string{"watch", "a", "b"}, 2, "CLUSTER"},
		{"an unknown cluster", []string{"node", "list", "nope"}, 1, "Cluster nope could not be found. (HTTP 404)"},
		{"an unknown cluster, watched", []string{"watch", "nope"}, 1, "Cluster nope could not be found. (HTTP 404)"},
		{"an unknown format", []string{"node", "list", "nope", "-f", "csv"}, 2, "table, json, yaml, value"},
		{"an empty operation", []string{"operation", "show", "nope", ""}, 2, "an argument is empty"},
		{"less than none", []string{"operation", "list", "nope", "--limit", "-3"}, 2, "-3"},
		{"nodes in words", []string{"preflight", "--node-count", "many"}, 2, "a whole number"},
		{"help about a group", []string{"operation", "--help"}, 0, ""},
		{"an unknown option", []string{"node", "list", "nope", "--fast"}, 2, "fast"},
		{"an unknown cloud", []string{"node", "list", "nope", "--os-cloud", "yours"}, 1, `cloud "yours" not found`},
		{"no duration", []string{"maintenance", "set", "nope", "--window", "sat 02:00"}, 2, "duration"},
		{"no day", []string{"maintenance", "set", "nope", "--resume", "someday 02:00"}, 2, "someday"},
		{"help", []string{"preflight", "--help"}, 0, "--"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, errs, code := cli(t, tc.args...); code != tc.code || (tc.code != 0 && !strings.Contains(errs, tc.says)) {
				t.Errorf("exit code %d, expected %d:\n%s", code, tc.code, errs)
			}
		})
	}
	t.Setenv("OS_CLOUD", "")
	t.Setenv("OS_AUTH_URL", "")
	if _, errs, code := cli(t, "node", "list", "x"); code != 1 || !strings.Contains(errs, "nothing says which cloud") {
		t.Errorf("without credentials: exit code %d: %s", code, errs)
	}
}

// TestCredentialsOfTheEnvironment: OS_* variables alone, as an openrc file sets them.
func TestCredentialsOfTheEnvironment(t *testing.T) {
	c := cloudsYAML(t)
	url, _ := serving(t)
	for k, v := range map[string]string{"OS_AUTH_URL": c.AuthURL(), "OS_USERNAME": "demo", "OS_PASSWORD": "secret", "OS_PROJECT_NAME": "demo", "OS_USER_DOMAIN_NAME": "Default",
		"OS_PROJECT_DOMAIN_NAME": "Default", "OS_CONTAINER_INFRA_ENDPOINT_OVERRIDE": url, "OS_CLOUD": ""} {
		t.Setenv(k, v)
	}
	if _, errs, code := cli(t, "node", "list", "nope"); code != 1 || !strings.Contains(errs, "could not be found. (HTTP 404)") {
		t.Errorf("exit code %d: %s", code, errs)
	}
	t.Setenv("OS_PASSWORD", "wrong")
	if _, errs, code := cli(t, "node", "list", "nope"); code != 1 || !strings.Contains(errs, "signing in at") || strings.Contains(errs, "wrong") {
		t.Errorf("exit code %d: %s", code, errs)
	}
}

func TestListingFormats(t *testing.T) {
	text := "x"
	l := listing{columns: []string{"name", "n", "maybe", "many"}, rows: [][]any{{"a\nb", 1, (*string)(nil), []string{"p", "q"}}, {"ü", 22, &text, nil}}}
	for format, want := range map[string]string{
		"table": "+------+----+-------+------+\n| name | n  | maybe | many |\n+------+----+-------+------+\n| a    | 1  | -     | p, q |\n| b    |    |       |      |\n| ü    | 22 | x     | -    |\n+------+----+-------+------+\n",
		"value": "a\nb 1  p, q\nü 22 x \n",
		"json":  "[\n  {\n    \"name\": \"a\\nb\",\n    \"n\": 1,\n    \"maybe\": null,\n    \"many\": [\n      \"p\",\n      \"q\"\n    ]\n  },\n  {\n    \"name\": \"ü\",\n    \"n\": 22,\n    \"maybe\": \"x\",\n    \"many\": null\n  }\n]\n",
		"yaml":  "- many:\n  - p\n  - q\n  maybe: null\n  \"n\": 1\n  name: |-\n    a\n    b\n- many: null\n  maybe: x\n  \"n\": 22\n  name: ü\n",
	} {
		var b bytes.Buffer
		if err := (output{format: format}).write(&b, l); err != nil || b.String() != want {
			t.Errorf("%s: %v\n%q\nexpected\n%q", format, err, b.String(), want)
		}
	}
	var b bytes.Buffer
	if err := (output{format: "value", columns: []string{"N"}}).write(&b, l); err != nil || b.String() != "1\n22\n" {
		t.Errorf("one column: %v %q", err, b.String())
	}
	if err := (output{format: "value", columns: []string{"x"}}).write(io.Discard, l); err == nil {
		t.Error("an unknown column is not refused")
	}
}

func TestLabels(t *testing.T) {
	for _, tc := range []struct {
		name  string
		pairs []string
		want  map[string]string
	}{
		{"one with commas in its value", []string{"cidrs=10.0.0.0/8,11.0.0.0/8"}, map[string]string{"cidrs": "10.0.0.0/8,11.0.0.0/8"}},
		{"several in one", []string{"a=1,b=2;c=3"}, map[string]string{"a": "1", "b": "2", "c": "3"}},
		{"several", []string{"a=1,2", "b=x=y"}, map[string]string{"a": "1,2", "b": "x=y"}},
		{"one again", []string{"a=1", "a=2"}, map[string]string{"a": "1,2"}},
		{"something else among them", []string{"a=1,b=2,c"}, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := labelsOf(tc.pairs)
			if (err != nil) != (tc.want == nil) || fmt.Sprint(got) != fmt.Sprint(tc.want) {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
}

func TestInterspersed(t *testing.T) {
	for _, tc := range []struct{ args, positional, option string }{
		{"a -o x b", "[a b]", "x"}, {"-o x a b", "[a b]", "x"}, {"a b -o x", "[a b]", "x"}, {"a -- -o x", "[a -o x]", ""}, {"", "[]", ""},
	} {
		f := flag.NewFlagSet("x", flag.ContinueOnError)
		o := f.String("o", "", "")
		got, err := interspersed(f, strings.Fields(tc.args))
		if err != nil || fmt.Sprint(got) != tc.positional || *o != tc.option {
			t.Errorf("%q: %v, -o %q, %v", tc.args, got, *o, err)
		}
	}
}
