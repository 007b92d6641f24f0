# shellcheck shell=bash disable=SC2034
# Neutron without agents: a mechanism driver of ours binds every port, and does what the agents would tell of.

PROCESSES['neutron']=neutron-server
NEEDS['neutron']=mariadb

neutron_make() {
  home neutron &&
    as neutron mkdir "$DIR/neutron/lock" &&
    neutron_conf | put neutron neutron.conf &&
    plugin neutron neutron.ml2.mechanism_drivers agentless AgentlessDriver &&
    database neutron &&
    as neutron neutron-db-manage --config-file "$DIR/neutron/neutron.conf" upgrade heads
}

# Networks public and lan are flat: each stands for a wire of that name. The quotas leave room for a few clusters. Ironic's
# conductor keeps a connection for every call it ever made, each of which holds one of the API's threads: with the hundred
# that there are by default Neutron answers nobody new after some dozens of deployments.
neutron_conf() {
  cat <<INI
[DEFAULT]
bind_host = 127.0.0.1
bind_port = $NEUTRON_PORT
use_stderr = true
core_plugin = ml2
service_plugins = router
auth_strategy = keystone
api_workers = 0
wsgi_default_pool_size = 1000
client_socket_timeout = 60
rpc_workers = 0
rpc_state_report_workers = 0
dhcp_agent_notification = false
notify_nova_on_port_status_changes = true
notify_nova_on_port_data_changes = true
state_path = $DIR/neutron
api_paste_config = /etc/neutron/api-paste.ini
$(broker)
[ml2]
type_drivers = flat,vxlan
tenant_network_types = vxlan
mechanism_drivers = agentless
extension_drivers = port_security
[ml2_type_flat]
flat_networks = public,lan
[ml2_type_vxlan]
vni_ranges = 1:10000
[securitygroup]
enable_security_group = true
[quotas]
quota_network = 100
quota_subnet = 100
quota_port = 500
quota_router = 100
quota_floatingip = 100
quota_security_group = 100
quota_security_group_rule = 1000
[nova]
$(login neutron)
region_name = RegionOne
[placement]
$(login neutron)
region_name = RegionOne
$(common neutron)
INI
}

neutron_start() {
  needs rabbitmq &&
    daemon neutron-server env PYTHONPATH="$DIR/neutron/python" \
      neutron-server --config-file "$DIR/neutron/neutron.conf" &&
    answering neutron-server "$NEUTRON_PORT"
}
