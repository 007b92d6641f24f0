package kubernetes

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// course is when what happened on a host until its node was ready.
type course struct {
	name    string
	up      time.Time // systemd
	begun   time.Time // what makes the host a node
	joining time.Time // the API was found; zero on the host that makes it
	done    time.Time
	ready   time.Time // as the cluster says, to the second
}

// timeToReady compares the time of a create with its critical path: the boot of a host, kubeadm's init on it and the longest
// join, each as long as the hosts themselves say that it took. Nothing that waits for anything else is in that.
func (c *cluster) timeToReady() {
	c.Helper()
	created, finished := c.createTimes()
	var first course
	all := c.courses()
	for _, x := range all {
		if x.joining.IsZero() {
			first = x
		}
	}
	if first.name == "" {
		c.Fatalf("no host has made the cluster: %+v", all)
	}
	var longest, last course
	for _, x := range all {
		if x.name != first.name && x.ready.Sub(x.joining) > longest.ready.Sub(longest.joining) {
			longest = x
		}
		if x.ready.After(last.ready) {
			last = x
		}
	}
	boot, init, join := first.begun.Sub(first.up), first.done.Sub(first.begun), longest.ready.Sub(longest.joining)
	path, whole := boot+init+join, finished.Sub(created)
	c.Logf("%.1f s from the request to the end are %.2f times the critical path of %.1f s: boot %.1f, init %.1f, join %.1f", whole.Seconds(),
		whole.Seconds()/path.Seconds(), path.Seconds(), boot.Seconds(), init.Seconds(), join.Seconds())
	c.Logf("%.1f s until the first host booted; the API was found %.1f s after init; complete %.1f s after the last node was ready", first.up.Sub(created).Seconds(),
		longest.joining.Sub(first.done).Seconds(), finished.Sub(last.ready).Seconds())
	if path <= 0 || whole > 2*path {
		c.Errorf("what there is beside the critical path takes longer than the path: %+v", all)
	}
}

// createTimes are of the operation that made the cluster.
func (c *cluster) createTimes() (created, finished time.Time) {
	c.Helper()
	var out struct {
		Operations []struct {
			Kind       string
			CreatedAt  time.Time `json:"created_at"`
			FinishedAt time.Time `json:"finished_at"`
		}
	}
	if err := c.ask(c.infra, http.MethodGet, c.infra.ResourceBase+"clusters/"+c.id+"/operations", nil, &out); err != nil {
		c.Fatal(err)
	}
	for _, o := range out.Operations {
		if o.Kind == "cluster.create" {
			return o.CreatedAt, o.FinishedAt
		}
	}
	c.Fatalf("no operation has made the cluster: %+v", out)
	return created, finished
}

// courses of all hosts.
func (c *cluster) courses() []course {
	c.Helper()
	var list struct {
		Items []struct {
			Metadata struct{ Name string }
			Status   struct {
				Conditions []struct {
					Type               string
					LastTransitionTime time.Time
				}
			}
		}
	}
	if err := json.Unmarshal([]byte(c.do("get", "nodes", "-o", "json")), &list); err != nil {
		c.Fatal(err)
	}
	var out []course
	for _, i := range list.Items {
		x := c.course(i.Metadata.Name)
		for _, condition := range i.Status.Conditions {
			if condition.Type == "Ready" {
				x.ready = condition.LastTransitionTime
			}
		}
		out = append(out, x)
	}
	return out
}

// course of a host, by what systemd knows, when files were written, and its own log, which has whole seconds: a host that
// joins says that it reads the cluster's configuration as soon as it has found the API.
func (c *cluster) course(host string) course {
	c.Helper()
	const look = `systemctl show --timestamp=us+utc --property UserspaceTimestamp --value
stat --format %.Y /run/jeroboam-bootstrap.lock /var/lib/jeroboam/bootstrapped
if ! grep -q '^kind: InitConfiguration' /etc/kubernetes/kubeadm.yaml; then
	date --utc +%s.500000 --date "$(grep 'Reading configuration from the "kubeadm-config" ConfigMap' /var/log/jeroboam-bootstrap.log | tail -n 1 | cut -d ' ' -f 1)"
fi`
	out, err := c.on(host, "sh", "-c", look)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if err != nil || len(lines) < 3 {
		c.Fatalf("the course of %s: %v: %s", host, err, out)
	}
	x := course{name: host}
	if x.up, err = time.Parse("Mon 2006-01-02 15:04:05.999999 MST", lines[0]); err != nil {
		c.Fatal(err)
	}
	for i, at := range []*time.Time{&x.begun, &x.done, &x.joining} {
		if i+1 == len(lines) {
			break
		}
		seconds, err := strconv.ParseFloat(lines[i+1], 64)
		if err != nil {
			c.Fatal(err)
		}
		*at = time.UnixMicro(int64(seconds * 1e6))
	}
	return x
}
