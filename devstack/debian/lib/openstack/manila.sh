# shellcheck shell=bash disable=SC2034
# Manila's API alone: types of shares need nobody behind it.

PROCESSES['manila']=manila-api
NEEDS['manila']=mariadb

manila_make() {
  home manila &&
    as manila mkdir "$DIR/manila/lock" &&
    manila_conf | put manila manila.conf &&
    database manila &&
    as manila manila-manage --config-file "$DIR/manila/manila.conf" db sync
}

manila_conf() {
  cat <<INI
[DEFAULT]
use_stderr = true
host = shares
my_ip = 127.0.0.1
state_path = $DIR/manila
auth_strategy = keystone
api_paste_config = /etc/manila/api-paste.ini
default_share_type = nfs
$(broker)
$(common manila)
INI
}

manila_start() {
  wsgi manila-api "$MANILA_PORT" /usr/bin/manila-wsgi 1 2 -- --config-file "$DIR/manila/manila.conf" &&
    answering manila-api "$MANILA_PORT"
}
