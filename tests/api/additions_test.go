package api

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
)

func contains(s, part string) bool { return strings.Contains(s, part) }

// TestWhatIsDoneToACluster follows a cluster through operations, events, nodes and resources.
func TestWhatIsDoneToACluster(t *testing.T) {
	b := newBed(t)
	id := b.one.cluster(b.one.template(nil), nil)
	path := "/v1/clusters/" + id

	created := b.one.want(200, "GET", path+"/operations", nil).list("operations")
	if len(created) != 1 || created[0]["status"] != "pending" || created[0]["kind"] != "cluster.create" || created[0]["progress"] != 0.0 {
		t.Fatalf("before any conductor: %v", created)
	}
	b.work()
	b.one.await(id, "CREATE_COMPLETE")

	op := b.one.want(200, "GET", path+"/operations/"+fmt.Sprint(created[0]["uuid"]), nil)
	steps := op.list("steps")
	if a := op.json(); a["status"] != "complete" || a["progress"] != 100.0 || a["request_id"] == "" || a["finished_at"] == nil || a["error"] != nil || len(steps) < 10 {
		t.Errorf("after it: %s", op.body)
	}
	for _, s := range steps {
		if s["status"] != "done" || s["started_at"] == nil {
			t.Errorf("step %v", s)
		}
	}
	nodes := b.one.want(200, "GET", path+"/nodes", nil).list("nodes")
	if len(nodes) != 2 {
		t.Fatalf("nodes: %v", nodes)
	}
	for _, n := range nodes {
		conditions, _ := n["conditions"].([]any)
		addresses, _ := n["addresses"].([]any)
		if n["ready"] != true || n["version"] != "v1.37.2" || n["server_id"] == nil || n["driver"] != "vm" || n["updated_at"] == nil || len(conditions) == 0 || len(addresses) != 1 {
			t.Errorf("node %v", n)
		}
	}
	servers := 0
	for _, r := range b.one.want(200, "GET", path+"/resources", nil).list("resources") {
		if r["id"] == nil {
			t.Errorf("not confirmed: %v", r)
		}
		if r["kind"] == "server" {
			servers++
		}
	}
	if servers != 2 {
		t.Errorf("%d servers", servers)
	}
	b.pagesOfEvents(path)

	b.one.want(204, "DELETE", path, nil)
	b.one.await(id, "")
	if l := b.one.want(200, "GET", path+"/operations", nil).list("operations"); len(l) != 2 || l[0]["kind"] != "cluster.delete" || l[0]["status"] != "complete" {
		t.Errorf("operations of a cluster that is gone: %v", l)
	}
	if l := b.one.want(200, "GET", path+"/events?limit=1", nil).list("events"); len(l) != 1 {
		t.Errorf("events of a cluster that is gone: %v", l)
	}
	b.one.want(404, "GET", path+"/nodes", nil)
	b.one.want(404, "GET", path+"/resources", nil)
	b.other.want(404, "GET", path+"/operations", nil)
	b.other.want(404, "GET", path+"/events", nil)
	b.admin.want(200, "GET", path+"/operations", nil)
}

// pagesOfEvents reads all events page by page, and compares them with what one page has.
func (b *bed) pagesOfEvents(path string) {
	b.t.Helper()
	all := b.one.want(200, "GET", path+"/events", nil).list("events")
	if len(all) < 20 {
		b.t.Errorf("only %d events", len(all))
	}
	n := 0
	for next := path + "/events?limit=7&level=info"; ; {
		page := b.one.want(200, "GET", next, nil)
		n += len(page.list("events"))
		url, _ := page.json()["next"].(string)
		if url == "" {
			break
		}
		next = strings.TrimPrefix(url, b.url)
	}
	if n != len(all) {
		b.t.Errorf("%d events in pages, %d at once", n, len(all))
	}
	if l := b.one.want(200, "GET", path+"/events?operation="+uuid.NewString(), nil).list("events"); len(l) != 0 {
		b.t.Errorf("events of an unknown operation: %v", l)
	}
}

