package openstack

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"

	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
	"github.com/jeroboam-cloud/jeroboam/tests/guests"
	"github.com/jeroboam-cloud/jeroboam/tests/rig"
	"github.com/jeroboam-cloud/jeroboam/tests/stack"
)

// boot lets servers run what is in their user data, until the test ends.
func boot(t *testing.T) {
	t.Helper()
	system := testenv.Login(t, gophercloud.AuthOptions{Username: "admin", Password: testenv.Require(t, testenv.KeystoneAdminPassword), DomainName: "Default", Scope: &gophercloud.AuthScope{System: true}})
	hosts := guests.Run(t, testenv.KeystoneAdmin(t), testenv.Region, guests.Options{Speed: 20, Baremetal: system, Image: map[string]string{"kube_version": rig.Version, "os_distro": "ubuntu", "architecture": "x86_64"}})
	t.Cleanup(func() {
		if t.Failed() {
			for id, lines := range hosts.Consoles() {
				t.Logf("console of %s: %q", id, lines)
			}
		}
	})
}

// body of a request; a value that is nil leaves the field out.
func body(fields, more map[string]any) map[string]any {
	out := maps.Clone(fields)
	maps.Copy(out, more)
	maps.DeleteFunc(out, func(_ string, v any) bool { return v == nil })
	return out
}

// template makes the one that clusters of a test are made from.
func template(t *testing.T, x *stack.Tenant, more map[string]any) {
	t.Helper()
	x.Want(t, 201, "POST", "/v1/clustertemplates", body(map[string]any{"name": "k8s", "coe": "kubernetes", "image_id": rig.ImageName, "flavor_id": rig.Flavor,
		"master_flavor_id": rig.Flavor, "external_network_id": "public", "master_lb_enabled": true}, more))
}

// create makes a cluster and gives its UUID.
func create(t *testing.T, x *stack.Tenant, name string, more map[string]any) string {
	t.Helper()
	since := time.Now()
	a := x.Want(t, 202, "POST", "/v1/clusters", body(map[string]any{"name": name, "cluster_template_id": "k8s"}, more))
	x.Settled(t, name, "CREATE_COMPLETE", patience)
	took(t, "create of "+name, since)
	id, _ := a.JSON(t)["uuid"].(string)
	return id
}

// remove deletes one.
func remove(t *testing.T, x *stack.Tenant, ident string) {
	t.Helper()
	since := time.Now()
	x.Want(t, 204, "DELETE", "/v1/clusters/"+ident, nil)
	x.Gone(t, ident, patience)
	took(t, "delete of "+ident, since)
}

func took(t *testing.T, what string, since time.Time) {
	t.Helper()
	t.Logf("%s: %.0f s", what, time.Since(since).Seconds())
}

// nothing says that a project is as it was before.
func nothing(t *testing.T, left inventory) {
	t.Helper()
	if len(left) != 0 {
		t.Errorf("left in the cloud:\n%s", fmt.Sprint(left))
	}
}
