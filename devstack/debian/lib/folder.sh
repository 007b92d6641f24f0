# shellcheck shell=bash
# The work folder: its ports and its password, its lock, and what it tells the tests.

# open_folder makes the work folder, or takes the one there is, and reads its settings.
open_folder() {
  if [[ -z $DIR ]]; then DIR=$(mktemp -d "${TMPDIR:-/tmp}/jeroboam-$PROGRAM.XXXXXX"); fi
  mkdir -p "$DIR"
  DIR=$(cd "$DIR" && pwd)
  [[ -O $DIR ]] || die 2 "$DIR belongs to somebody else"
  lock
  if [[ ! -e $DIR/settings ]]; then
    [[ -z $(find "$DIR" -mindepth 1 ! -name lock -print -quit) ]] || die 2 "$DIR holds something else"
    write_settings
  fi
  # The servers' users have to pass through it to their own folders, and can see nothing else of it.
  if ((EUID == 0)); then chmod 711 "$DIR"; fi
  mkdir -p "$DIR/log" "$DIR/run" "$DIR/made"
  read_settings
}

# use_folder takes a folder that `up` has made, for us alone.
use_folder() {
  find_folder
  lock
  [[ -e $DIR/settings ]] || die 2 "$DIR has just been removed"
  read_settings
}

# find_folder takes it without keeping others out.
find_folder() {
  [[ -n $DIR ]] || die 2 "set $FOLDER_VARIABLE to the folder that \`up\` has printed"
  [[ -O $DIR && -e $DIR/settings ]] || die 2 "$DIR is no folder of yours that \`$PROGRAM up\` has made"
  DIR=$(cd "$DIR" && pwd)
  read_settings
}

# lock keeps other commands out of the folder until unlock or the end of this one.
lock() {
  [[ -z ${LOCK:-} ]] || return 0
  exec {LOCK}>>"$DIR/lock"
  flock "$LOCK"
}

unlock() {
  exec {LOCK}>&-
  unset LOCK
}

# write_settings makes up a password and a free port for each of the program's PORTS.
write_settings() {
  local free
  mapfile -t free < <(free_ports "${#PORTS[@]}")
  {
    printf 'PASSWORD=%s\n' "$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')"
    paste -d = <(printf '%s_PORT\n' "${PORTS[@]}") <(printf '%s\n' "${free[@]}")
  } >"$DIR/settings.new"
  mv "$DIR/settings.new" "$DIR/settings"
}

read_settings() {
  # shellcheck source=/dev/null
  source "$DIR/settings"
}

# free_ports COUNT prints ports that nobody listens on. They lie below the range from which the kernel takes the ports
# of outgoing connections: a server that a test stops and starts again finds its port still free.
free_ports() {
  local port
  local -A chosen=()
  while ((${#chosen[@]} < $1)); do
    port=$((20000 + RANDOM % 10000))
    accepts "$port" || chosen[$port]=1
  done
  printf '%s\n' "${!chosen[@]}"
}

# accepts PORT succeeds when somebody listens there.
accepts() { (: <>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# print_environment prints what tests need to find the services of this folder.
print_environment() {
  local name
  printf 'export %s=%s\n' "$FOLDER_VARIABLE" "${DIR@Q}"
  own_env
  for name in "${SERVICES[@]}"; do
    if [[ -e $DIR/made/$name && $(type -t "${name}_env") == function ]]; then "${name}_env"; fi
  done
}

# export_line NAME VALUE prints one variable of the tests.
export_line() { printf 'export JEROBOAM_TEST_%s=%s\n' "$1" "${2@Q}"; }
