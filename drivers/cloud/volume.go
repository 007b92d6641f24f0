package cloud

import (
	"context"

	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/volumetypes"
)

const blockStorage = "block-storage"

// Volume is Cinder for one actor. Volumes of hosts are made and deleted by Nova with the server.
type Volume struct{ c *gophercloud.ServiceClient }

// Types lists the names of the volume types that the actor may use.
func (v *Volume) Types(ctx context.Context) ([]string, error) {
	pages, err := volumetypes.List(v.c, volumetypes.ListOpts{}).AllPages(ctx)
	if err != nil {
		return nil, wrap(blockStorage, err, "listing volume types")
	}
	l, err := volumetypes.ExtractVolumeTypes(pages)
	return mapSlice(l, func(t volumetypes.VolumeType) string { return t.Name }), wrap(blockStorage, err, "reading volume types")
}
