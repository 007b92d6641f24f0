package sim

import (
	"path"
	"testing"

	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/snapshots"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/volumes"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/volumetypes"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/servers"
	"github.com/gophercloud/gophercloud/v2/openstack/compute/v2/volumeattach"
	"github.com/gophercloud/gophercloud/v2/openstack/image/v2/images"
	"github.com/gophercloud/gophercloud/v2/openstack/keymanager/v1/containers"
	"github.com/gophercloud/gophercloud/v2/openstack/keymanager/v1/secrets"
)

func TestVolumes(t *testing.T) {
	c := start(t, Options{Quotas: map[string]int{"volumes": 1}})
	a, other, ctx := login(t, c, "demo", "demo"), login(t, c, "alt_demo", "alt_demo"), t.Context()
	v := must[*volumes.Volume](t)(volumes.Create(ctx, a.volume, volumes.CreateOpts{Name: "v", Size: 5, VolumeType: "hdd", Metadata: map[string]string{"jeroboam-cluster": "x"}}, nil).Extract())
	status := func(want string) {
		t.Helper()
		eventually(t, "volume "+want, func() bool {
			return must[*volumes.Volume](t)(volumes.Get(ctx, a.volume, v.ID).Extract()).Status == want
		})
	}
	status("available")
	refused(t, volumes.Create(ctx, a.volume, volumes.CreateOpts{Size: 1}, nil).Err, 413, "overLimit.*VolumeLimitExceeded")
	refused(t, volumes.Get(ctx, other.volume, v.ID).Err, 404, "itemNotFound")
	l := a.lan(t, "n", "10.0.0.0/24")
	s := must[*servers.Server](t)(servers.Create(ctx, a.compute, a.order(t, "s", a.port(t, l, "").ID), nil).Extract())
	a.awaitStatus(t, s.ID, "ACTIVE")
	must[*volumeattach.VolumeAttachment](t)(volumeattach.Create(ctx, a.compute, s.ID, volumeattach.CreateOpts{VolumeID: v.ID}).Extract())
	status("in-use")
	refused(t, volumes.Delete(ctx, a.volume, v.ID, nil).Err, 400, "Volume status must be available")
	ok(t, volumeattach.Delete(ctx, a.compute, s.ID, v.ID).ExtractErr())
	status("available")
	snap := must[*snapshots.Snapshot](t)(snapshots.Create(ctx, a.volume, snapshots.CreateOpts{Name: "s", VolumeID: v.ID, Metadata: map[string]string{"a": "b"}}).Extract())
	eventually(t, "snapshot available", func() bool {
		return must[*snapshots.Snapshot](t)(snapshots.Get(ctx, a.volume, snap.ID).Extract()).Status == "available"
	})
	refused(t, snapshots.Get(ctx, other.volume, snap.ID).Err, 404, "itemNotFound")
	refused(t, volumes.Delete(ctx, a.volume, v.ID, nil).Err, 400, "have snapshots")
	if l := must[[]snapshots.Snapshot](t)(snapshots.ExtractSnapshots(pages(t, snapshots.ListDetail(a.volume, snapshots.ListOpts{})))); len(l) != 1 || l[0].Metadata["a"] != "b" || l[0].ProjectID != a.project {
		t.Errorf("snapshots: %+v", l)
	}
	ok(t, snapshots.Delete(ctx, a.volume, snap.ID).ExtractErr())
	eventually(t, "snapshot gone", func() bool { return len(c.Resources(a.project)["snapshot"]) == 0 })
	ok(t, volumes.Delete(ctx, a.volume, v.ID, nil).ExtractErr())
	eventually(t, "volume gone", func() bool { return len(c.Resources(a.project)["volume"]) == 0 })
	types := must[[]volumetypes.VolumeType](t)(volumetypes.ExtractVolumeTypes(pages(t, volumetypes.List(a.volume, volumetypes.ListOpts{}))))
	if len(types) != 2 {
		t.Errorf("types: %+v", types)
	}
}

func TestImages(t *testing.T) {
	var many []Image
	for range 30 { // more than a page of Glance
		many = append(many, Image{Name: "i", Properties: map[string]string{"os_distro": "ubuntu", "kube_version": "v1.37.2"}})
	}
	c := start(t, Options{Images: many})
	a := login(t, c, "demo", "demo")
	l := must[[]images.Image](t)(images.ExtractImages(pages(t, images.List(a.image, images.ListOpts{Name: "i"}))))
	if len(l) != 30 {
		t.Fatalf("%d images", len(l))
	}
	i := must[*images.Image](t)(images.Get(t.Context(), a.image, l[0].ID).Extract())
	if i.Properties["kube_version"] != "v1.37.2" || i.Properties["os_distro"] != "ubuntu" || i.Status != images.ImageStatusActive {
		t.Errorf("image: %+v", i)
	}
	refused(t, images.Get(t.Context(), a.image, a.project).Err, 404, "No image found with ID")
}

func TestSecrets(t *testing.T) {
	c := start(t, Options{})
	a, other, ctx := login(t, c, "demo", "demo"), login(t, c, "alt_demo", "alt_demo"), t.Context()
	s := must[*secrets.Secret](t)(secrets.Create(ctx, a.secret, secrets.CreateOpts{Name: "s", Payload: "the payload", PayloadContentType: "text/plain"}).Extract())
	id := path.Base(s.SecretRef)
	payload := must[[]byte](t)(secrets.GetPayload(ctx, a.secret, id, secrets.GetPayloadOpts{PayloadContentType: "text/plain"}).Extract())
	if string(payload) != "the payload" {
		t.Errorf("payload: %s", payload)
	}
	refused(t, secrets.Get(ctx, other.secret, id).Err, 403, "not allowed")
	for range 11 { // more than a page of Barbican
		must[*secrets.Secret](t)(secrets.Create(ctx, a.secret, secrets.CreateOpts{Name: "many", Payload: "x", PayloadContentType: "text/plain"}).Extract())
	}
	if l := must[[]secrets.Secret](t)(secrets.ExtractSecrets(pages(t, secrets.List(a.secret, secrets.ListOpts{Name: "many"})))); len(l) != 11 {
		t.Errorf("%d secrets", len(l))
	}
	box := must[*containers.Container](t)(containers.Create(ctx, a.secret, containers.CreateOpts{Type: containers.GenericContainer, SecretRefs: []containers.SecretRef{{Name: "s", SecretRef: s.SecretRef}}}).Extract())
	boxID := path.Base(box.ContainerRef)
	user := containers.CreateConsumerOpts{Name: "c", URL: "http://c"}
	if got := must[*containers.Container](t)(containers.CreateConsumer(ctx, a.secret, boxID, user).Extract()); len(got.Consumers) != 1 {
		t.Errorf("container: %+v", got)
	}
	ok(t, secrets.Delete(ctx, a.secret, id).ExtractErr())
	refused(t, secrets.Get(ctx, a.secret, id).Err, 404, "castle")
}
