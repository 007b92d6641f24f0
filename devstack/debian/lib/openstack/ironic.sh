# shellcheck shell=bash disable=SC2034
# Ironic with hardware that only pretends, where a node is deployed with no machine behind it, and with Redfish, for the
# virtual machines that tests put behind a BMC of their own (devstack/redfish).

PROCESSES['ironic']='ironic-api ironic-conductor ironic-images'
NEEDS['ironic']=mariadb

ironic_make() {
  home ironic &&
    as ironic mkdir "$DIR/ironic/lock" "$DIR/ironic/images" "$DIR/ironic/tmp" &&
    ironic_conf | put ironic ironic.conf &&
    ironic_policy | put ironic policy.yaml &&
    database ironic &&
    as ironic ironic-dbsync --config-file "$DIR/ironic/ironic.conf" upgrade
}

ironic_conf() {
  local name
  cat <<INI
[DEFAULT]
use_stderr = true
host = baremetal
my_ip = 127.0.0.1
state_path = $DIR/ironic
auth_strategy = keystone
rpc_transport = oslo
tempdir = $DIR/ironic/tmp
isolinux_bin = /usr/lib/ISOLINUX/isolinux.bin
enabled_hardware_types = fake-hardware,redfish
enabled_bios_interfaces = no-bios
enabled_boot_interfaces = fake,redfish-virtual-media
enabled_console_interfaces = no-console
enabled_deploy_interfaces = fake,ramdisk
enabled_inspect_interfaces = no-inspect
enabled_management_interfaces = fake,redfish
enabled_network_interfaces = flat,noop,neutron
default_network_interface = flat
enabled_power_interfaces = fake,redfish
enabled_raid_interfaces = no-raid
enabled_rescue_interfaces = no-rescue
enabled_storage_interfaces = noop
enabled_vendor_interfaces = no-vendor
$(broker)
[conductor]
automated_clean = false
workers_pool_size = 20
# from where a BMC fetches what is put into its virtual drives
[deploy]
http_root = $DIR/ironic/images
http_url = http://127.0.0.1:$IMAGES_PORT
default_boot_mode = bios
[redfish]
use_swift = false
# what takes no time cannot be met half-way
[fake]
deploy_delay = 1
$(common ironic)
INI
  for name in service_catalog glance nova cinder swift inspector neutron; do
    printf '[%s]\n' "$name" && login ironic && printf 'region_name = RegionOne\n'
  done
  # found by its name, which therefore no test's network may have
  printf '%s_network = ironic-provisioning\n' cleaning provisioning
}

# ironic_policy shows administrators the config drives: nothing reads them on hardware that only pretends, and tests boot
# from them what would have been on it.
ironic_policy() { printf '"show_instance_secrets": "role:admin"\n'; }

ironic_start() {
  local config=(--config-file "$DIR/ironic/ironic.conf")
  needs rabbitmq identity &&
    daemon ironic-images python3 -m http.server --bind 127.0.0.1 --directory "$DIR/ironic/images" "$IMAGES_PORT" &&
    daemon ironic-conductor ironic-conductor "${config[@]}" &&
    wsgi ironic-api "$IRONIC_PORT" /usr/bin/ironic-api-wsgi 1 1 -- "${config[@]}" &&
    answering ironic-images "$IMAGES_PORT" &&
    answering ironic-api "$IRONIC_PORT" &&
    await ironic-conductor 60 ironic_complete
}

# ironic_complete succeeds when the conductor has said which hardware it takes.
ironic_complete() {
  (($(mariadb_sql -BN -e 'SELECT count(*) FROM ironic.conductor_hardware_interfaces') > 0))
}

ironic_env() {
  if [[ -e $GUEST_KERNEL_FILE ]]; then export_line GUEST_KERNEL "$GUEST_KERNEL_FILE"; fi
}
