package main

import (
	"context"
	"fmt"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/endpoints"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/services"
)

// serviceType is what clients look for in the catalogue.
const serviceType = "container-infra"

// catalogue makes the service and its endpoints in the region.
func (r *registration) catalogue(ctx context.Context, k *keystone) error {
	id, err := r.service(ctx, k)
	if err != nil {
		return err
	}
	pages, err := endpoints.List(k.ServiceClient, endpoints.ListOpts{ServiceID: id, RegionID: r.region}).AllPages(ctx)
	if err != nil {
		return fmt.Errorf("listing endpoints: %w", err)
	}
	there, err := endpoints.ExtractEndpoints(pages)
	if err != nil {
		return fmt.Errorf("listing endpoints: %w", err)
	}
	internal := r.internal
	if internal == "" {
		internal = r.public
	}
	for _, want := range []struct {
		kind gophercloud.Availability
		url  string
	}{{gophercloud.AvailabilityPublic, r.public}, {gophercloud.AvailabilityInternal, internal}, {gophercloud.AvailabilityAdmin, r.admin}} {
		if want.url == "" {
			continue
		}
		if err := r.endpoint(ctx, k, there, endpoints.CreateOpts{Availability: want.kind, Region: r.region, ServiceID: id, URL: want.url}); err != nil {
			return err
		}
	}
	return nil
}

// service finds the one with the name, or makes it.
func (r *registration) service(ctx context.Context, k *keystone) (string, error) {
	pages, err := services.List(k.ServiceClient, services.ListOpts{ServiceType: serviceType, Name: r.name}).AllPages(ctx)
	if err != nil {
		return "", fmt.Errorf("listing services: %w", err)
	}
	l, err := services.ExtractServices(pages)
	if err != nil {
		return "", fmt.Errorf("listing services: %w", err)
	}
	if len(l) > 0 {
		k.say(false, "service %s of type %s", r.name, serviceType)
		return l[0].ID, nil
	}
	s, err := services.Create(ctx, k.ServiceClient, services.CreateOpts{Type: serviceType,
		Extra: map[string]any{"name": r.name, "description": "Managed Kubernetes"}}).Extract()
	if err != nil {
		return "", fmt.Errorf("creating service %s: %w", r.name, err)
	}
	k.say(true, "service %s of type %s", r.name, serviceType)
	return s.ID, nil
}

// endpoint makes one, or moves it when that was asked for: what leads elsewhere may be a Magnum that people use.
func (r *registration) endpoint(ctx context.Context, k *keystone, there []endpoints.Endpoint, want endpoints.CreateOpts) error {
	what := fmt.Sprintf("%s endpoint %s in region %s", want.Availability, want.URL, want.Region)
	for _, e := range there {
		switch {
		case e.Availability != want.Availability:
			continue
		case e.URL == want.URL:
			k.say(false, "%s", what)
			return nil
		case !r.replace:
			return fmt.Errorf("the %s endpoint of service %s in region %s is %s: --replace moves it", want.Availability, r.name, want.Region, e.URL)
		}
		if _, err := endpoints.Update(ctx, k.ServiceClient, e.ID, endpoints.UpdateOpts{URL: want.URL}).Extract(); err != nil {
			return fmt.Errorf("moving the %s endpoint from %s: %w", want.Availability, e.URL, err)
		}
		fmt.Fprintf(k.w, "moved   %s, which was %s\n", what, e.URL)
		return nil
	}
	if _, err := endpoints.Create(ctx, k.ServiceClient, want).Extract(); err != nil {
		return fmt.Errorf("creating the %s: %w", what, err)
	}
	k.say(true, "%s", what)
	return nil
}