func TestAdditionsRefuse(t *testing.T) {
	b := newBed(t)
	id := b.one.cluster(b.one.template(nil), nil)
	path := "/v1/clusters/" + id
	op := fmt.Sprint(b.one.want(200, "GET", path+"/operations", nil).list("operations")[0]["uuid"])
	for _, tc := range []struct {
		name         string
		who          *client
		method, path string
		status       int
		says         string
	}{
		{"another project's operations", b.other, "GET", path + "/operations", 404, "could not be found"},
		{"another project's operation", b.other, "GET", path + "/operations/" + op, 404, "could not be found"},
		{"another project's events", b.other, "GET", path + "/events", 404, "could not be found"},
		{"another project's nodes", b.other, "GET", path + "/nodes", 404, "could not be found"},
		{"another project's resources", b.other, "GET", path + "/resources", 404, "could not be found"},
		{"cancel of another project's", b.other, "POST", path + "/operations/" + op + "/actions/cancel", 404, "could not be found"},
		{"an unknown operation", b.one, "GET", path + "/operations/" + uuid.NewString(), 404, "Operation"},
		{"retry of what is under way", b.one, "POST", path + "/operations/" + op + "/actions/retry", 400, "pending"},
		{"an unknown action", b.one, "POST", path + "/operations/" + op + "/actions/stop", 404, ""},
		{"an unknown argument", b.one, "GET", path + "/nodes?limit=1", 400, "Unknown argument"},
		{"a bad limit", b.one, "GET", path + "/events?limit=0", 400, "Limit must be positive"},
		{"a bad marker", b.one, "GET", path + "/events?marker=x", 400, "whole number"},
		{"an unknown marker", b.one, "GET", path + "/operations?marker=" + uuid.NewString(), 404, "Marker"},
		{"a bad level", b.one, "GET", path + "/events?level=debug", 400, "info, warning, error"},
		{"a bad flag", b.one, "GET", path + "/operations?active=perhaps", 400, "boolean"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if d := tc.who.want(tc.status, tc.method, tc.path, nil).detail(); !contains(d, tc.says) {
				t.Errorf("refused with %q, which does not say %q", d, tc.says)
			}
		})
	}
}

// TestCancelAndRetry: a create that hangs is cancelled, and asked for again when the cloud is well.
func TestCancelAndRetry(t *testing.T) {
	b := newBed(t)
	if err := b.Cloud.Inject(sim.Rule{Service: "compute", Method: "POST", PathRegexp: "/servers$", Name: "worker", Action: sim.Action{Stuck: true}}); err != nil {
		t.Fatal(err)
	}
	b.work()
	id := b.one.cluster(b.one.template(nil), nil)
	actions := func() string {
		op := b.one.want(200, "GET", "/v1/clusters/"+id+"/operations?limit=1", nil).list("operations")[0]
		return fmt.Sprintf("/v1/clusters/%s/operations/%s/actions/", id, op["uuid"])
	}
	create := actions()
	b.one.want(202, "POST", create+"cancel", nil)
	b.one.await(id, "CREATE_FAILED")
	if reason := b.one.want(200, "GET", "/v1/clusters/"+id, nil).text("status_reason"); !contains(reason, "cancelled on request") {
		t.Errorf("the reason is %q", reason)
	}
	if d := b.one.want(400, "POST", create+"cancel", nil).detail(); !contains(d, "has ended") {
		t.Errorf("a second cancel is refused with %q", d)
	}
	b.Cloud.ClearFaults()
	again := b.one.want(202, "POST", create+"retry", nil).text("uuid")
	b.one.await(id, "CREATE_COMPLETE")
	if d := b.one.want(400, "POST", create+"retry", nil).detail(); !contains(d, "newer operation") {
		t.Errorf("a retry of the old one is refused with %q", d)
	}
	if a := b.one.want(200, "GET", "/v1/clusters/"+id+"/operations/"+again, nil).json(); a["status"] != "complete" {
		t.Errorf("the new operation: %v", a)
	}
	b.one.want(204, "DELETE", "/v1/clusters/"+id, nil)
	if a := b.one.do("POST", actions()+"cancel", nil); a.status != 400 && a.status != 404 { // it may be gone already
		t.Errorf("cancel of a delete: HTTP %d %s", a.status, a.body)
	}
	b.one.await(id, "")
	if left := b.Left(); len(left) > 0 {
		t.Errorf("left in the cloud: %v", left)
	}
}

