//go:build model

package api

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/jeroboam-cloud/jeroboam/devstack/sim"
	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

// TestModel throws random requests and faults at a cluster, in any order and side by side, and holds what becomes of it to
// what must be so of every cluster, whatever was asked: see model_laws_test.go. `make test-model RUNS=n SEED=s` runs
// it, for which it has a build tag of its own: a run takes minutes. A failure names the steps that lead to it, as few
// as could be found.
func TestModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		steps := rapid.SliceOfN(stepGenerator(), 3, 10).Draw(rt, "steps")
		run := &scoped{TB: t, rt: rt}
		defer run.end()
		newModel(run).play(steps)
	})
}

// scoped is a test's TB for one run of the model: what is put off until the end is done at the end of the run, and a
// failure is the run's.
type scoped struct {
	testing.TB
	rt   *rapid.T
	ends []func()
}

func (s *scoped) Cleanup(f func())          { s.ends = append(s.ends, f) }
func (s *scoped) Fatal(args ...any)         { s.rt.Fatal(args...) }
func (s *scoped) Fatalf(f string, a ...any) { s.rt.Fatalf(f, a...) }
func (s *scoped) Error(args ...any)         { s.rt.Error(args...) }
func (s *scoped) Errorf(f string, a ...any) { s.rt.Errorf(f, a...) }
func (s *scoped) Log(args ...any)           { s.rt.Log(args...) }
func (s *scoped) Logf(f string, a ...any)   { s.rt.Logf(f, a...) }
func (s *scoped) Failed() bool              { return s.rt.Failed() }

func (s *scoped) end() {
	for _, f := range slices.Backward(s.ends) {
		f()
	}
}

// step is something that a user, an operator or fate does.
type step struct {
	what string
	n    int // which, or how many
}

func (s step) String() string { return fmt.Sprintf("%s %d", s.what, s.n) }

func stepGenerator() *rapid.Generator[step] {
	return rapid.Custom(func(t *rapid.T) step {
		return step{rapid.SampledFrom([]string{
			"resize", "resize", "resize masters", "add group", "add group", "resize group", "drop group", "label group", "upgrade", "upgrade group",
			"rotate ca", "rotate credential", "hibernate", "resume", "cancel", "retry", "rollback", "fault", "lost answer", "well", "settle", "settle", "restart",
		}).Draw(t, "what"), rapid.IntRange(0, 3).Draw(t, "n")}
	})
}

// model is a cluster and those who act on it.
type model struct {
	*bed
	id, path  string
	next      string // the template that upgrades lead to
	groups    int    // made so far
	conductor func() // stops it
}

func newModel(t testing.TB) *model {
	m := &model{bed: newBed(t)}
	old := m.one.template(object{"name": "old", "image_id": "ubuntu-24.04-kube-v1.36.6", "master_lb_enabled": true})
	m.next = m.one.template(object{"name": "next", "master_lb_enabled": true})
	m.conductor = m.work()
	m.id = m.one.cluster(old, nil)
	m.path = "/v1/clusters/" + m.id
	m.one.await(m.id, "CREATE_COMPLETE")
	return m
}

// play does the steps, then lets the cloud be well, repairs what failed by retries alone, and deletes.
func (m *model) play(steps []step) {
	for _, s := range steps {
		m.act(s)
		if m.t.Failed() {
			return
		}
	}
	m.Cloud.ClearFaults()
	m.settle()
	m.lawful()
	m.mend()
	m.one.want(204, "DELETE", m.path, nil)
	m.settle()
	if a := m.one.do("GET", m.path, nil); a.status != 404 {
		m.t.Errorf("after its delete the cluster answers HTTP %d: %s", a.status, a.body)
	}
	if left := m.Left(); len(left) > 0 {
		m.t.Errorf("left in the cloud: %v", left)
	}
	m.verdicts()
}

func (m *model) act(s step) {
	switch s.what {
	case "resize":
		m.ask("POST", "/actions/resize", object{"node_count": s.n})
	case "resize masters":
		m.ask("POST", "/actions/resize", object{"node_count": 1 + s.n%2*2, "nodegroup": "default-master"})
	case "add group":
		m.groups++
		m.ask("POST", "/nodegroups", object{"name": fmt.Sprint("pool-", m.groups), "node_count": s.n % 3})
	case "resize group":
		m.ask("POST", "/actions/resize", object{"node_count": s.n, "nodegroup": m.pool(s.n)})
	case "drop group":
		m.ask("DELETE", "/nodegroups/"+m.pool(s.n), nil)
	case "label group":
		m.ask("PATCH", "/nodegroups/"+m.pool(s.n), []object{op("replace", "/node_labels", object{"step": fmt.Sprint(s.n)})})
	case "upgrade":
		m.ask("POST", "/actions/upgrade", object{"cluster_template": m.next, "max_batch_size": 1 + s.n})
	case "upgrade group":
		m.ask("POST", "/actions/upgrade", object{"cluster_template": m.next, "nodegroup": m.pool(s.n)})
	case "rotate ca":
		m.askAt("PATCH", "/v1/certificates/"+m.id, object{})
	case "rotate credential":
		m.askAt("PATCH", "/v1/credentials/"+m.id, object{})
	case "hibernate", "resume":
		m.ask("POST", "/actions/"+s.what, object{})
	case "cancel", "retry", "rollback":
		m.ask("POST", "/operations/"+m.newest()+"/actions/"+s.what, nil)
	case "settle":
		m.settle()
		m.lawful()
	case "restart":
		m.conductor()
		m.conductor = m.work()
	default:
		m.fate(s)
	}
}

