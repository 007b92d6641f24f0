package contract

import (
	"net/http"
	"testing"

	"github.com/google/uuid"
	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/placement/v1/resourceproviders"
)

// TestPlacement holds the simulator alone: nothing of ours asks Placement, but clients of clouds do.
func TestPlacement(t *testing.T) {
	b := newBed(t)
	ctx := t.Context()
	admin, err := openstack.NewPlacementV1(b.admin, gophercloud.EndpointOpts{})
	b.must(err)
	list := func() []resourceproviders.ResourceProvider {
		pages, err := resourceproviders.List(admin, resourceproviders.ListOpts{}).AllPages(ctx)
		b.must(err)
		l, err := resourceproviders.ExtractResourceProviders(pages)
		b.must(err)
		return l
	}
	for _, p := range list() {
		if p.RootProviderUUID != "" {
			t.Errorf("a provider in the lowest microversion: %+v", p)
		}
	}
	admin.Microversion = "1.14" // from here on providers are trees
	providers := list()
	if len(providers) == 0 {
		t.Fatal("there is no resource provider")
	}
	for _, p := range providers {
		if p.UUID == "" || p.Name == "" || p.RootProviderUUID != p.UUID {
			t.Errorf("a provider: %+v", p)
		}
		got, err := resourceproviders.GetInventories(ctx, admin, p.UUID).Extract()
		b.must(err)
		for _, class := range []string{"VCPU", "MEMORY_MB", "DISK_GB"} {
			if i := got.Inventories[class]; i.Total == 0 || i.MaxUnit == 0 || i.AllocationRatio == 0 {
				t.Errorf("%s of %s: %+v", class, p.Name, i)
			}
		}
	}
	_, err = resourceproviders.GetInventories(ctx, admin, uuid.NewString()).Extract()
	if !gophercloud.ResponseCodeIs(err, http.StatusNotFound) {
		t.Errorf("a provider that is not there: %v", err)
	}
	name, password := "contract-"+uuid.NewString(), uuid.NewString()
	b.newProject(name, password)
	tenant, err := openstack.NewPlacementV1(b.provider(name, password, name), gophercloud.EndpointOpts{})
	b.must(err)
	_, err = resourceproviders.List(tenant, resourceproviders.ListOpts{}).AllPages(ctx)
	if !gophercloud.ResponseCodeIs(err, http.StatusForbidden) {
		t.Errorf("a member asks for what the cloud has: %v", err)
	}
}
