# shellcheck shell=bash disable=SC2034
# Nova: two hosts whose hypervisor only pretends, so that servers can be kept apart.

readonly COMPUTES=(compute1 compute2)
PROCESSES['nova']="nova-api nova-conductor nova-scheduler ${COMPUTES[*]/#/nova-}"
NEEDS['nova']=mariadb

nova_make() {
  home nova &&
    as nova mkdir "$DIR/nova/lock" &&
    nova_conf | put nova nova.conf &&
    nova_control_conf | put nova control.conf &&
    database nova nova_api nova_cell0 &&
    nova_manage api_db sync &&
    nova_manage cell_v2 map_cell0 --database_connection "$(database_url nova_cell0)" &&
    nova_manage db sync &&
    nova_manage cell_v2 create_cell --name cell1
}

nova_manage() {
  as nova nova-manage --config-file "$DIR/nova/nova.conf" --config-file "$DIR/nova/control.conf" "$@"
}

nova_conf() {
  cat <<INI
[DEFAULT]
use_stderr = true
state_path = $DIR/nova
my_ip = 127.0.0.1
compute_driver = fake.FakeDriver
# the hypervisor's servers are only in its memory: after a restart Nova would take them for stopped
sync_power_state_interval = -1
periodic_fuzzy_delay = 0
running_deleted_instance_poll_interval = 0
vif_plugging_is_fatal = false
vif_plugging_timeout = 0
cpu_allocation_ratio = 64
ram_allocation_ratio = 64
disk_allocation_ratio = 64
$(broker)
[neutron]
$(login nova)
region_name = RegionOne
[placement]
$(login nova)
region_name = RegionOne
[cinder]
os_region_name = RegionOne
[glance]
region_name = RegionOne
[service_user]
send_service_user_token = true
$(login nova)
[vnc]
enabled = false
[filter_scheduler]
track_instance_changes = false
[oslo_concurrency]
lock_path = $DIR/nova/lock
[oslo_messaging_notifications]
driver = noop
INI
}

# nova_control_conf has what is none of the hosts' business.
nova_control_conf() {
  cat <<INI
[api_database]
connection = $(database_url nova_api)
[conductor]
workers = 1
[scheduler]
workers = 1
discover_hosts_in_cells_interval = 2
[quota]
instances = 100
cores = 400
ram = 819200
server_groups = 100
server_group_members = 100
$(common nova)
INI
}

nova_start() {
  local name config=(--config-file "$DIR/nova/nova.conf") control=(--config-file "$DIR/nova/control.conf")
  needs rabbitmq &&
    daemon nova-conductor nova-conductor "${config[@]}" "${control[@]}" &&
    wsgi nova-api "$NOVA_PORT" /usr/bin/nova-api-wsgi 2 1 OS_NOVA_CONFIG_DIR="$DIR/nova" \
      OS_NOVA_CONFIG_FILES='/etc/nova/api-paste.ini;nova.conf;control.conf' &&
    needs identity placement || return 1
  for name in "${COMPUTES[@]}"; do
    printf '[DEFAULT]\nhost = %s\n' "$name" | put nova "$name.conf" &&
      daemon "nova-$name" nova-compute "${config[@]}" --config-file "$DIR/nova/$name.conf" || return 1
  done
  daemon nova-scheduler nova-scheduler "${config[@]}" "${control[@]}" &&
    answering nova-api "$NOVA_PORT" &&
    await nova-scheduler 120 nova_complete
}

# nova_complete succeeds when the scheduler has found all hosts.
nova_complete() {
  (($(mariadb_sql -BN -e 'SELECT count(*) FROM nova_api.host_mappings') == ${#COMPUTES[@]}))
}
