package infra

import (
	"context"
	"fmt"

	"github.com/jeroboam-cloud/jeroboam/drivers"
)

// Image looks an image up by name or id.
func (i *Infrastructure) Image(ctx context.Context, s *drivers.Site, nameOrID string) (drivers.Image, error) {
	c, err := i.clients(ctx, s)
	if err != nil {
		return drivers.Image{}, err
	}
	g, err := c.Image()
	if err != nil {
		return drivers.Image{}, err
	}
	l, err := g.Images(ctx, nameOrID)
	switch {
	case err != nil:
		return drivers.Image{}, err
	case len(l) != 1:
		return drivers.Image{}, fmt.Errorf("%w: %s", drivers.ErrNoImage, nameOrID)
	}
	return drivers.Image{ID: l[0].ID, Distro: l[0].Properties["os_distro"], KubernetesVersion: l[0].Properties["kube_version"], Runtimes: l[0].Runtimes()}, nil
}
