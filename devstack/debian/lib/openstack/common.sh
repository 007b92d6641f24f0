# shellcheck shell=bash
# What the configuration files of all services have in common, and how their APIs are started.

# database NAME… makes empty databases. Some migrations mix tables of MariaDB's default with tables that ask for utf8mb3.
database() {
  local name
  for name in "$@"; do
    mariadb_sql -e "DROP DATABASE IF EXISTS $name; CREATE DATABASE $name CHARACTER SET utf8mb3"
  done
}

database_url() { printf 'mysql+pymysql://jeroboam:%s@127.0.0.1:%s/%s?charset=utf8' "$PASSWORD" "$MARIADB_PORT" "$1"; }

# login USER prints the options with which a service logs in to Keystone.
login() {
  cat <<INI
auth_type = password
auth_url = $(keystone_url)
username = $1
password = $PASSWORD
user_domain_name = Default
project_name = service
project_domain_name = Default
INI
}

# common SERVICE prints the sections that mean the same to every service. Its database and its user are called like it.
common() {
  cat <<INI
[database]
connection = $(database_url "$1")
[keystone_authtoken]
$(login "$1")
www_authenticate_uri = $(keystone_url)
region_name = RegionOne
service_token_roles = service
service_token_roles_required = true
[oslo_messaging_notifications]
driver = noop
[oslo_concurrency]
lock_path = $DIR/$1/lock
INI
}

# broker prints the options of [DEFAULT] for those who talk over RabbitMQ, and a section. An API between two requests has
# nobody to send heartbeats: the broker would take it for dead.
broker() {
  cat <<INI
transport_url = rabbit://jeroboam:$PASSWORD@127.0.0.1:$RABBITMQ_PORT/
[oslo_messaging_rabbit]
heartbeat_timeout_threshold = 0
INI
}

# plugin SERVICE GROUP NAME CLASS puts our Python module NAME where SERVICE looks for plugins, as NAME of that group.
plugin() {
  local info=python/jeroboam_$3-1.0.dist-info
  as "$1" mkdir -p "$DIR/$1/$info" &&
    put "$1" "python/$3.py" 644 <"$HERE/lib/openstack/$3.py" &&
    printf 'Metadata-Version: 2.1\nName: jeroboam-%s\nVersion: 1.0\n' "$3" | put "$1" "$info/METADATA" &&
    printf '[%s]\n%s = %s:%s\n' "$2" "$3" "$3" "$4" | put "$1" "$info/entry_points.txt"
}

# wsgi NAME PORT FILE PROCESSES THREADS [VARIABLE=VALUE…] [-- ARG…] starts the API of a service under uwsgi; the words
# behind -- are the arguments of the API itself. Nova and Ironic use green threads, which real ones bring to a halt: as in
# Debian's own settings they get one for each process.
wsgi() {
  local name=$1 port=$2 file=$3 processes=$4 threads=$5 variables=()
  shift 5
  pid_of "$name" >/dev/null && return 0
  while (($#)) && [[ $1 != -- ]]; do variables+=("$1") && shift; done
  launch "$name" env "${variables[@]}" uwsgi_python3 --master --die-on-term --need-app --enable-threads \
    --http-socket "127.0.0.1:$port" --wsgi-file "$file" --lazy-apps --processes "$processes" \
    --threads "$threads" --thunder-lock --buffer-size 65535 --socket-timeout 60 --listen 100 \
    --add-header 'Connection: close' --disable-logging ${2:+--pyargv "${*:2}"}
}

# daemon NAME CMD… starts a process unless it runs.
daemon() { pid_of "$1" >/dev/null || launch "$@"; }

# answering NAME PORT waits for an API to answer, whatever it says.
answering() { await "$1" 120 curl -sS -m 10 -o /dev/null "http://127.0.0.1:$2/"; }
