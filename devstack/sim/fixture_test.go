package sim

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/flavors"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"
	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/networks"
	"github.com/gophercloud/gophercloud/v2/pagination"
)

// Every test has its own addresses, for tests run side by side.
func start(t *testing.T, o Options) *Cloud {
	t.Helper()
	if o.PublicCIDR == "" {
		o.PublicCIDR, o.LANCIDR = "127.90.0.0/16", "127.91.0.0/16"
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if err := c.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	return c
}

// actor is a user with a client for every service.
type actor struct {
	provider                                                    *gophercloud.ProviderClient
	project                                                     string
	identity, compute, network, image, volume, balancer, secret *gophercloud.ServiceClient
}

func login(t *testing.T, c *Cloud, user, project string) *actor {
	t.Helper()
	a, err := authenticate(t.Context(), gophercloud.AuthOptions{
		IdentityEndpoint: c.AuthURL(), Username: user, Password: "secret", DomainName: "Default", AllowReauth: true,
		Scope: &gophercloud.AuthScope{ProjectName: project, DomainName: "Default"},
	})
	if err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	a.project = c.with("project", "name", project)[0].id
	return a
}

func authenticate(ctx context.Context, o gophercloud.AuthOptions) (*actor, error) {
	provider, err := openstack.AuthenticatedClient(ctx, o)
	if err != nil {
		return nil, err
	}
	a := &actor{provider: provider}
	for _, s := range []struct {
		client **gophercloud.ServiceClient
		make   func(*gophercloud.ProviderClient, gophercloud.EndpointOpts) (*gophercloud.ServiceClient, error)
	}{
		{&a.identity, openstack.NewIdentityV3}, {&a.compute, openstack.NewComputeV2}, {&a.network, openstack.NewNetworkV2}, {&a.image, openstack.NewImageV2},
		{&a.volume, openstack.NewBlockStorageV3}, {&a.balancer, openstack.NewLoadBalancerV2}, {&a.secret, openstack.NewKeyManagerV1},
	} {
		if *s.client, err = s.make(provider, gophercloud.EndpointOpts{}); err != nil {
			return nil, err
		}
	}
	a.compute.Microversion = "2.90"
	return a, nil
}

// must stops the test at an error.
func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// refused checks the status of a refusal, and that its body has the words in it.
func refused(t *testing.T, err error, status int, words string) {
	t.Helper()
	var code gophercloud.ErrUnexpectedResponseCode
	if !errors.As(err, &code) {
		t.Fatalf("got %v, want HTTP %d", err, status)
	}
	if code.Actual != status || !pattern(words)(string(code.Body)) {
		t.Fatalf("got HTTP %d %s, want %d %q", code.Actual, code.Body, status, words)
	}
}

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !f() {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
		<-time.After(2 * time.Millisecond)
	}
}

func pages(t *testing.T, p pagination.Pager) pagination.Page {
	t.Helper()
	return must[pagination.Page](t)(p.AllPages(t.Context()))
}

func (a *actor) networkID(t *testing.T, name string) string {
	t.Helper()
	l := must[[]networks.Network](t)(networks.ExtractNetworks(pages(t, networks.List(a.network, networks.ListOpts{Name: name}))))
	if len(l) != 1 {
		t.Fatalf("%d networks called %s", len(l), name)
	}
	return l[0].ID
}

func (a *actor) imageID(t *testing.T, name string) string {
	t.Helper()
	l := must[[]images.Image](t)(images.ExtractImages(pages(t, images.List(a.image, images.ListOpts{Name: name}))))
	if len(l) != 1 {
		t.Fatalf("%d images called %s", len(l), name)
	}
	return l[0].ID
}

func (a *actor) flavorID(t *testing.T, name string) string {
	t.Helper()
	for _, f := range must[[]flavors.Flavor](t)(flavors.ExtractFlavors(pages(t, flavors.ListDetail(a.compute, nil)))) {
		if f.Name == name {
			return f.ID
		}
	}
	t.Fatalf("no flavor called %s", name)
	return ""
}

// ask sends a request that no client library makes.
func ask(t *testing.T, method, url, body string, header map[string]string) (int, http.Header, []byte) {
	t.Helper()
	request := must[*http.Request](t)(http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body)))
	for key, value := range header {
		request.Header.Set(key, value)
	}
	client := &http.Client{Timeout: time.Minute}
	response, err := client.Do(request)
	ok(t, err)
	defer response.Body.Close()
	return response.StatusCode, response.Header, must[[]byte](t)(io.ReadAll(response.Body))
}
