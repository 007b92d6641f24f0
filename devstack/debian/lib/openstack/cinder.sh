# shellcheck shell=bash disable=SC2034
# Cinder over a driver that writes down what it would do.

PROCESSES['cinder']='cinder-api cinder-scheduler cinder-volume'
NEEDS['cinder']=mariadb

cinder_make() {
  home cinder &&
    as cinder mkdir "$DIR/cinder/lock" &&
    cinder_conf | put cinder cinder.conf &&
    plugin cinder cinder.volume.drivers paper PaperDriver &&
    database cinder &&
    as cinder cinder-manage --config-file "$DIR/cinder/cinder.conf" db sync
}

cinder_conf() {
  cat <<INI
[DEFAULT]
use_stderr = true
host = volumes
my_ip = 127.0.0.1
state_path = $DIR/cinder
auth_strategy = keystone
api_paste_config = /etc/cinder/api-paste.ini
resource_query_filters_file = /etc/cinder/resource_filters.json
enabled_backends = paper
periodic_fuzzy_delay = 0
glance_api_servers = http://127.0.0.1:$GLANCE_PORT
quota_volumes = 100
quota_gigabytes = 10000
$(broker)
[paper]
volume_backend_name = paper
volume_driver = paper.PaperDriver
[nova]
$(login cinder)
region_name = RegionOne
$(common cinder)
INI
}

cinder_start() {
  local config=(--config-file "$DIR/cinder/cinder.conf")
  needs rabbitmq &&
    daemon cinder-scheduler cinder-scheduler "${config[@]}" &&
    daemon cinder-volume env PYTHONPATH="$DIR/cinder/python" cinder-volume "${config[@]}" &&
    wsgi cinder-api "$CINDER_PORT" /usr/bin/cinder-wsgi 1 2 -- "${config[@]}" &&
    answering cinder-api "$CINDER_PORT"
}
