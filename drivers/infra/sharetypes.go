package infra

import (
	"context"
	"slices"

	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
)

// ShareTypes are those that the cluster's own user sees.
func (i *Infrastructure) ShareTypes(ctx context.Context, s *drivers.Site) (types []drivers.ShareType, region string, err error) {
	c, err := i.clients(ctx, s)
	if err != nil {
		return nil, "", err
	}
	v, err := c.Share()
	if cloud.IsNoEndpoint(err) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	if region, err = v.Region(); err != nil {
		return nil, "", err
	}
	all, err := v.Types(ctx)
	for _, t := range all {
		if len(t.Protocols) == 0 || slices.Contains(t.Protocols, "NFS") {
			types = append(types, drivers.ShareType{Name: t.Name, OwnServers: t.OwnServers})
		}
	}
	return types, region, err
}
