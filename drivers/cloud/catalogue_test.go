package cloud

import (
	"testing"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
)

func TestLocator(t *testing.T) {
	at := func(region, url string) tokens.Endpoint {
		return tokens.Endpoint{Interface: "public", Region: region, RegionID: region, URL: url}
	}
	find := locator([]tokens.CatalogEntry{
		{Type: "volumev2", Endpoints: []tokens.Endpoint{at("one", "http://cinder/v2/p")}},
		{Type: "volumev3", Endpoints: []tokens.Endpoint{at("two", "http://elsewhere/v3/p"), at("one", "http://cinder/v3/p")}},
		{Type: "compute", Endpoints: []tokens.Endpoint{at("one", "http://nova/v2.1")}},
		{Type: "network", Endpoints: []tokens.Endpoint{at("one", "http://neutron:9696")}},
		{Type: "identity", Endpoints: []tokens.Endpoint{at("one", "http://keystone/v3")}},
	})
	for _, x := range []struct {
		kind    string
		aliases []string
		version int
		region  string
		want    string
	}{
		{"block-storage", []string{"volumev3", "volumev2"}, 3, "one", "http://cinder/v3/p/"},
		{"block-storage", []string{"volumev3", "volumev2"}, 2, "one", "http://cinder/v2/p/"},
		{"block-storage", []string{"volumev3", "volumev2"}, 3, "", "http://elsewhere/v3/p/"},
		{"compute", nil, 2, "one", "http://nova/v2.1/"},
		{"compute", nil, 2, "three", ""},
		{"network", nil, 2, "one", "http://neutron:9696/"},
		{"identity", nil, 0, "one", "http://keystone/v3/"},
		{"load-balancer", nil, 2, "one", ""},
	} {
		got, err := find(gophercloud.EndpointOpts{Type: x.kind, Aliases: x.aliases, Version: x.version, Region: x.region, Availability: gophercloud.AvailabilityPublic})
		if got != x.want || (err == nil) != (x.want != "") {
			t.Errorf("%s of version %d in region %q: %q, %v", x.kind, x.version, x.region, got, err)
		}
		if x.want == "" && !IsNoEndpoint(wrap(x.kind, err, "looking")) {
			t.Errorf("%s: %v is not told as a service that is not there", x.kind, err)
		}
	}
}
