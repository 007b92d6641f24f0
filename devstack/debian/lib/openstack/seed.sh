# shellcheck shell=bash disable=SC2034
# What is in the cloud from the start: what every test may count on, under the names that the simulator uses, too.

PROCESSES['seed']=
NEEDS['seed']='identity glance placement neutron nova cinder manila octavia ironic barbican'

# Clouds that run beside each other have addresses of their own; those from 127.64 on are the simulators'.
seed_make() {
  OS_CLIENT_CONFIG_FILE=$DIR/clouds.yaml python3 "$HERE/lib/openstack/seed.py" \
    admin "127.$((2 + JEROBOAM_PORT % 60))" >"$DIR/seed"
}

# Each line of the file is a name and an id.
seed_env() {
  local name id
  while read -r name id; do export_line "OPENSTACK_$name" "$id"; done <"$DIR/seed"
}
