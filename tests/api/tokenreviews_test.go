package api

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func review(token string) object {
	return object{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "metadata": object{"creationTimestamp": nil}, "spec": object{"token": token, "audiences": []string{"https://kubernetes.default.svc"}}}
}

// TestTokenReview: who comes to a cluster with which token, and as whom.
func TestTokenReview(t *testing.T) {
	b := newBed(t)
	b.server.Defaults.ContainerInfraURL = "https://containers.example.org/v1/"
	template := b.one.template(nil)
	id := b.one.cluster(template, object{"labels": object{"keystone_auth_enabled": "true"}})
	if s := b.specOf(id); s.ContainerInfraURL != "https://containers.example.org" || !s.Has("keystone-auth") {
		t.Errorf("the cluster: %+v", s)
	}
	without := b.one.cluster(template, nil)
	if s := b.specOf(without); s.ContainerInfraURL != "" || s.Has("keystone-auth") {
		t.Errorf("the cluster without: %+v", s)
	}
	path := "/v1/clusters/" + id + "/tokenreviews"
	reader := b.person("watcher", "reader", "demo")
	api := *b.one
	api.token, api.version = "", "" // an API server has no token of its own
	for _, tc := range []struct {
		name, path, token string
		want              object
	}{
		{"a member", path, b.one.token, object{"authenticated": true, "user": object{"username": "keystone:demo@default", "uid": b.one.user, "groups": []any{"keystone:member", "keystone:reader"}}}},
		{"a reader", path, reader.token, object{"authenticated": true, "user": object{"username": "keystone:watcher@default", "uid": reader.user, "groups": []any{"keystone:reader"}}}},
		{"somebody of another project", path, b.other.token, object{"user": object{}, "error": "The token is not one for this cluster's project."}},
		{"an administrator of another project", path, b.admin.token, object{"user": object{}, "error": "The token is not one for this cluster's project."}},
		{"no token of Keystone's", path, "nonsense", object{"user": object{}, "error": "Keystone does not know the token, or it has expired."}},
		{"a cluster that takes none", strings.Replace(path, id, without, 1), b.one.token, object{"user": object{}, "error": "The token is not one for this cluster's project."}},
		{"no cluster", strings.Replace(path, id[:8], "00000000", 1), b.one.token, object{"user": object{}, "error": "The token is not one for this cluster's project."}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := api.want(200, "POST", tc.path, review(tc.token)).json()
			if d := cmp.Diff(object{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": tc.want}, got); d != "" {
				t.Errorf("(-want +got):\n%s", d)
			}
		})
	}
	for _, wrong := range []any{nil, "{", object{}, object{"apiVersion": "authentication.k8s.io/v1beta1", "kind": "TokenReview", "spec": object{"token": b.one.token}}, object{"apiVersion": "authentication.k8s.io/v1", "kind": "SubjectAccessReview"}} {
		api.want(400, "POST", path, wrong)
	}
	api.want(404, "POST", "/v1/clusters/by-name/tokenreviews", review(b.one.token))
}

// TestTokenReviewNeedsAnAddress: where nobody says how clusters reach this service the label is told to have no effect.
func TestTokenReviewNeedsAnAddress(t *testing.T) {
	b := newBed(t)
	b.server.Catalogue = catalogue{"v1.37": {"calico"}} // which has nothing to do with it
	body := object{"name": "c", "cluster_template_id": b.one.template(nil), "labels": object{"keystone_auth_enabled": "true"}}
	told := b.one.want(200, "POST", "/v1/clusters/preflight", body).body
	if !strings.Contains(string(told), "Label keystone_auth_enabled has no effect: Keystone's catalogue has no public address of this service.") {
		t.Errorf("preflight says %s", told)
	}
	id := b.one.want(202, "POST", "/v1/clusters", body).text("uuid")
	if s := b.specOf(id); s.Has("keystone-auth") {
		t.Errorf("the cluster: %+v", s)
	}
	b.Cloud.RegisterEndpoint("container-infra", "magnum", "https://catalogue.example.org/v1")
	again := b.login("demo")
	if s := b.specOf(again.want(202, "POST", "/v1/clusters", object{"name": "d", "cluster_template_id": body["cluster_template_id"], "labels": body["labels"]}).text("uuid")); !s.Has("keystone-auth") || s.ContainerInfraURL != "https://catalogue.example.org" {
		t.Errorf("with an address in the catalogue: %+v", s)
	}
}