// fate is what goes wrong in the cloud, and that it gets well again.
func (m *model) fate(s step) {
	rule := sim.Rule{Service: "compute", Method: "POST", PathRegexp: "/servers$", Nth: 1 + s.n%2, Times: 1}
	switch s.what {
	case "fault":
		rule.Action.Fault = "No valid host was found."
		if s.n > 1 {
			rule = sim.Rule{Service: "network", Method: "POST", PathRegexp: "/ports$", Times: s.n, Action: sim.Action{Status: 503}}
		}
	case "lost answer":
		rule.Method, rule.Action.Lose = "", sim.LoseDrop
		if s.n > 1 {
			rule.PathRegexp = "/servers/"
		}
	case "well":
		m.Cloud.ClearFaults()
		return
	default:
		m.t.Fatalf("the model does not know how to %s", s)
	}
	if err := m.Cloud.Inject(rule); err != nil {
		m.t.Fatal(err)
	}
}

// pool names one of the node groups that were made, or one that never was.
func (m *model) pool(n int) string { return fmt.Sprint("pool-", 1+n%max(m.groups, 1)) }

// ask asks something of the cluster. It may be refused, in words, but the service never fails.
func (m *model) ask(method, path string, body any) { m.askAt(method, m.path+path, body) }

func (m *model) askAt(method, path string, body any) {
	a := m.one.do(method, path, body)
	switch {
	case a.status >= 500:
		m.t.Errorf("%s %s: HTTP %d: %s", method, path, a.status, a.body)
	case a.status >= 400 && strings.TrimSpace(a.detail()) == "":
		m.t.Errorf("%s %s: HTTP %d without a word", method, path, a.status)
	}
	m.t.Logf("%s %s %v: HTTP %d %s", method, path, body, a.status, a.body)
}

// newest operation of the cluster.
func (m *model) newest() string {
	return m.one.want(200, "GET", m.path+"/operations?limit=1", nil).list("operations")[0]["uuid"].(string)
}

// settle waits until nothing is under way.
func (m *model) settle() {
	m.t.Helper()
	ended := false
	defer func() {
		if !ended {
			m.story()
		}
	}()
	testenv.Eventually(m.t, 2*patience, "all operations to end", func() bool {
		return len(m.one.want(200, "GET", m.path+"/operations?active=true", nil).list("operations")) == 0
	})
	ended = true
}

// story logs what the cluster tells of itself.
func (m *model) story() {
	m.t.Helper()
	for _, o := range m.one.want(200, "GET", m.path+"/operations", nil).list("operations") {
		m.t.Logf("operation %v of %v: %v, %v–%v %v", o["kind"], o["nodegroup_id"], o["status"], o["started_at"], o["finished_at"], o["error"])
	}
	for _, e := range m.one.want(200, "GET", m.path+"/events?limit=1000", nil).list("events") {
		m.t.Logf("%v %v %v: %v", e["time"], e["level"], e["step"], e["message"])
	}
}

// mend retries what failed last until nothing has: in a cloud that is well a retry works from whatever an operation left.
func (m *model) mend() {
	for range 12 {
		a := m.one.want(200, "GET", m.path, nil)
		if strings.HasSuffix(a.text("status"), "_COMPLETE") {
			return
		}
		failed := m.unmended()
		if failed == "" {
			m.t.Errorf("the cluster is %s (%s) and there is nothing to retry", a.text("status"), a.text("status_reason"))
			return
		}
		if r := m.one.do("POST", m.path+"/operations/"+failed+"/actions/retry", nil); r.status != 202 {
			if !contains(r.detail(), "newer operation") {
				m.t.Errorf("a retry of what failed last is refused: HTTP %d %s", r.status, r.detail())
				return
			}
			m.resizeFailed() // so it is not repeated but asked for anew
		}
		m.settle()
	}
	a := m.one.want(200, "GET", m.path, nil)
	m.t.Errorf("in spite of retries the cluster is %s: %s", a.text("status"), a.text("status_reason"))
}

// resizeFailed asks once more for the nodes of the groups that lack some. Where the cluster has gone to rest half-way, it is
// woken up, as the refusal says.
func (m *model) resizeFailed() {
	m.t.Helper()
	if r := m.one.do("POST", m.path+"/actions/resume", object{}); r.status == 202 {
		return
	} else if !contains(r.detail(), "is not hibernated") {
		m.t.Errorf("a resume is refused: HTTP %d %s", r.status, r.detail())
	}
	for _, g := range m.one.want(200, "GET", m.path+"/nodegroups", nil).list("nodegroups") {
		if strings.HasSuffix(fmt.Sprint(g["status"]), "_FAILED") {
			m.one.want(202, "POST", m.path+"/actions/resize", object{"node_count": g["node_count"], "nodegroup": g["name"]})
		}
	}
}

// unmended is the newest operation that failed, or was cancelled, and was not followed by one of its own kind that did not.
func (m *model) unmended() string {
	done := map[string]bool{}
	for _, o := range m.one.want(200, "GET", m.path+"/operations", nil).list("operations") {
		key := fmt.Sprint(o["kind"], o["nodegroup_id"])
		if o["status"] == "complete" {
			done[key] = true
		}
		if (o["status"] == "failed" || o["status"] == "cancelled") && !done[key] {
			return o["uuid"].(string)
		}
	}
	return ""
}
