# shellcheck shell=bash
# Processes: starting, waiting for and ending the servers of this work folder, and no others.
# Every server has a name; its log is $DIR/log/NAME.log, its record $DIR/run/NAME.pid. Its home is $DIR/NAME; servers of
# one service share one: what follows a dash in a name does not count.

readonly STARTED=${EPOCHREALTIME/[.,]/}

# Root starts each server as the user that its package made for it: most refuse to run as root.
declare -rA USER_OF=(
  [mariadb]=mysql [postgresql]=postgres [epmd]=rabbitmq [rabbitmq]=rabbitmq [keystone]=keystone
  [glance]=glance [placement]=placement [neutron]=neutron [nova]=nova [cinder]=cinder [barbican]=barbican
  [octavia]=octavia [ironic]=ironic [manila]=manila
)

# say NAME TEXT prints one line of progress with the seconds since the command began.
say() {
  local tenths=$(((${EPOCHREALTIME/[.,]/} - STARTED) / 100000))
  printf '[%3d.%d s] %-10s %s\n' $((tenths / 10)) $((tenths % 10)) "$1" "$2" >&2
}

# die CODE TEXT ends the command with one line.
die() {
  printf '%s: %s\n' "$PROGRAM" "$2" >&2
  exit "$1"
}

# identity NAME sets the words that run a command as the user of NAME, in its home, with a clean environment.
identity() {
  local service=${1%%-*}
  local user=${USER_OF[$service]}
  AS=(env -i PATH="$PATH" LC_ALL=C.UTF-8 HOME="$DIR/$service")
  if ((EUID == 0)); then AS+=(setpriv --reuid "$user" --regid "$(id -g "$user")" --init-groups --); fi
}

# as NAME CMD… runs CMD as the user of NAME.
as() {
  local AS
  identity "$1"
  shift
  "${AS[@]}" "$@"
}

# home NAME makes an empty home for NAME that nobody else can enter.
home() {
  rm -rf "${DIR:?}/$1"
  local owner=()
  if ((EUID == 0)); then owner=(-o "${USER_OF[$1]}" -g "$(id -g "${USER_OF[$1]}")"); fi
  install -d -m 700 "${owner[@]}" "$DIR/$1"
}

# put NAME FILE [MODE] writes standard input to a file in the home of NAME.
put() {
  # shellcheck disable=SC2016 # expanded by the shell that runs as NAME
  as "$1" sh -c 'umask 077 && cat >"$HOME/$1" && chmod "$2" "$HOME/$1"' put "$2" "${3:-600}"
}

# certificates NAME makes a CA and a certificate for the loopback address in the home of NAME, and tells everybody the CA.
certificates() {
  local key=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30) home=$DIR/$1
  as "$1" openssl req -x509 "${key[@]}" -subj '/CN=Jeroboam test CA' \
    -keyout "$home/ca.key" -out "$home/ca.pem" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign &&
    as "$1" openssl req -x509 "${key[@]}" -subj '/CN=localhost' \
      -CA "$home/ca.pem" -CAkey "$home/ca.key" -keyout "$home/server.key" -out "$home/server.pem" \
      -addext basicConstraints=critical,CA:FALSE -addext extendedKeyUsage=serverAuth \
      -addext subjectAltName=IP:127.0.0.1,DNS:localhost &&
    as "$1" cat "$home/ca.pem" >"$DIR/$1-ca.pem"
}

# launch NAME CMD… starts the server NAME in a session of its own. It records itself before it becomes the server, so
# that none runs unrecorded, and none starts once the folder is gone. It gets none of our descriptors: an inherited
# pipe would keep our caller waiting, the inherited lock would lock out everybody.
launch() {
  local name=$1 AS
  identity "$name"
  shift
  (record "$name" "$BASHPID" && exec setsid "${AS[@]}" "$@") </dev/null >>"$DIR/log/$name.log" 2>&1 {LOCK}>&- &
  record "$name" $!
}

# record NAME PID writes down who the server NAME is.
record() {
  local mine=$DIR/run/$1.$BASHPID
  printf '%s %s\n' "$2" "$(birth "$2")" >"$mine" && mv "$mine" "$DIR/run/$1.pid"
}

# birth PID prints when a living process started, in clock ticks since boot. With it a recorded pid is never mistaken
# for a later process of the same number.
birth() {
  local stat
  read -r stat 2>/dev/null <"/proc/$1/stat" || return 1
  read -ra stat <<<"${stat##*) }" # a name may hold spaces: count from behind it
  [[ ${stat[0]} != Z ]] && printf '%s' "${stat[19]}"
}

# pid_of NAME prints the pid of the server NAME, and fails when it does not run.
pid_of() {
  local pid born
  read -r pid born 2>/dev/null <"$DIR/run/$1.pid" || return 1
  [[ -n $born && $(birth "$pid") == "$born" ]] && printf '%s' "$pid"
}

# await NAME SECONDS CMD… repeats CMD until it succeeds; fails when time is up or the server NAME has died. Whose log says
# why is in CULPRIT then.
# shellcheck disable=SC2034 # read by bring_up
await() {
  local name=$1 deadline=$((SECONDS + $2))
  shift 2
  until "$@" >/dev/null 2>&1; do
    pid_of "$name" >/dev/null || { CULPRIT=$name && say "$name" "died" && return 1; }
    ((SECONDS < deadline)) || { CULPRIT=$name && say "$name" "does not answer" && return 1; }
    sleep 0.1
  done
}

# finish NAME SIGNAL ends the server NAME.
finish() {
  local pid
  while pid=$(pid_of "$1"); do
    # There is a moment after its start in which it leads no group yet.
    if kill -s 0 -- "-$pid" 2>/dev/null; then end_group "$pid" "$2"; else sleep 0.05; fi
  done
  rm -f "$DIR/run/$1.pid"
}

# end_group PID SIGNAL signals the process group that PID leads and waits until all of it is gone. After 15 s it is
# killed. (What its new parent has not collected yet is gone all the same: only these states still run.)
end_group() {
  local deadline=$((SECONDS + 15))
  kill -s "$2" -- "-$1" 2>/dev/null || return 0
  while pgrep --pgroup "$1" --runstates R,S,D,T >/dev/null; do
    ((SECONDS < deadline)) || kill -s KILL -- "-$1" 2>/dev/null || return 0
    sleep 0.05
  done
}
