package contract

import (
	"context"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/gophercloud/gophercloud/v2"
	"github.com/gophercloud/gophercloud/v2/openstack"
	"github.com/gophercloud/gophercloud/v2/openstack/blockstorage/v3/quotasets"

	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
)

func TestImages(t *testing.T) {
	b := newBed(t)
	ctx := t.Context()
	g, err := b.tenant.Image()
	b.must(err)
	x := only(g.Images(ctx, image))(b)
	if x.Name != image || x.Status != "active" || x.MinDisk != 10 || x.Properties["os_distro"] != "ubuntu" || x.Properties["kube_version"] != "v1.37.2" {
		t.Errorf("the image: %+v", x)
	}
	if by := only(g.Images(ctx, x.ID))(b); by.Name != image {
		t.Errorf("by its id: %+v", by)
	}
	none(g.Images(ctx, "no such image"))(b)
	none(g.Images(ctx, uuid.NewString()))(b)
}

func TestVolumes(t *testing.T) {
	b := newBed(t)
	ctx := t.Context()
	v, err := b.tenant.Volume()
	b.must(err)
	if types, err := v.Types(ctx); err != nil || len(types) == 0 {
		t.Errorf("types: %v, %v", types, err)
	}
	b.volumeQuota(3, 70)
	q, err := v.Quotas(ctx, b.projectID)
	b.must(err)
	if q["volumes"] != (cloud.Quota{Limit: 3}) || q["gigabytes"] != (cloud.Quota{Limit: 70}) {
		t.Errorf("quotas: %+v", q)
	}
}

func (b *bed) volumeQuota(volumes, gigabytes int) {
	b.t.Helper()
	admin, err := openstack.NewBlockStorageV3(b.admin, gophercloud.EndpointOpts{})
	b.must(err)
	_, err = quotasets.Update(b.t.Context(), admin, b.projectID, quotasets.UpdateOpts{Volumes: &volumes, Gigabytes: &gigabytes}).Extract()
	b.must(err)
}

func TestSecrets(t *testing.T) {
	b := newBed(t)
	ctx := t.Context()
	k, err := b.tenant.KeyManager()
	b.must(err)
	name := "jeroboam-" + uuid.NewString()
	none(k.FindSecrets(ctx, name))(b)
	payload := "\n" + strings.Repeat("-----BEGIN PRIVATE KEY-----\n", 100)
	b.lost(func() error { _, err := k.CreateSecret(ctx, name, payload); return err })
	href := only(k.FindSecrets(ctx, name))(b)
	b.later("deleting the secret", func(ctx context.Context) error { return k.DeleteSecret(ctx, href) })
	if got, err := k.Payload(ctx, href); err != nil || got != strings.TrimSpace(payload) { // Barbican keeps no blanks around it
		t.Errorf("the payload: %d characters, %v", len(got), err)
	}
	beside := newBedBeside(t, b)
	others, err := beside.tenant.KeyManager()
	b.must(err)
	none(others.FindSecrets(ctx, name))(beside)
	_, err = others.Payload(ctx, href)
	b.want(err, func(err error) bool { return cloud.IsForbidden(err) || cloud.IsNotFound(err) }, "another's secret")
	b.must(k.DeleteSecret(ctx, href))
	b.want(k.DeleteSecret(ctx, href), cloud.IsNotFound, "deleting a secret twice")
	_, err = k.Payload(ctx, href)
	b.want(err, cloud.IsNotFound, "reading a secret that is gone")
}
