package infra

import (
	"context"

	"github.com/jeroboam-cloud/jeroboam/drivers"
	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
)

// VolumeTypes are those that the cluster's own user sees.
func (i *Infrastructure) VolumeTypes(ctx context.Context, s *drivers.Site) (types []string, preferred string, err error) {
	c, err := i.clients(ctx, s)
	if err != nil {
		return nil, "", err
	}
	v, err := c.Volume()
	if cloud.IsNoEndpoint(err) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	if types, err = v.Types(ctx); err != nil {
		return nil, "", err
	}
	preferred, err = v.DefaultType(ctx)
	return types, preferred, err
}
