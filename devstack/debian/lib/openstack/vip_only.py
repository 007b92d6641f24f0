"""Load balancers that are nothing but their VIP: a port of Neutron with its security group, and no amphora behind it."""

from oslo_config import cfg

from octavia.network import base, data_models
from octavia.network.drivers.neutron import allowed_address_pairs
from octavia.network.drivers.noop_driver import driver as noop

# What Octavia does to the network of an amphora.
PRETENDED = (
    "plug_vip", "unplug_vip", "plug_aap_port", "unplug_aap_port", "plug_network", "unplug_network", "plug_port",
    "get_plugged_networks", "get_network_configs", "failover_preparation", "wait_for_port_detach", "apply_qos_on_port",
)


class VIPOnlyDriver(allowed_address_pairs.AllowedAddressPairsDriver):
    """Asks Neutron for what a tenant can see, and pretends the rest."""

    def __init__(self):
        super().__init__()
        self.pretended = noop.NoopNetworkDriver()
        for name in PRETENDED:
            setattr(self, name, getattr(self.pretended, name))

    def get_network(self, network_id, context=None):
        if network_id in cfg.CONF.controller_worker.amp_boot_network_list:
            return data_models.Network(id=network_id, subnets=[])
        return super().get_network(network_id, context=context)

    def get_port(self, port_id, context=None):
        try:
            return super().get_port(port_id, context=context)
        except base.PortNotFound:
            if port_id not in noop._NOOP_MANAGER_VARS["ports"]:
                raise
            return self.pretended.get_port(port_id)

    def plug_fixed_ip(self, port_id, subnet_id, ip_address=None):
        port = self.pretended.get_port(port_id)
        if subnet_id not in [f.subnet_id for f in port.fixed_ips]:
            port.fixed_ips.append(data_models.FixedIP(subnet_id=subnet_id, ip_address=ip_address))
        return port
