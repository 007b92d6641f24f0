package infra

import (
	"context"
	"slices"

	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
)

// ShareTypes are those that the cluster's own user sees.
func (i *Infrastructure) ShareTypes(ctx context.Context, s *drivers.Site) ([]drivers.ShareType, error) {
	c, err := i.clients(ctx, s)
	if err != nil {
		return nil, err
	}
	v, err := c.Share()
	if cloud.IsNoEndpoint(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	types, err := v.Types(ctx)
	var out []drivers.ShareType
	for _, t := range types {
		if len(t.Protocols) == 0 || slices.Contains(t.Protocols, "NFS") {
			out = append(out, drivers.ShareType{Name: t.Name, OwnServers: t.OwnServers})
		}
	}
	return out, err
}
