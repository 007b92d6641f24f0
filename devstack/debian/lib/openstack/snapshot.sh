# shellcheck shell=bash disable=SC2034
# The data of all services as `up` has made it, and the way back to it while they run.

readonly DATABASES=(
  keystone glance placement neutron nova nova_api nova_cell0 cinder manila barbican octavia ironic
)
# What the services write about themselves is no data of anybody's: it stays as it is.
readonly HEARTBEATS=(
  nova.services cinder.services ironic.conductors ironic.conductor_hardware_interfaces placement.resource_providers
)
PROCESSES['snapshot']=
NEEDS['snapshot']='seed register'

snapshot_make() { snapshot take; }

# snapshot ACTION has one process look through all tables.
snapshot() {
  local home=$DIR/mariadb
  python3 "$HERE/lib/openstack/snapshot.py" "$1" "$DIR/snapshot" "$home/client.cnf" "${HEARTBEATS[*]}" "${DATABASES[@]}"
}

# reset deletes what has been made since then. Requests on their way fail; whoever is at work meanwhile has to begin again.
reset() {
  [[ -e $DIR/made/snapshot ]] || die 2 "nothing to go back to: \`up\` has not come to its end"
  snapshot restore >>"$DIR/log/snapshot.log" 2>&1 || { failed snapshot && die 1 "the data could not be brought back"; }
  database jeroboam
  find "$DIR/glance/images" -type f -newer "$DIR/made/snapshot" -delete
  say all "reset"
}
