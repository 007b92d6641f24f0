package api

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/jeroboam-cloud/jeroboam/drivers/cloud"
	"github.com/jeroboam-cloud/jeroboam/drivers/userdata"
)

// checks looks at the cloud with the caller's own rights: what the caller cannot see cannot be built with.
type checks struct {
	ctx     context.Context //nolint:containedctx // lives as long as one request
	clients *cloud.Clients

	// Read once, whatever number of node groups asks.
	flavors    []cloud.Flavor
	azs, types []string // availability zones, volume types
}

func (s *Server) checks(c echo.Context) (*checks, error) {
	who := callerOf(c)
	clients, err := s.Clouds.Token(who.Token(), who.ProjectID, who.Catalog)
	if err != nil {
		return nil, err
	}
	return &checks{ctx: c.Request().Context(), clients: clients}, nil
}

// image finds an image that a cluster can be built from.
func (k *checks) image(nameOrID string) (cloud.ImageInfo, error) {
	g, err := k.clients.Image()
	if err != nil {
		return cloud.ImageInfo{}, err
	}
	l, err := g.Images(k.ctx, nameOrID)
	switch {
	case cloud.IsUnauthorized(err): // it was believed here for as long as validated tokens are kept
		return cloud.ImageInfo{}, fail(http.StatusUnauthorized, "The cloud does not accept your token any more; authenticate again.")
	case cloud.IsForbidden(err):
		return cloud.ImageInfo{}, fail(http.StatusForbidden, "Not authorized to use image %s.", nameOrID)
	case err != nil:
		return cloud.ImageInfo{}, err
	case len(l) == 0:
		return cloud.ImageInfo{}, badRequest("Image %s could not be found.", nameOrID)
	case len(l) > 1:
		return cloud.ImageInfo{}, fail(http.StatusConflict, "Multiple images exist with same name '%s'. Please use the image id instead.", nameOrID)
	case l[0].Status != "active":
		return cloud.ImageInfo{}, badRequest("Image %s is not active but %s.", nameOrID, l[0].Status)
	case l[0].Properties["os_distro"] == "":
		return cloud.ImageInfo{}, badRequest("Image doesn't contain os_distro field: set the property os_distro of image %s.", nameOrID)
	case !slices.Contains(userdata.Distros(), l[0].Properties["os_distro"]):
		return cloud.ImageInfo{}, badRequest("Image %s has os_distro %s, expecting one of %s.", nameOrID, l[0].Properties["os_distro"], strings.Join(userdata.Distros(), ", "))
	}
	return l[0], nil
}

func (k *checks) flavor(field, nameOrID string) (cloud.Flavor, error) {
	f, there, err := k.findFlavor(nameOrID)
	if err == nil && !there {
		err = badRequest("Unable to find %s %s.", field, nameOrID)
	}
	return f, err
}

func (k *checks) findFlavor(nameOrID string) (f cloud.Flavor, there bool, err error) {
	if k.flavors == nil {
		n, err := k.clients.Compute()
		if err != nil {
			return f, false, err
		}
		if k.flavors, err = n.Flavors(k.ctx); err != nil {
			return f, false, err
		}
	}
	i := slices.IndexFunc(k.flavors, func(f cloud.Flavor) bool { return f.ID == nameOrID || f.Name == nameOrID })
	if i < 0 {
		return f, false, nil
	}
	return k.flavors[i], true, nil
}

// publicKey reads a key pair, which belongs to the caller alone.
func (k *checks) publicKey(name string) (string, error) {
	n, err := k.clients.Compute()
	if err != nil {
		return "", err
	}
	key, err := n.PublicKey(k.ctx, name)
	if cloud.IsNotFound(err) {
		return "", fail(http.StatusNotFound, "Unable to find keypair %s.", name)
	}
	return key, err
}

// networkByName finds one network.
func (k *checks) networkByName(field, nameOrID string) (cloud.NetworkInfo, error) {
	n, err := k.clients.Network()
	if err != nil {
		return cloud.NetworkInfo{}, err
	}
	l, err := n.Networks(k.ctx, nameOrID)
	switch {
	case err != nil:
		return cloud.NetworkInfo{}, err
	case len(l) == 0:
		return cloud.NetworkInfo{}, badRequest("Unable to find %s %s.", field, nameOrID)
	case len(l) > 1:
		return cloud.NetworkInfo{}, fail(http.StatusConflict, "Multiple networks exist with same name '%s' (%s). Please use the network id instead.", nameOrID, field)
	}
	return l[0], nil
}

