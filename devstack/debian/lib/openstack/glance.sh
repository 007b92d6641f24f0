# shellcheck shell=bash disable=SC2034
# Glance with its images in files. It is no WSGI application here: only its own server takes uploads in chunks.

PROCESSES['glance']=glance-api
NEEDS['glance']=mariadb

glance_make() {
  home glance &&
    as glance mkdir "$DIR/glance/lock" "$DIR/glance/images" "$DIR/glance/staging" "$DIR/glance/tasks" &&
    glance_conf | put glance glance-api.conf &&
    database glance &&
    as glance glance-manage --config-file "$DIR/glance/glance-api.conf" db_sync
}

glance_conf() {
  cat <<INI
[DEFAULT]
bind_host = 127.0.0.1
bind_port = $GLANCE_PORT
workers = 0
use_stderr = true
enabled_backends = files:file
[glance_store]
default_backend = files
[files]
filesystem_store_datadir = $DIR/glance/images
[os_glance_staging_store]
filesystem_store_datadir = $DIR/glance/staging
[os_glance_tasks_store]
filesystem_store_datadir = $DIR/glance/tasks
[paste_deploy]
flavor = keystone
config_file = /etc/glance/glance-api-paste.ini
$(common glance)
INI
}

glance_start() {
  daemon glance-api glance-api --config-file "$DIR/glance/glance-api.conf" &&
    answering glance-api "$GLANCE_PORT"
}
