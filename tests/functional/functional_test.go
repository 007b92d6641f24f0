package functional

import (
	"testing"
	"time"

	"github.com/jeroboam-cloud/jeroboam/tests/stack"
)

const (
	image  = "ubuntu-24.04-kube-v1.37.2"
	flavor = "m1.medium"

	// settling is how long an operation may take: on an idle machine it is a few seconds.
	settling = 3 * time.Minute
)

// TestService runs everything against one service. Parts that wait for the cloud run beside each other, as tenants do.
func TestService(t *testing.T) {
	s := stack.Start(t, stack.Options{Speed: 20, Sections: []string{"[oslo_messaging_notifications]\ndriver = messagingv2"}})
	t.Run("protocol", func(t *testing.T) { protocol(t, s) })
	t.Run("bad input", func(t *testing.T) { badInput(t, s) })
	t.Run("together", func(t *testing.T) {
		t.Run("openstack coe", func(t *testing.T) { t.Parallel(); commands(t, s) })
		t.Run("failures", func(t *testing.T) { t.Parallel(); failures(t, s) })
		t.Run("notifications", func(t *testing.T) { t.Parallel(); notifications(t, s) })
	})
}

// template makes a cluster template and gives its UUID.
func template(t *testing.T, x *stack.Tenant, name string, more map[string]any) string {
	t.Helper()
	a := x.Want(t, 201, "POST", "/v1/clustertemplates", with(map[string]any{"name": name, "coe": "kubernetes", "image_id": image,
		"flavor_id": flavor, "master_flavor_id": flavor, "external_network_id": "public"}, more))
	id, _ := a.JSON(t)["uuid"].(string)
	return id
}

// with adds attributes to a body; nil takes one out.
func with(body, more map[string]any) map[string]any {
	out := map[string]any{}
	for _, m := range []map[string]any{body, more} {
		for k, v := range m {
			out[k] = v
			if v == nil {
				delete(out, k)
			}
		}
	}
	return out
}