func TestPreflight(t *testing.T) {
	b := newBed(t)
	template, inside := b.one.template(object{"master_lb_enabled": true}), b.one.template(object{"fixed_network": "lan", "external_network_id": nil, "floating_ip_enabled": false})
	proxied := b.one.template(object{"http_proxy": "proxy.example.org:3128", "no_proxy": "10.0.0.0/8, .example.org"})
	b.network("podlike", "10.100.5.0/24")
	there := b.Left()
	for _, tc := range []struct {
		name   string
		body   object
		fields []string
	}{
		{"all is well", object{"cluster_template_id": template, "master_count": 3, "node_count": 2}, nil},
		{"no template", object{"name": "x"}, []string{"cluster_template_id"}},
		{"an unknown template", object{"cluster_template_id": "nope"}, []string{"cluster_template_id"}},
		{"all is wrong at once", object{"cluster_template_id": template, "master_count": 2, "flavor_id": "nope", "keypair": "nope", "fixed_network": "nope",
			"labels": object{"kube_tag": "nine", "boot_volume_size": "x", "availability_zone": "moon"}, "nope": 1},
			[]string{"nope", "master_count", "labels.kube_tag", "labels.boot_volume_size", "flavor_id", "keypair", "fixed_network", "labels.availability_zone"}},
		{"more than the quotas", object{"cluster_template_id": template, "node_count": 5000, "docker_volume_size": 100}, []string{"node_count"}},
		{"pods that are routed", object{"cluster_template_id": template, "labels": object{"pod_network_mode": "routed"}}, nil},
		{"pods that are routed on a network of one's own", object{"cluster_template_id": template, "fixed_network": "lan", "labels": object{"pod_network_mode": "routed"}}, []string{"labels.pod_network_mode"}},
		{"the same with its subnet", object{"cluster_template_id": template, "fixed_network": "lan", "fixed_subnet": "lan-subnet", "labels": object{"pod_network_mode": "routed"}}, []string{"labels.pod_network_mode"}},
		{"pods that are routed nowhere", object{"cluster_template_id": inside, "labels": object{"pod_network_mode": "routed"}}, []string{"labels.pod_network_mode"}},
		{"pods in an overlay on a network of one's own", object{"cluster_template_id": template, "fixed_network": "lan", "labels": object{"pod_network_mode": "overlay"}}, nil},
		{"networks that overlap", object{"cluster_template_id": template, "labels": object{"calico_ipv4pool": "10.0.0.0/16"}}, []string{"labels.fixed_subnet_cidr"}},
		{"a network of one's own among the pods", object{"cluster_template_id": template, "fixed_network": "podlike"}, []string{"fixed_network"}},
		{"the same with its subnet", object{"cluster_template_id": template, "fixed_subnet": "podlike"}, []string{"fixed_subnet"}},
		{"pods where a network would be made without one's own", object{"cluster_template_id": template, "fixed_network": "lan", "labels": object{"calico_ipv4pool": "10.0.0.0/16"}}, nil},
		{"what no host can be told", object{"cluster_template_id": template, "labels": object{"api_server_cert_sans": "*.example.org,foo bar", "container_infra_prefix": "http://x y"}},
			[]string{"labels.api_server_cert_sans", "labels.container_infra_prefix"}},
		{"what all hosts can be told", object{"cluster_template_id": template, "labels": object{"api_server_cert_sans": "*.example.org,192.0.2.1", "container_infra_prefix": "registry.example.org:5000/k8s/"}}, nil},
		{"IPv6", object{"cluster_template_id": template, "labels": object{"fixed_subnet_cidr": "fd00::/64", "calico_ipv4pool": "fd01::/64", "service_cluster_ip_range": "fd02::/112", "api_master_lb_allowed_cidrs": "10.0.0.0/8,2001:db8::/32"}},
			[]string{"labels.fixed_subnet_cidr", "labels.calico_ipv4pool", "labels.service_cluster_ip_range", "labels.api_master_lb_allowed_cidrs"}},
		{"networks that are too small", object{"cluster_template_id": template, "labels": object{"fixed_subnet_cidr": "10.0.0.0/30", "calico_ipv4pool": "10.100.0.0/25", "service_cluster_ip_range": "10.254.0.0/29"}},
			[]string{"labels.fixed_subnet_cidr", "labels.calico_ipv4pool", "labels.service_cluster_ip_range"}},
		{"services in too large a network", object{"cluster_template_id": template, "labels": object{"service_cluster_ip_range": "172.0.0.0/8"}}, []string{"labels.service_cluster_ip_range"}},
		{"proxies that are none", object{"cluster_template_id": proxied}, []string{"cluster_template_id"}},
		{"no size between least and most", object{"cluster_template_id": template, "labels": object{"min_node_count": 3, "max_node_count": 2}}, []string{"labels.max_node_count"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			problems := b.one.refusedFor(tc.body)
			found := map[string]bool{}
			for _, p := range problems {
				found[fmt.Sprint(p["field"])] = true
				if p["message"] == "" {
					t.Errorf("no message: %v", p)
				}
			}
			for _, f := range tc.fields {
				if !found[f] {
					t.Errorf("nothing is said of %s: %v", f, problems)
				}
			}
			if len(found) != len(tc.fields) {
				t.Errorf("problems %v, expected ones of %v", problems, tc.fields)
			}
			// The same checks run inside create.
			if a := b.one.do("POST", "/v1/clusters", tc.body); (a.status == 202) != (len(problems) == 0) {
				t.Errorf("create answers HTTP %d: %s", a.status, a.body)
			}
		})
	}
	if d := cmp.Diff(there, b.Left()); d != "" {
		t.Errorf("something was made (-before +after):\n%s", d)
	}
	b.one.want(400, "POST", "/v1/clusters/preflight", "{")
}

