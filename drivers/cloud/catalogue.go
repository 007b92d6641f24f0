package cloud

import (
	"regexp"
	"slices"
	"strconv"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
)

// locate has the client look up endpoints by the URLs in the catalogue of its token. Its own way is to ask each service for
// its versions first: a call for every actor, which only says that the cloud is not ten years old.
func locate(p *gophercloud.ProviderClient) error {
	r, ok := p.GetAuthResult().(tokens.CreateResult)
	if !ok {
		return nil
	}
	c, err := r.ExtractServiceCatalog()
	if err != nil {
		return err
	}
	p.EndpointLocator = locator(c.Entries)
	return nil
}

// major is the version that a URL ends in, before the id of a project at most.
var major = regexp.MustCompile(`/v([0-9]+)(\.[0-9]+)?/([^/]+/)?$`)

// locator finds endpoints by type, region and interface: the first whose URL is of the version that is asked for, or else
// the first whose URL names none. A type has aliases, of which volumev2 and volumev3 may stand side by side.
func locator(catalogue []tokens.CatalogEntry) gophercloud.EndpointLocator {
	return func(eo gophercloud.EndpointOpts) (string, error) {
		unversioned := ""
		for _, entry := range catalogue {
			if !slices.Contains(eo.Types(), entry.Type) || (eo.Name != "" && eo.Name != entry.Name) {
				continue
			}
			for _, e := range entry.Endpoints {
				if string(eo.Availability) != e.Interface || (eo.Region != "" && eo.Region != e.Region && eo.Region != e.RegionID) {
					continue
				}
				url := gophercloud.NormalizeURL(e.URL)
				version := major.FindStringSubmatch(url)
				if eo.Version == 0 || version != nil && version[1] == strconv.Itoa(eo.Version) {
					return url, nil
				}
				if version == nil && unversioned == "" {
					unversioned = url
				}
			}
		}
		if unversioned == "" {
			return "", gophercloud.ErrEndpointNotFound{}
		}
		return unversioned, nil
	}
}
