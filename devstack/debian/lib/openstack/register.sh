# shellcheck shell=bash disable=SC2034
# Jeroboam in the catalogue, put there as into any other cloud: by `jeroboam-manage register`, from a configuration with
# which its services can be started, too.

PROCESSES['register']=

# require_go says at once what would be missed later.
require_go() { PATH=$CALLERS_PATH command -v go >/dev/null || die 2 "Go is missing: jeroboam-manage is built with it"; }

# register_make builds while the cloud comes up.
register_make() {
  build_manage && needs identity &&
    database jeroboam &&
    jeroboam_conf >"$DIR/jeroboam.conf" &&
    OS_CLIENT_CONFIG_FILE=$DIR/clouds.yaml "$DIR/jeroboam-manage" --config-file "$DIR/jeroboam.conf" \
      register --os-cloud admin --url "http://127.0.0.1:$JEROBOAM_PORT/v1"
}

build_manage() { (cd "$HERE/../.." && PATH=$CALLERS_PATH go build -o "$DIR/jeroboam-manage" ./cmd/jeroboam-manage); }

jeroboam_conf() {
  cat <<INI
[DEFAULT]
transport_url = rabbit://jeroboam:$PASSWORD@127.0.0.1:$RABBITMQ_PORT/
[api]
host = 127.0.0.1
port = $JEROBOAM_PORT
[database]
connection = $(database_url jeroboam)
[keystone_authtoken]
$(login jeroboam)
www_authenticate_uri = $(keystone_url)
region_name = RegionOne
[service_user]
domain = jeroboam
roles = member,load-balancer_member
[certificates]
cert_manager_type = barbican
INI
}

# Where the catalogue says that Jeroboam's API is.
register_env() { export_line OPENSTACK_JEROBOAM_PORT "$JEROBOAM_PORT"; }
