# shellcheck shell=bash
# Keystone on the MariaDB of this folder, with its own configuration and keys, behind uwsgi as Debian runs it.

keystone_make() {
  home keystone &&
    put keystone password <<<"$PASSWORD" &&
    put keystone keystone.conf <<CONF &&
[DEFAULT]
use_stderr = true
[database]
connection = mysql+pymysql://jeroboam:$PASSWORD@127.0.0.1:$MARIADB_PORT/keystone?charset=utf8mb4
[identity]
# the least that bcrypt takes: the default of 12 costs every login a third of a second of CPU
password_hash_rounds = 4
[token]
provider = fernet
[fernet_tokens]
key_repository = $DIR/keystone/fernet-keys
[fernet_receipts]
key_repository = $DIR/keystone/fernet-keys
[credential]
key_repository = $DIR/keystone/credential-keys
[oslo_messaging_notifications]
driver = noop
CONF
    keystone_keys fernet-keys &&
    keystone_keys credential-keys &&
    mariadb_sql -e 'DROP DATABASE IF EXISTS keystone; CREATE DATABASE keystone CHARACTER SET utf8mb4' &&
    keystone_manage db_sync &&
    keystone_manage bootstrap --bootstrap-username admin --bootstrap-project-name admin --bootstrap-role-name admin \
      --bootstrap-service-name keystone --bootstrap-region-id RegionOne --bootstrap-admin-url "$(keystone_url)" \
      --bootstrap-internal-url "$(keystone_url)" --bootstrap-public-url "$(keystone_url)"
}

# keystone_keys FOLDER makes the two keys of a new repository: 0 is staged, 1 is primary. keystone-manage would take
# two seconds for each.
keystone_keys() {
  as keystone install -d -m 700 "$DIR/keystone/$1" &&
    keystone_key | put keystone "$1/0" && keystone_key | put keystone "$1/1"
}

keystone_key() { head -c 32 /dev/urandom | base64 | tr '+/' '-_'; }

# keystone_manage hands the password over in the environment: everybody can read a command line.
keystone_manage() {
  # shellcheck disable=SC2016 # expanded by the shell that runs as keystone
  as keystone sh -c 'OS_BOOTSTRAP_PASSWORD=$(cat "$HOME/password") exec keystone-manage \
    --config-file "$HOME/keystone.conf" "$@"' keystone-manage "$@"
}

keystone_start() {
  launch keystone env OS_KEYSTONE_CONFIG_DIR="$DIR/keystone" uwsgi_python3 --master --die-on-term --need-app \
    --http-socket "127.0.0.1:$KEYSTONE_PORT" --wsgi-file /usr/bin/keystone-wsgi-public --lazy-apps \
    --processes 2 --threads 1 --thunder-lock --buffer-size 65535 --socket-timeout 60 --listen 100 \
    --add-header 'Connection: close' --disable-logging &&
    await keystone 90 curl -fsS -m 10 -o /dev/null "$(keystone_url)"
}

keystone_url() { printf 'http://127.0.0.1:%s/v3' "$KEYSTONE_PORT"; }

keystone_env() {
  export_line KEYSTONE_URL "$(keystone_url)"
  export_line KEYSTONE_ADMIN_PASSWORD "$PASSWORD"
}
