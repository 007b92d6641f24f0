package cloud

import (
	"context"

	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/snapshots"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/volumes"
)

// VolumeInfo is a volume, or a snapshot of one.
type VolumeInfo struct {
	ID, Name, Status, ProjectID string
	Metadata                    map[string]string
	AttachedTo                  []string // servers
}

func volumeInfo(v volumes.Volume) VolumeInfo {
	return VolumeInfo{ID: v.ID, Name: v.Name, Status: v.Status, ProjectID: v.TenantID, Metadata: v.Metadata,
		AttachedTo: mapSlice(v.Attachments, func(a volumes.Attachment) string { return a.ServerID })}
}

func snapshotInfo(s snapshots.Snapshot) VolumeInfo {
	return VolumeInfo{ID: s.ID, Name: s.Name, Status: s.Status, ProjectID: s.ProjectID, Metadata: s.Metadata}
}

// List lists the project's volumes.
func (v *Volume) List(ctx context.Context) ([]VolumeInfo, error) {
	pages, err := volumes.List(v.c, volumes.ListOpts{AllTenants: v.foreign != "", TenantID: v.foreign}).AllPages(ctx)
	if err != nil {
		return nil, wrap(blockStorage, err, "listing volumes")
	}
	l, err := volumes.ExtractVolumes(pages)
	return mapSlice(l, volumeInfo), wrap(blockStorage, err, "reading volumes")
}

// Get reads a volume.
func (v *Volume) Get(ctx context.Context, id string) (VolumeInfo, error) {
	x, err := volumes.Get(ctx, v.c, id).Extract()
	if err != nil {
		return VolumeInfo{}, wrap(blockStorage, err, "reading volume %s", id)
	}
	return volumeInfo(*x), nil
}

// Delete asks for the end of a volume. One that is attached or has snapshots is refused, as invalid.
func (v *Volume) Delete(ctx context.Context, id string) error {
	return wrap(blockStorage, volumes.Delete(ctx, v.c, id, volumes.DeleteOpts{}).ExtractErr(), "deleting volume %s", id)
}

// Snapshots lists the project's snapshots.
func (v *Volume) Snapshots(ctx context.Context) ([]VolumeInfo, error) {
	pages, err := snapshots.ListDetail(v.c, snapshots.ListOpts{AllTenants: v.foreign != "", TenantID: v.foreign}).AllPages(ctx)
	if err != nil {
		return nil, wrap(blockStorage, err, "listing snapshots")
	}
	l, err := snapshots.ExtractSnapshots(pages)
	return mapSlice(l, snapshotInfo), wrap(blockStorage, err, "reading snapshots")
}

// Snapshot reads one.
func (v *Volume) Snapshot(ctx context.Context, id string) (VolumeInfo, error) {
	x, err := snapshots.Get(ctx, v.c, id).Extract()
	if err != nil {
		return VolumeInfo{}, wrap(blockStorage, err, "reading snapshot %s", id)
	}
	return snapshotInfo(*x), nil
}

// DeleteSnapshot asks for its end.
func (v *Volume) DeleteSnapshot(ctx context.Context, id string) error {
	return wrap(blockStorage, snapshots.Delete(ctx, v.c, id).ExtractErr(), "deleting snapshot %s", id)
}
