package sim

import (
	"fmt"
	"math/big"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// seedNetworks makes the networks that are reachable from this machine: public for floating IPs, lan for everybody.
func (c *Cloud) seedNetworks() error {
	q := &call{Cloud: c, token: &token{roles: []string{"admin"}}}
	project := c.with("project", "name", "admin")[0].id
	for _, n := range []struct {
		name, cidr string
		external   bool
	}{{"public", c.options.PublicCIDR, true}, {"lan", c.options.LANCIDR, false}} {
		network, err := createNetwork(q, doc{"name": n.name, "router:external": n.external, "shared": !n.external}, project)
		if err != nil {
			return fmt.Errorf("make network %s: %w", n.name, err)
		}
		if _, err := createSubnet(q, doc{"name": n.name + "-subnet", "network_id": network.id, "cidr": n.cidr, "ip_version": 4, "enable_dhcp": !n.external}, project); err != nil {
			return fmt.Errorf("make subnet of %s: %w", n.name, err)
		}
	}
	return nil
}

func createNetwork(q *call, in doc, project string) (*object, error) {
	mtu := in.num("mtu")
	if mtu == 0 {
		mtu = 1450
	}
	return q.add("network", project, q.fresh(in, project, doc{
		"admin_state_up": in.flag("admin_state_up", true), "status": "ACTIVE", "shared": in.flag("shared", false),
		"router:external": in.flag("router:external", false), "mtu": mtu, "port_security_enabled": in.flag("port_security_enabled", true),
		"availability_zone_hints": []string{}, "availability_zones": []string{"nova"}, "is_default": false, "ipv4_address_scope": nil, "ipv6_address_scope": nil,
	})), nil
}

func viewNetwork(q *call, o *object) doc {
	out := o.doc.public()
	ids := []string{}
	for _, s := range q.with("subnet", "network_id", o.id) {
		ids = append(ids, s.id) // those of an external network, too, though a member is not shown them themselves
	}
	out["subnets"] = ids
	return out
}

func updateNetwork(q *call, o *object, in doc) error {
	if in.has("shared") && !q.admin() {
		return fail(http.StatusForbidden, "PolicyNotAuthorized", "rule:update_network:shared is disallowed by policy")
	}
	assignFields(o, in, "admin_state_up", "mtu", "port_security_enabled", "shared")
	return nil
}

func deleteNetwork(q *call, o *object) error {
	var ports []string
	for _, p := range q.with("port", "network_id", o.id) {
		ports = append(ports, p.id)
	}
	if len(ports) > 0 {
		return fail(http.StatusConflict, "NetworkInUse", "Unable to complete operation on network %s. There are one or more ports still in use on the network, id for these ports is %s.", o.id, strings.Join(ports, ","))
	}
	for _, s := range q.with("subnet", "network_id", o.id) {
		q.removeSubnet(s)
	}
	q.remove(o)
	return nil
}

func createSubnet(q *call, in doc, project string) (*object, error) {
	network := q.seen("network", in.str("network_id"))
	if network == nil {
		return nil, notThere("Network", in.str("network_id"))
	}
	if network.project != project && !q.admin() {
		return nil, fail(http.StatusForbidden, "PolicyNotAuthorized", "rule:create_subnet is disallowed by policy")
	}
	prefix, err := netip.ParsePrefix(in.str("cidr"))
	if err != nil {
		return nil, fail(http.StatusBadRequest, "HTTPBadRequest", "Invalid input for cidr. Reason: '%s' is not a valid IP subnet.", in.str("cidr"))
	}
	prefix = prefix.Masked()
	if v := in.num("ip_version"); v == 4 != prefix.Addr().Is4() {
		return nil, fail(http.StatusBadRequest, "InvalidInput", "Invalid input for operation: cidr %s is not of ip_version %d.", prefix, v)
	}
	for _, other := range q.with("subnet", "network_id", network.id) {
		if cidrOf(other).Overlaps(prefix) {
			return nil, fail(http.StatusBadRequest, "InvalidInput", "Invalid input for operation: Requested subnet with cidr: %s for network: %s overlaps with another subnet.", prefix, network.id)
		}
	}
	d := q.fresh(in, project, doc{
		"network_id": network.id, "cidr": prefix.String(), "ip_version": in.num("ip_version"), "enable_dhcp": in.flag("enable_dhcp", true),
		"dns_nameservers": in.strs("dns_nameservers"), "host_routes": in.docs("host_routes"), "shared": network.doc.flag("shared", false),
		"ipv6_address_mode": in["ipv6_address_mode"], "ipv6_ra_mode": in["ipv6_ra_mode"], "subnetpool_id": nil, "service_types": []string{},
	})
	if d["host_routes"] == nil || len(in.docs("host_routes")) == 0 {
		d["host_routes"] = []doc{}
	}
	gateway, err := gatewayOf(in, prefix)
	if err != nil {
		return nil, err
	}
	d["gateway_ip"] = nil
	if gateway.IsValid() {
		d["gateway_ip"] = gateway.String()
	}
	if d["allocation_pools"], err = poolsOf(in, prefix, gateway); err != nil {
		return nil, err
	}
	return q.add("subnet", project, d), nil
}

func gatewayOf(in doc, prefix netip.Prefix) (netip.Addr, error) {
	v, given := in["gateway_ip"]
	if !given || v == "" {
		return prefix.Addr().Next(), nil
	}
	if v == nil {
		return netip.Addr{}, nil
	}
	gateway, err := netip.ParseAddr(in.str("gateway_ip"))
	if err != nil || !prefix.Contains(gateway) {
		return netip.Addr{}, fail(http.StatusBadRequest, "InvalidInput", "Invalid input for operation: Gateway is not valid on subnet.")
	}
	return gateway, nil
}

// poolsOf are those of the request, or all addresses of the subnet but for the gateway.
func poolsOf(in doc, prefix netip.Prefix, gateway netip.Addr) ([]doc, error) {
	if asked := in.docs("allocation_pools"); len(asked) > 0 {
		for _, p := range asked {
			start, err1 := netip.ParseAddr(p.str("start"))
			end, err2 := netip.ParseAddr(p.str("end"))
			if err1 != nil || err2 != nil || end.Less(start) || !prefix.Contains(start) || !prefix.Contains(end) {
				return nil, fail(http.StatusBadRequest, "InvalidAllocationPool", "The allocation pool %s-%s is not valid.", p.str("start"), p.str("end"))
			}
			if gateway.IsValid() && !gateway.Less(start) && !end.Less(gateway) {
				return nil, fail(http.StatusConflict, "GatewayConflictWithAllocationPools", "Gateway ip %s conflicts with allocation pool %s-%s.", gateway, start, end)
			}
		}
		return asked, nil
	}
	first, last := prefix.Addr().Next(), lastAddr(prefix)
	if prefix.Addr().Is4() {
		last = last.Prev() // broadcast
	}
	pools := []doc{}
	add := func(start, end netip.Addr) {
		if !end.Less(start) {
			pools = append(pools, doc{"start": start.String(), "end": end.String()})
		}
	}
	if !gateway.IsValid() || !prefix.Contains(gateway) {
		add(first, last)
		return pools, nil
	}
	add(first, gateway.Prev())
	add(gateway.Next(), last)
	return pools, nil
}

func lastAddr(p netip.Prefix) netip.Addr {
	n := new(big.Int).SetBytes(p.Addr().AsSlice())
	size := new(big.Int).Lsh(big.NewInt(1), uint(p.Addr().BitLen()-p.Bits()))
	n.Add(n, size).Sub(n, big.NewInt(1))
	raw := n.FillBytes(make([]byte, p.Addr().BitLen()/8))
	a, _ := netip.AddrFromSlice(raw)
	return a
}

func cidrOf(subnet *object) netip.Prefix {
	p, _ := netip.ParsePrefix(subnet.doc.str("cidr")) // it was read before it was stored
	return p
}

func updateSubnet(_ *call, o *object, in doc) error {
	assignFields(o, in, "dns_nameservers", "enable_dhcp", "host_routes", "gateway_ip", "allocation_pools")
	return nil
}

func deleteSubnet(q *call, o *object) error {
	if len(q.addresses[o.id]) > 0 {
		return fail(http.StatusConflict, "SubnetInUse", "Unable to complete operation on subnet %s: One or more ports have an IP allocation from this subnet.", o.id)
	}
	q.removeSubnet(o)
	return nil
}

func (c *Cloud) removeSubnet(o *object) {
	delete(c.addresses, o.id)
	c.remove(o)
}

// take gives an address of a subnet to an owner: a chosen one, or with the zero value any of the pools.
func (c *Cloud) take(subnet *object, wanted netip.Addr, owner string) (netip.Addr, error) {
	used := c.addresses[subnet.id]
	if used == nil {
		used = map[netip.Addr]string{}
		c.addresses[subnet.id] = used
	}
	if wanted.IsValid() {
		if used[wanted] != "" || !c.fabric.reserve(wanted) {
			return wanted, fail(http.StatusConflict, "IpAddressAlreadyAllocated", "IP address %s already allocated in subnet %s", wanted, subnet.id)
		}
		used[wanted] = owner
		return wanted, nil
	}
	for a := range c.candidates(subnet) {
		if used[a] == "" && c.fabric.reserve(a) {
			used[a] = owner
			subnet.doc["_last"] = a
			return a, nil
		}
	}
	return netip.Addr{}, fail(http.StatusConflict, "IpAddressGenerationFailure", "No more IP addresses available on network %s.", subnet.doc.str("network_id"))
}

// candidates yields the addresses of the pools: from the one after the last that was given away to the end, then from the
// start. So an address is not given to somebody else right after it became free.
func (c *Cloud) candidates(subnet *object) func(func(netip.Addr) bool) {
	last, _ := subnet.doc["_last"].(netip.Addr)
	return func(yield func(netip.Addr) bool) {
		for _, tail := range []bool{true, false} {
			for _, pool := range subnet.doc.docs("allocation_pools") {
				a, _ := netip.ParseAddr(pool.str("start"))
				end, _ := netip.ParseAddr(pool.str("end"))
				if tail && last.IsValid() && !last.Less(a) {
					a = last.Next()
				}
				for ; a.IsValid() && !end.Less(a); a = a.Next() {
					if !yield(a) {
						return
					}
				}
			}
			if !last.IsValid() {
				return
			}
		}
	}
}

// giveBack frees an address.
func (c *Cloud) giveBack(subnetID, address string) {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return
	}
	delete(c.addresses[subnetID], a)
	c.fabric.release(a)
}

// subnetsOf lists the subnets of a network, those that hand out IPv4 addresses first.
func (c *Cloud) subnetsOf(networkID string) []*object {
	out := c.with("subnet", "network_id", networkID)
	slices.SortStableFunc(out, func(a, b *object) int { return a.doc.num("ip_version") - b.doc.num("ip_version") })
	return out
}
