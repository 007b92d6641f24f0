package cloud

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/identity/v3/tokens"
	"github.com/gophercloud/gophercloud/v2/openstack/sharedfilesystems/v2/sharetypes"
)

const sharedFileSystem = "shared-file-system"

// Share is Manila for one actor.
type Share struct{ c *gophercloud.ServiceClient }

// Share is Manila.
func (c *Clients) Share() (*Share, error) {
	s, err := c.service(sharedFileSystem, openstack.NewSharedFileSystemV2)
	return &Share{s}, err
}

// ShareType is a kind of shares.
type ShareType struct {
	Name string
	// OwnServers: each share network has servers of its own, so a share of this type wants one.
	OwnServers bool
	// Protocols that its shares can have, in capital letters; empty: nothing is said about them. Manila tells them to
	// administrators alone.
	Protocols []string
}

// Types lists the share types that the actor may use: those for all, and those that its project was given. The lowest
// microversion has all that we read of them.
func (s *Share) Types(ctx context.Context) ([]ShareType, error) {
	pages, err := sharetypes.List(s.c, sharetypes.ListOpts{}).AllPages(ctx)
	if err != nil {
		return nil, wrap(sharedFileSystem, err, "listing share types")
	}
	l, err := sharetypes.ExtractShareTypes(pages)
	return mapSlice(l, shareType), wrap(sharedFileSystem, err, "reading share types")
}

// Region is where this Manila is, in the catalogue's words.
func (s *Share) Region() (string, error) {
	r, ok := s.c.GetAuthResult().(tokens.CreateResult)
	if !ok {
		return "", nil
	}
	c, err := r.ExtractServiceCatalog()
	if err != nil {
		return "", wrap(sharedFileSystem, err, "reading the catalogue")
	}
	for _, entry := range c.Entries {
		for _, e := range entry.Endpoints {
			if gophercloud.NormalizeURL(e.URL) == s.c.Endpoint {
				return cmp.Or(e.RegionID, e.Region), nil
			}
		}
	}
	return "", nil
}

func shareType(t sharetypes.ShareType) ShareType {
	text := func(name string) string {
		if v, there := t.ExtraSpecs[name]; there {
			return fmt.Sprint(v)
		}
		if v, there := t.RequiredExtraSpecs[name]; there {
			return fmt.Sprint(v)
		}
		return ""
	}
	out := ShareType{Name: t.Name, OwnServers: isTrue(text("driver_handles_share_servers"))}
	for _, p := range strings.FieldsFunc(text("storage_protocol"), func(r rune) bool { return r == '_' || r == ' ' || r == ',' }) {
		if !strings.HasPrefix(p, "<") { // an operator, as in "<in> NFS"
			out.Protocols = append(out.Protocols, strings.ToUpper(p))
		}
	}
	return out
}

// isTrue reads a truth as Manila does: it keeps what the operator wrote.
func isTrue(s string) bool {
	return slices.Contains([]string{"1", "t", "true", "on", "y", "yes"}, strings.ToLower(strings.TrimSpace(s)))
}