// TestStream reads a cluster's life as it happens, breaks off, and comes back for the rest.
func TestStream(t *testing.T) {
	b := newBed(t)
	id := b.one.cluster(b.one.template(nil), nil)
	first := b.stream(id, "")
	if m := <-first; m["event"] != "cluster" || !contains(m["data"], "CREATE_IN_PROGRESS") || !contains(m["data"], `"status":"pending"`) {
		t.Errorf("the first message is %v", m)
	}
	b.work()
	last := ""
	for m := range first {
		if m["event"] == "event" {
			last = m["id"]
		}
		if contains(m["data"], "CREATE_COMPLETE") {
			break
		}
	}
	b.one.want(204, "DELETE", "/v1/clusters/"+id, nil)
	var kinds []string
	for m := range b.stream(id, last) {
		if m["event"] == "event" && len(m["id"]) <= len(last) && m["id"] <= last {
			t.Errorf("event %s comes again", m["id"])
		}
		kinds = append(kinds, m["event"])
	}
	if n := len(kinds); n < 3 || kinds[n-1] != "end" {
		t.Errorf("the rest ends with %v", kinds)
	}
	b.other.want(404, "GET", "/v1/clusters/"+id+"/events", nil, "Accept", "text/event-stream")
	b.one.want(400, "GET", "/v1/clusters/"+id+"/events", nil, "Accept", "text/event-stream", "Last-Event-ID", "x")
}

// stream gives the messages of a stream; the channel is closed at its end.
func (b *bed) stream(id, last string) <-chan map[string]string {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	b.t.Cleanup(cancel)
	q, err := http.NewRequestWithContext(ctx, "GET", b.url+"/v1/clusters/"+id+"/events", nil)
	if err != nil {
		b.t.Fatal(err)
	}
	q.Header.Set("X-Auth-Token", b.one.token)
	q.Header.Set("Accept", "text/event-stream")
	if last != "" {
		q.Header.Set("Last-Event-ID", last)
	}
	r, err := (&http.Client{}).Do(q)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() { _ = r.Body.Close() })
	if r.StatusCode != 200 || r.Header.Get("Content-Type") != "text/event-stream" {
		b.t.Fatalf("HTTP %d %s", r.StatusCode, r.Header.Get("Content-Type"))
	}
	messages := make(chan map[string]string, 1000)
	go func() {
		defer close(messages)
		lines, m := bufio.NewScanner(r.Body), map[string]string{}
		lines.Buffer(nil, 8<<20)
		for lines.Scan() {
			key, value, _ := strings.Cut(lines.Text(), ": ")
			switch {
			case lines.Text() != "":
				m[key] = value
			case m["event"] != "":
				messages <- m
				fallthrough
			default:
				m = map[string]string{}
			}
		}
	}()
	return messages
}

// refusedFor are the errors that preflight tells of a create, without the warnings.
func (c *client) refusedFor(body object) []object {
	c.t.Helper()
	return c.want(200, "POST", "/v1/clusters/preflight", body).problems()
}

// problems of an answer for which a create would be refused.
func (a answer) problems() []object {
	return slices.DeleteFunc(a.list("problems"), func(p object) bool { return p["severity"] == "warning" })
}

// TestPreflightWarns: what does not stand against a create is told, and the create accepted.
func TestPreflightWarns(t *testing.T) {
	b := newBed(t)
	body := object{"cluster_template_id": b.one.template(nil)}
	problems := b.one.want(200, "POST", "/v1/clusters/preflight", body).list("problems")
	if len(problems) != 1 || problems[0]["severity"] != "warning" || problems[0]["field"] != "flavor_id" || !contains(fmt.Sprint(problems[0]["message"]), "hw:cpu_policy=dedicated") {
		t.Errorf("problems: %v", problems)
	}
	b.one.want(202, "POST", "/v1/clusters", body)
	if l := b.one.want(200, "POST", "/v1/clusters/preflight", with(body, object{"flavor_id": "nope"})).list("problems"); len(l) != 1 || l[0]["severity"] != "error" {
		t.Errorf("of a flavor that is not there: %v", l)
	}
	idle := b.one.template(object{"registry_enabled": true, "insecure_registry": "registry:5000", "volume_driver": "cinder"})
	all := fmt.Sprint(b.one.want(200, "POST", "/v1/clusters/preflight", object{"cluster_template_id": idle}).list("problems"))
	for _, name := range []string{"registry_enabled", "insecure_registry", "volume_driver"} {
		if !contains(all, "The "+name+" of the cluster template has no effect") {
			t.Errorf("nothing is said of %s: %s", name, all)
		}
	}
}
