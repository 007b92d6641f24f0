package api

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"

	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
	"github.com/jeroboam-cloud/jeroboam/tests/openapi"
)

const patience = 60 * time.Second

type object = map[string]any

// client is a user of the API. Every request of every test goes through do.
type client struct {
	t                   testing.TB
	url, token, version string
	project, user       string
}

var web = &http.Client{Timeout: 30 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

func (c *client) whoami(p *gophercloud.ProviderClient) (project, user string) {
	r, ok := p.GetAuthResult().(tokens.CreateResult)
	if !ok {
		c.t.Fatal("the login has another form than expected")
	}
	x, err := r.ExtractProject()
	if err != nil {
		c.t.Fatal(err)
	}
	u, err := r.ExtractUser()
	if err != nil {
		c.t.Fatal(err)
	}
	return x.ID, u.ID
}

// at is the client with another microversion; "" sends none.
func (c *client) at(version string) *client {
	x := *c
	if x.version = version; version != "" {
		x.version = "container-infra " + version
	}
	return &x
}

// answer is what came back.
type answer struct {
	t      testing.TB
	status int
	header http.Header
	body   []byte
}

// do sends one request. A body that is text goes as it is, anything else as JSON. Headers come in pairs.
func (c *client) do(method, path string, body any, headers ...string) answer {
	c.t.Helper()
	var in []byte
	switch b := body.(type) {
	case nil:
	case string:
		in = []byte(b)
	default:
		var err error
		if in, err = json.Marshal(b); err != nil {
			c.t.Fatal(err)
		}
	}
	q, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, bytes.NewReader(in))
	if err != nil {
		c.t.Fatal(err)
	}
	if c.token != "" {
		q.Header.Set("X-Auth-Token", c.token)
	}
	if c.version != "" {
		q.Header.Set("OpenStack-API-Version", c.version)
	}
	if body != nil {
		q.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		q.Header.Set(headers[i], headers[i+1])
	}
	r, err := web.Do(q)
	if err != nil {
		c.t.Fatal(err)
	}
	defer r.Body.Close()
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	openapi.Check(c.t, openapi.Exchange{Method: method, URL: c.url + unmounted(path), Header: q.Header, Body: in, Status: r.StatusCode, AnswerHeader: r.Header, Answer: raw})
	return answer{c.t, r.StatusCode, r.Header, raw}
}

// unmounted is a path without the prefix of the proxy.
func unmounted(path string) string {
	if path == mount {
		return "/"
	}
	if rest, ok := strings.CutPrefix(path, mount+"/"); ok {
		return "/" + rest
	}
	return path
}

// want is do for an answer with this status.
func (c *client) want(status int, method, path string, body any, headers ...string) answer {
	c.t.Helper()
	a := c.do(method, path, body, headers...)
	if a.status != status {
		c.t.Fatalf("%s %s: HTTP %d, expected %d: %s", method, path, a.status, status, a.body)
	}
	return a
}

// json is the body as an object.
func (a answer) json() object {
	a.t.Helper()
	m := object{}
	if err := json.Unmarshal(a.body, &m); err != nil {
		a.t.Fatalf("no JSON object (HTTP %d): %s", a.status, a.body)
	}
	return m
}

// text is an attribute that has to be text.
func (a answer) text(name string) string {
	a.t.Helper()
	s, ok := a.json()[name].(string)
	if !ok {
		a.t.Fatalf("%s is no text: %s", name, a.body)
	}
	return s
}

// list is an attribute that has to be a list of objects.
func (a answer) list(name string) []object {
	a.t.Helper()
	var doc map[string]json.RawMessage
	var l []object
	if json.Unmarshal(a.body, &doc) != nil || json.Unmarshal(doc[name], &l) != nil || l == nil {
		a.t.Fatalf("%s is no list of objects: %s", name, a.body)
	}
	return l
}

// detail is the sentence of an error.
func (a answer) detail() string {
	a.t.Helper()
	l := a.list("errors")
	if len(l) != 1 {
		a.t.Fatalf("no error of ours: %s", a.body)
	}
	s, _ := l[0]["detail"].(string)
	return s
}

// template makes one that clusters can be made of. Attributes replace or add to its own.
func (c *client) template(attributes object) string {
	c.t.Helper()
	body := object{"name": "k8s", "coe": "kubernetes", "image_id": "ubuntu-24.04-kube-v1.37.2", "external_network_id": "public", "flavor_id": "m1.medium",
		"master_flavor_id": "m1.medium", "network_driver": "calico", "dns_nameserver": "8.8.8.8"}
	for k, v := range attributes {
		body[k] = v
	}
	return c.want(201, "POST", "/v1/clustertemplates", body).text("uuid")
}

// cluster asks for one with one control plane and one worker.
func (c *client) cluster(template string, attributes object) string {
	c.t.Helper()
	body := object{"name": "dev", "cluster_template_id": template}
	for k, v := range attributes {
		body[k] = v
	}
	return c.want(202, "POST", "/v1/clusters", body).text("uuid")
}

// await waits until a cluster has a status; "" is that it is gone.
func (c *client) await(id, status string) {
	c.t.Helper()
	testenv.Eventually(c.t, patience, "cluster "+id+" to be "+status, func() bool {
		a := c.do("GET", "/v1/clusters/"+id, nil)
		if a.status == http.StatusNotFound {
			return status == ""
		}
		got := a.text("status")
		if strings.HasSuffix(got, "_FAILED") && got != status {
			c.t.Fatalf("the cluster is %s: %s", got, a.body)
		}
		return got == status
	})
}