func (k *checks) externalNetwork(nameOrID string) (cloud.NetworkInfo, error) {
	x, err := k.networkByName("external_network_id", nameOrID)
	if err != nil || x.External {
		return x, err
	}
	n, err := k.clients.Network()
	if err != nil {
		return x, err
	}
	if x.External, err = n.IsExternal(k.ctx, x.ID); err == nil && !x.External {
		err = badRequest("Unable to find external network %s: the network of this name is not external.", nameOrID)
	}
	return x, err
}

func (k *checks) subnet(nameOrID, networkID string) (cloud.Subnet, error) {
	n, err := k.clients.Network()
	if err != nil {
		return cloud.Subnet{}, err
	}
	l, err := n.Subnets(k.ctx, nameOrID, networkID)
	switch {
	case err != nil:
		return cloud.Subnet{}, err
	case len(l) == 0:
		return cloud.Subnet{}, badRequest("Unable to find fixed_subnet %s.", nameOrID)
	case len(l) > 1:
		return cloud.Subnet{}, fail(http.StatusConflict, "Multiple subnets exist with same name '%s'. Please use the subnet id instead.", nameOrID)
	case l[0].IPVersion != 4:
		return cloud.Subnet{}, badRequest("Subnet %s (fixed_subnet) is not of IPv4, which hosts need.", nameOrID)
	}
	return l[0], nil
}

// firstSubnet finds the subnet that hosts are on when only a network was named.
func (k *checks) firstSubnet(networkID, name string) (cloud.Subnet, error) {
	n, err := k.clients.Network()
	if err != nil {
		return cloud.Subnet{}, err
	}
	l, err := n.Subnets(k.ctx, "", networkID)
	if err != nil {
		return cloud.Subnet{}, err
	}
	i := slices.IndexFunc(l, func(x cloud.Subnet) bool { return x.IPVersion == 4 })
	if i < 0 {
		return cloud.Subnet{}, badRequest("Network %s (fixed_network) has no IPv4 subnet.", name)
	}
	return l[i], nil
}

func (k *checks) zones(label string, zones []string) error {
	if len(zones) == 0 {
		return nil
	}
	if k.azs == nil {
		n, err := k.clients.Compute()
		if err != nil {
			return err
		}
		if k.azs, err = n.AvailabilityZones(k.ctx); err != nil {
			return err
		}
	}
	for _, z := range zones {
		if !slices.Contains(k.azs, z) {
			return about("labels."+label, badRequest("Label %s: availability zone %q could not be found; there are: %s.", label, z, strings.Join(k.azs, ", ")))
		}
	}
	return nil
}

// loadBalancerProvider is not looked at where there is no Octavia, or none that the caller may ask: that is told elsewhere
// where it matters.
func (k *checks) loadBalancerProvider(label, name string) error {
	if name == "" {
		return nil
	}
	o, err := k.clients.LoadBalancer()
	if err != nil {
		return nil //nolint:nilerr // see above
	}
	l, err := o.Providers(k.ctx)
	switch {
	case cloud.IsForbidden(err):
		return nil
	case err != nil:
		return err
	case !slices.Contains(l, name):
		return about("labels."+label, badRequest("Label %s: load balancer provider %q could not be found; there are: %s.", label, name, strings.Join(l, ", ")))
	}
	return nil
}

func (k *checks) volumeType(label, name string) error {
	if name == "" {
		return nil
	}
	if k.types == nil {
		v, err := k.clients.Volume()
		if err != nil {
			return err
		}
		if k.types, err = v.Types(k.ctx); err != nil {
			return err
		}
	}
	if !slices.Contains(k.types, name) {
		return about("labels."+label, badRequest("Label %s: volume type %q could not be found; there are: %s.", label, name, strings.Join(k.types, ", ")))
	}
	return nil
}
