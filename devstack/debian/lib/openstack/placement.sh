# shellcheck shell=bash disable=SC2034
# Placement.

PROCESSES['placement']=placement-api
NEEDS['placement']=mariadb

placement_make() {
  home placement &&
    placement_conf | put placement placement.conf &&
    database placement &&
    as placement placement-manage --config-file "$DIR/placement/placement.conf" db sync
}

placement_conf() {
  cat <<INI
[DEFAULT]
use_stderr = true
[api]
auth_strategy = keystone
[placement_database]
connection = $(database_url placement)
$(common placement)
INI
}

placement_start() {
  wsgi placement-api "$PLACEMENT_PORT" /usr/bin/placement-api 1 2 OS_PLACEMENT_CONFIG_DIR="$DIR/placement" &&
    answering placement-api "$PLACEMENT_PORT"
}
