"""A network without agents: what they would report is made so at once."""

from neutron_lib import constants
from neutron_lib.api.definitions import portbindings
from neutron_lib.callbacks import events, registry, resources
from neutron_lib.plugins import constants as plugins
from neutron_lib.plugins import directory
from neutron_lib.plugins.ml2 import api


class AgentlessDriver(api.MechanismDriver):
    """Binds every port on every host, where it is active from then on; floating IPs work once they lead somewhere."""

    def initialize(self):
        registry.subscribe(self.settle, resources.FLOATING_IP, events.AFTER_CREATE)
        registry.subscribe(self.settle, resources.FLOATING_IP, events.AFTER_UPDATE)

    @property
    def connectivity(self):
        return portbindings.CONNECTIVITY_L2

    def bind_port(self, context):
        segment = context.segments_to_bind[0]
        details = {portbindings.CAP_PORT_FILTER: True, portbindings.OVS_HYBRID_PLUG: False}
        context.set_binding(segment[api.ID], portbindings.VIF_TYPE_OVS, details, status=constants.PORT_STATUS_ACTIVE)

    def settle(self, resource, event, trigger, payload):
        floating = payload.latest_state
        leads = floating.get("port_id") is not None
        status = constants.FLOATINGIP_STATUS_ACTIVE if leads else constants.FLOATINGIP_STATUS_DOWN
        router = directory.get_plugin(plugins.L3)
        router.update_floatingip_status(payload.context.elevated(), payload.resource_id, status)
