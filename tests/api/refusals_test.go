package api

import (
	"strings"
	"testing"
)

// refusal is a request that has to be refused, with a status and a part of the sentence that says why.
type refusal struct {
	name         string
	who          *client
	method, path string
	body         any
	status       int
	says         string
}

// refuse sends every one of them, and holds the answer to the form that errors have.
func refuse(t *testing.T, l []refusal) {
	t.Helper()
	for _, x := range l {
		t.Run(x.name, func(t *testing.T) {
			a := x.who.want(x.status, x.method, x.path, x.body)
			if d := a.detail(); !contains(d, x.says) || strings.ContainsRune(d, '\n') {
				t.Errorf("refused with %q, which does not say %q", d, x.says)
			}
			code := "client"
			if x.status == 406 {
				code = ""
			}
			e := a.list("errors")[0]
			if e["code"] != code || e["status"] != float64(x.status) || e["title"] == "" || e["request_id"] != a.header.Get("X-Openstack-Request-Id") {
				t.Errorf("the error is %v", e)
			}
			if kind := a.header.Get("Content-Type"); !strings.HasPrefix(kind, "application/json") {
				t.Errorf("Content-Type: %s", kind)
			}
		})
	}
}

// with is a body with some attributes replaced or added.
func with(body object, attributes object) object {
	out := object{}
	for _, m := range []object{body, attributes} {
		for k, v := range m {
			out[k] = v
		}
	}
	return out
}
