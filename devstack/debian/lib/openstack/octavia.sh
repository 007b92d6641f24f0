# shellcheck shell=bash disable=SC2034
# Octavia: its real provider with its real flows, over amphorae that do not exist. VIPs are real ports in Neutron.

PROCESSES['octavia']='octavia-api octavia-worker'
NEEDS['octavia']=mariadb

octavia_make() {
  home octavia &&
    as octavia mkdir "$DIR/octavia/lock" &&
    as octavia openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj '/CN=amphorae' \
      -keyout "$DIR/octavia/ca.key" -out "$DIR/octavia/ca.pem" &&
    octavia_conf | put octavia octavia.conf &&
    plugin octavia octavia.network.drivers vip_only VIPOnlyDriver &&
    database octavia &&
    as octavia octavia-db-manage --config-file "$DIR/octavia/octavia.conf" upgrade head
}

octavia_conf() {
  cat <<INI
[DEFAULT]
use_stderr = true
$(broker)
[api_settings]
auth_strategy = keystone
enabled_provider_drivers = amphora:The default, octavia:The default by another name
default_provider_driver = amphora
[service_auth]
$(login octavia)
[controller_worker]
workers = 1
amp_flavor_id = none
amp_image_tag = none
amp_boot_network_list = 00000000-0000-0000-0000-000000000000
client_ca = $DIR/octavia/ca.pem
amphora_driver = amphora_noop_driver
compute_driver = compute_noop_driver
image_driver = image_noop_driver
volume_driver = volume_noop_driver
network_driver = vip_only
[networking]
allow_vip_port_id = true
[health_manager]
heartbeat_key = $PASSWORD
[certificates]
cert_generator = local_cert_generator
ca_certificate = $DIR/octavia/ca.pem
ca_private_key = $DIR/octavia/ca.key
server_certs_key_passphrase = $PASSWORD
[oslo_messaging]
topic = octavia
$(common octavia)
INI
}

octavia_start() {
  local config=(--config-file "$DIR/octavia/octavia.conf") python=PYTHONPATH="$DIR/octavia/python"
  needs rabbitmq neutron identity &&
    daemon octavia-worker env "$python" octavia-worker "${config[@]}" &&
    wsgi octavia-api "$OCTAVIA_PORT" /usr/bin/octavia-wsgi 1 2 "$python" -- "${config[@]}" &&
    answering octavia-api "$OCTAVIA_PORT"
}
