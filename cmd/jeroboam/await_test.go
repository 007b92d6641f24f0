package main

import (
	"net/http"
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/containerinfra/v1/clusters"

	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

// awaitCluster waits for a status; "" is that the cluster is gone. A failure ends the test at once.
func awaitCluster(t *testing.T, p *person, id, want string) {
	t.Helper()
	what := want
	if what == "" {
		what = "the end of the cluster"
	}
	testenv.Eventually(t, startLimit, what, func() bool {
		c, err := clusters.Get(t.Context(), p.infra, id).Extract()
		switch {
		case gophercloud.ResponseCodeIs(err, http.StatusNotFound):
			if want != "" {
				t.Fatal("the cluster is gone")
			}
			return true
		case err != nil:
			t.Fatal(err)
		case c.Status == "CREATE_FAILED" || c.Status == "DELETE_FAILED":
			t.Fatalf("%s: %s", c.Status, c.StatusReason)
		}
		return c.Status == want
	})
}
