package cloud

import (
	"context"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/quotasets"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/volumetypes"
)

const blockStorage = "block-storage"

// Volume is Cinder for one actor. Volumes of hosts are made and deleted by Nova with the server.
type Volume struct {
	c *gophercloud.ServiceClient
	// foreign is the project whose objects are meant when it is not the actor's own: lists name it.
	foreign string
}

// Types lists the names of the volume types that the actor may use.
func (v *Volume) Types(ctx context.Context) ([]string, error) {
	pages, err := volumetypes.List(v.c, volumetypes.ListOpts{}).AllPages(ctx)
	if err != nil {
		return nil, wrap(blockStorage, err, "listing volume types")
	}
	l, err := volumetypes.ExtractVolumeTypes(pages)
	return mapSlice(l, func(t volumetypes.VolumeType) string { return t.Name }), wrap(blockStorage, err, "reading volume types")
}

// DefaultType is the name of the type that volumes get which name none; "" when Cinder has none.
func (v *Volume) DefaultType(ctx context.Context) (string, error) {
	t, err := volumetypes.Get(ctx, v.c, "default").Extract()
	if err = wrap(blockStorage, err, "looking up the default volume type"); IsNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return t.Name, nil
}

// Quotas reads the project's, by Cinder's names.
func (v *Volume) Quotas(ctx context.Context, projectID string) (map[string]Quota, error) {
	q, err := quotasets.GetUsage(ctx, v.c, projectID).Extract()
	if err != nil {
		return nil, wrap(blockStorage, err, "reading quotas")
	}
	d := func(x quotasets.QuotaUsage) Quota { return Quota{x.Limit, x.InUse + x.Reserved} }
	return map[string]Quota{"volumes": d(q.Volumes), "gigabytes": d(q.Gigabytes)}, nil
}
