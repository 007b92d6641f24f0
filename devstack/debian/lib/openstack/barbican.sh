# shellcheck shell=bash disable=SC2034
# Barbican with its secrets encrypted in its database. Orders need a worker; secrets and containers do not.

PROCESSES['barbican']=barbican-api
NEEDS['barbican']=mariadb

# Barbican finds its configuration only below its home.
barbican_make() {
  home barbican &&
    as barbican mkdir "$DIR/barbican/.barbican" "$DIR/barbican/lock" &&
    barbican_conf | put barbican .barbican/barbican.conf &&
    database barbican &&
    as barbican barbican-manage db upgrade
}

barbican_conf() {
  cat <<INI
[DEFAULT]
use_stderr = true
host_href = http://127.0.0.1:$BARBICAN_PORT
sql_connection = $(database_url barbican)
db_auto_create = false
[secretstore]
enabled_secretstore_plugins = store_crypto
[crypto]
enabled_crypto_plugins = simple_crypto
[simple_crypto_plugin]
kek = $(head -c 32 /dev/urandom | base64)
[queue]
enable = false
$(common barbican)
INI
}

barbican_start() {
  wsgi barbican-api "$BARBICAN_PORT" /usr/bin/barbican-wsgi-api 1 2 &&
    answering barbican-api "$BARBICAN_PORT"
}
