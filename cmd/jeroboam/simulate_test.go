package main

import (
	"context"
	"net/http"
	"regexp"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"

	"github.com/jeroboam-cloud/jeroboam/internal/testenv"
)

func TestSimulate(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out, errs buffer
	code := make(chan int, 1)
	go func() {
		code <- shell{&out, &errs}.run(ctx, []string{"simulate", "--listen", "127.0.0.1:0", "--quota", "instances=3", "--password", "open sesame",
			"--container-infra-url", "http://127.0.0.1:9511/v1"})
	}()
	var found []string
	testenv.Eventually(t, 30*time.Second, "the address of Keystone", func() bool {
		found = regexp.MustCompile(`Keystone is (http://\S+)`).FindStringSubmatch(out.String())
		return found != nil
	})
	p, err := openstack.AuthenticatedClient(t.Context(), gophercloud.AuthOptions{IdentityEndpoint: found[1], Username: "demo", Password: "open sesame",
		DomainName: "Default", Scope: &gophercloud.AuthScope{ProjectName: "demo", DomainName: "Default"}})
	if err != nil {
		t.Fatal(err)
	}
	c, err := openstack.NewContainerInfraV1(p, gophercloud.EndpointOpts{})
	if err != nil || c.Endpoint != "http://127.0.0.1:9511/v1/" {
		t.Errorf("the catalogue has container-infra at %q, %v", c.Endpoint, err)
	}
	nova, err := openstack.NewComputeV2(p, gophercloud.EndpointOpts{})
	if err != nil {
		t.Fatal(err)
	}
	var limits struct {
		Limits struct {
			Absolute struct{ MaxTotalInstances int }
		}
	}
	answer, err := nova.Get(t.Context(), nova.ServiceURL("limits"), &limits, &gophercloud.RequestOpts{OkCodes: []int{http.StatusOK}})
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if got := limits.Limits.Absolute.MaxTotalInstances; got != 3 {
		t.Errorf("the quota is %d servers, expected 3", got)
	}
	cancel()
	if c := <-code; c != 0 {
		t.Errorf("exit code %d: %s", c, errs.String())
	}
}
