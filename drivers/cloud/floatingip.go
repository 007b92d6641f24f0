package cloud

import (
	"context"

	"github.com/gophercloud/gophercloud/v2/openstack/networking/v2/extensions/layer3/floatingips"
)

// FloatingIP is a floating IP.
type FloatingIP struct{ ID, Description, Address, PortID, ProjectID string }

func floatingIP(f floatingips.FloatingIP) FloatingIP {
	return FloatingIP{ID: f.ID, Description: f.Description, Address: f.FloatingIP, PortID: f.PortID, ProjectID: f.ProjectID}
}

// FindFloatingIPs lists the floating IPs with this mark: they have no name, so the mark must carry one. Without a mark it
// lists all of the project's.
func (n *Network) FindFloatingIPs(ctx context.Context, mark string) ([]FloatingIP, error) {
	pages, err := floatingips.List(n.c, floatingips.ListOpts{ProjectID: n.projectID, Description: mark}).AllPages(ctx)
	if err != nil {
		return nil, wrap(network, err, "listing floating IPs")
	}
	l, err := floatingips.ExtractFloatingIPs(pages)
	return mapSlice(l, floatingIP), wrap(network, err, "reading floating IPs")
}

// CreateFloatingIP makes one from the external network for the port, with this address if one is given.
func (n *Network) CreateFloatingIP(ctx context.Context, mark, externalNetworkID, portID, address string) (FloatingIP, error) {
	x, err := floatingips.Create(ctx, n.c, floatingips.CreateOpts{Description: mark, ProjectID: n.projectID, FloatingNetworkID: externalNetworkID, PortID: portID, FloatingIP: address}).Extract()
	if err != nil {
		return FloatingIP{}, wrap(network, err, "creating a floating IP for port %s", portID)
	}
	return floatingIP(*x), nil
}

// AttachFloatingIP moves it to another port.
func (n *Network) AttachFloatingIP(ctx context.Context, id, portID string) error {
	_, err := floatingips.Update(ctx, n.c, id, floatingips.UpdateOpts{PortID: &portID}).Extract()
	return wrap(network, err, "moving floating IP %s to port %s", id, portID)
}

// FloatingIP reads one.
func (n *Network) FloatingIP(ctx context.Context, id string) (FloatingIP, error) {
	x, err := floatingips.Get(ctx, n.c, id).Extract()
	if err != nil {
		return FloatingIP{}, wrap(network, err, "reading floating IP %s", id)
	}
	return floatingIP(*x), nil
}

// DeleteFloatingIP releases it.
func (n *Network) DeleteFloatingIP(ctx context.Context, id string) error {
	return wrap(network, floatingips.Delete(ctx, n.c, id).ExtractErr(), "releasing floating IP %s", id)
}
