package sim

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// call is one request.
type call struct {
	*Cloud
	svc    *service
	r      *http.Request
	url    string // of the cloud, as the caller reaches it
	query  url.Values
	raw    []byte
	body   doc
	token  *token
	action Action // what goes wrong with it

	status int         // of success, when not the route's
	header http.Header // of the answer
}

// reachedAt is the cloud's root under the address that a request was sent to: hosts reach it by another one than this machine.
func (c *Cloud) reachedAt(r *http.Request) string {
	if r.Host == "" { // of HTTP 1.0
		return c.URL()
	}
	return "http://" + r.Host
}

func (q *call) arg(name string) string { return q.r.PathValue(name) }

func (q *call) admin() bool { return q.token.has("admin") }

func (q *call) project() string { return q.token.projectID }

// input returns the object in the body under a name.
func (q *call) input(name string) (doc, error) {
	in := q.body.sub(name)
	if in == nil {
		return nil, badRequest("Invalid input: '%s' is a required property", name)
	}
	return in, nil
}

// ownerOf is the project that a new object belongs to: an administrator may name another one.
func (q *call) ownerOf(in doc) (string, error) {
	for _, key := range []string{"project_id", "tenant_id"} {
		if p := in.str(key); p != "" && p != q.project() {
			if !q.admin() {
				return "", fail(http.StatusForbidden, "PolicyNotAuthorized", "The resource could not be created for project %s: not authorized", p)
			}
			return p, nil
		}
	}
	return q.project(), nil
}

// sees tells whether the caller may know about an object.
func (q *call) sees(o *object) bool {
	return o.project == q.project() || q.admin() || o.doc.flag("shared", false) || o.doc.flag("router:external", false)
}

// microversion returns the minor version that the request asks for; the lowest without: Manila's is 0, others' 1.
func (q *call) microversion() int {
	if q.svc.kind == "baremetal" {
		n, _ := q.ironicVersion()
		return n
	}
	header := "X-OpenStack-Nova-API-Version"
	if q.svc.kind == "shared-file-system" {
		header = shareVersionHeader
	}
	v := q.r.Header.Get(header)
	for _, h := range q.r.Header.Values("OpenStack-API-Version") {
		for part := range strings.SplitSeq(h, ",") {
			if name, version, ok := strings.Cut(strings.TrimSpace(part), " "); ok && name == q.svc.kind {
				v = version
			}
		}
	}
	if v == "latest" {
		return maxMinor[q.svc.kind]
	}
	_, minor, _ := strings.Cut(v, ".")
	n, err := strconv.Atoi(minor)
	if err != nil && q.svc.kind == "shared-file-system" {
		return 0
	}
	if err != nil {
		return 1
	}
	return n
}

// own finds an object that the caller may change; others' are not found.
func (q *call) own(kind, id string) *object {
	if o := q.get(kind, id); o != nil && (o.project == q.project() || q.admin()) {
		return o
	}
	return nil
}

// seen finds an object that the caller may look at.
func (q *call) seen(kind, id string) *object {
	if o := q.get(kind, id); o != nil && q.sees(o) {
		return o
	}
	return nil
}

// over tells whether the project would have more of something than its quota allows.
func (q *call) over(quota, project string, used, more int) bool {
	limit := q.quota(project, quota)
	return limit >= 0 && used+more > limit
}

// start schedules the end of what a request starts: done, or failed when that was injected, or neither when it is to get
// stuck.
func (q *call) start(d time.Duration, done func(), failed func(message string)) {
	action := q.action
	if action.Stuck {
		return
	}
	q.after(d, func() {
		if action.Fault != "" {
			failed(action.Fault)
			return
		}
		done()
	})
}
