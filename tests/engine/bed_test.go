package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jeroboam-cloud/jeroboam/conductor/ops"
	"github.com/jeroboam-cloud/jeroboam/db"
)

// TestMain lets many tests run side by side: nearly all of their time they wait for the simulated cloud.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "10"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// loopbacks are networks of this test alone: simulators of other tests run on the same loopback interface.
func loopbacks(t *testing.T) (public, lan string) {
	h := fnv.New32a()
	fmt.Fprintf(h, "%s %d", t.Name(), os.Getpid())
	n := h.Sum32()
	return fmt.Sprintf("127.%d.%d.0/24", 70+n%180, n>>8&0xfe), fmt.Sprintf("127.%d.%d.0/24", 70+n%180, n>>8&0xfe+1)
}

// web is how people reach the cloud by hand.
var web = &http.Client{Timeout: 30 * time.Second}

// person is somebody who uses the cloud by hand, next to us.
type person struct {
	b     *bed
	token string
}

// person logs in. Each of the simulator's users has a project of the same name.
func (b *bed) person(name string) person {
	b.t.Helper()
	domain := map[string]any{"name": "Default"}
	body := b.json(map[string]any{"auth": map[string]any{
		"identity": map[string]any{"methods": []string{"password"}, "password": map[string]any{"user": map[string]any{"name": name, "password": "secret", "domain": domain}}},
		"scope":    map[string]any{"project": map[string]any{"name": name, "domain": domain}}}})
	r, err := web.Post(b.cloud.AuthURL()+"/auth/tokens", "application/json", bytes.NewReader(body)) //nolint:noctx // a test's own server
	if err != nil {
		b.t.Fatal(err)
	}
	if err := r.Body.Close(); err != nil || r.StatusCode != http.StatusCreated {
		b.t.Fatalf("logging %s in: %s, %v", name, r.Status, err)
	}
	return person{b, r.Header.Get("X-Subject-Token")}
}

// do sends one request, gives the status, and reads the answer into out unless that is nil.
func (p person) do(method, path string, body, out any) int {
	p.b.t.Helper()
	var in io.Reader
	if body != nil {
		in = bytes.NewReader(p.b.json(body))
	}
	q, err := http.NewRequestWithContext(context.Background(), method, p.b.cloud.URL()+path, in)
	if err != nil {
		p.b.t.Fatal(err)
	}
	q.Header.Set("X-Auth-Token", p.token)
	q.Header.Set("Content-Type", "application/json")
	q.Header.Set("OpenStack-API-Version", "compute 2.73")
	r, err := web.Do(q)
	if err != nil {
		p.b.t.Fatal(err)
	}
	defer r.Body.Close()
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		p.b.t.Fatal(err)
	}
	if out != nil && r.StatusCode < http.StatusMultipleChoices {
		if err := json.Unmarshal(raw, out); err != nil {
			p.b.t.Fatalf("%s %s: %v: %s", method, path, err, raw)
		}
	}
	return r.StatusCode
}

// must is do for what has to succeed.
func (p person) must(method, path string, body, out any) {
	p.b.t.Helper()
	if status := p.do(method, path, body, out); status >= http.StatusMultipleChoices {
		p.b.t.Fatalf("%s %s: HTTP %d", method, path, status)
	}
}

// make makes an object, such as {"network": {…}}, and gives its id.
func (p person) make(path, kind string, fields map[string]any) string {
	p.b.t.Helper()
	var out map[string]struct{ ID string }
	p.must(http.MethodPost, path, map[string]any{kind: fields}, &out)
	if out[kind].ID == "" {
		p.b.t.Fatalf("POST %s gave no id", path)
	}
	return out[kind].ID
}

// recorded is what the ledger has of a kind.
func (b *bed) recorded(clusterUUID, kind string) []*db.Resource {
	b.t.Helper()
	all, err := b.store.Resources(context.Background(), clusterUUID)
	if err != nil {
		b.t.Fatal(err)
	}
	var l []*db.Resource
	for _, r := range all {
		if r.Kind == kind {
			l = append(l, r)
		}
	}
	return l
}

// completed makes a cluster and insists on success.
func (b *bed) completed(o order) string {
	b.t.Helper()
	id := b.order(o)
	b.reaches(id, ops.CreateComplete)
	return id
}

// reaches waits for the end of all operations and insists on the status.
func (b *bed) reaches(id, status string) *db.ClusterView {
	b.t.Helper()
	v := b.settle(id)
	if v == nil || v.Status != status {
		b.t.Fatalf("the cluster is not %s: %s\n%s", status, brief(v), b.events(id))
	}
	return v
}

func brief(v *db.ClusterView) string {
	if v == nil {
		return "it is gone"
	}
	reason := ""
	if v.StatusReason != nil {
		reason = *v.StatusReason
	}
	return strings.TrimSpace(v.Status + " " + reason)
}

// deleted deletes a cluster and insists on nothing being left, in rows and cloud.
func (b *bed) deleted(id string, stays ...string) {
	b.t.Helper()
	b.request(id, ops.ClusterDelete, "", nil)
	if v := b.settle(id); v != nil {
		b.t.Fatalf("after delete: %s\n%s", brief(v), b.events(id))
	}
	for _, kind := range b.rowsOf(id) {
		b.t.Errorf("after delete the ledger still has a %s", kind)
	}
	for kind, l := range b.cloud.Resources(b.project) {
		for _, x := range l {
			if cloudID, _, _ := strings.Cut(x, " "); !contains(stays, cloudID) {
				b.t.Errorf("left in the cloud: %s %s", kind, x)
			}
		}
	}
}

func contains(l []string, x string) bool {
	for _, y := range l {
		if x == y {
			return true
		}
	}
	return false
}

func (b *bed) rowsOf(id string) []string {
	b.t.Helper()
	all, err := b.store.Resources(context.Background(), id)
	if err != nil {
		b.t.Fatal(err)
	}
	var kinds []string
	for _, r := range all {
		kinds = append(kinds, r.Kind)
	}
	return kinds
}

// writes counts the requests to the cloud that change something; logins are none.
func (b *bed) writes() map[string]int {
	out := map[string]int{}
	for service, calls := range b.cloud.Calls() {
		for call, n := range calls {
			if !strings.HasPrefix(call, "GET ") && !strings.HasPrefix(call, "HEAD ") && !strings.Contains(call, "/auth/tokens") {
				out[service+" "+call] = n
			}
		}
	}
	return out
}
