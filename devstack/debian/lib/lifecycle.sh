# shellcheck shell=bash
# Lifecycle: bringing services up side by side, taking all of it down again, running a command among them.
# The program says what its SERVICES are. A service NAME has functions NAME_make (its data, once),
# NAME_start, and NAME_env where it has something to tell the tests.

# What a service needs up before its own work begins; a function that needs more later on says so itself: `needs NAME…`.
declare -A NEEDS=([keystone]=mariadb)

# The server processes of a service. One that is not named here is one process, called like the service.
declare -A PROCESSES=()

JOBS=() # process groups to end before anything else

# bring_up SERVICE makes its data if there is none, and starts it if it does not run. On failure its log says why.
bring_up() {
  local name=$1 CULPRIT=$1 need
  for need in ${NEEDS[$name]:-}; do needs "$need" || return 1; done
  if [[ ! -e $DIR/made/$name ]]; then
    say "$name" "making its data"
    "${name}_make" >>"$DIR/log/$name.log" 2>&1 </dev/null || { failed "$CULPRIT" && return 1; }
    : >"$DIR/made/$name"
  fi
  if ! running "$name"; then
    say "$name" "starting"
    "${name}_start" || { failed "$CULPRIT" && return 1; }
  fi
  say "$name" "up"
}

# processes SERVICE prints the names of its server processes.
processes() { printf '%s\n' "${PROCESSES[$1]-$1}"; }

# running SERVICE succeeds when all of its processes run.
running() {
  local process
  for process in $(processes "$1"); do pid_of "$process" >/dev/null || return 1; done
}

# needs SERVICE… waits until others that come up beside us are up, and fails when one of them has failed.
needs() {
  local need
  for need in "$@"; do
    until [[ -e $STAGE/$need.up ]]; do
      if [[ -e $STAGE/$need.failed ]]; then CULPRIT='' && return 1; fi
      sleep 0.1
    done
  done
}

# failed NAME shows the end of a log. What failed only because something else did has nothing to show.
failed() {
  [[ -n $1 ]] || return 0
  {
    printf -- '--- the end of %s:\n' "$DIR/log/$1.log"
    tail -n 40 "$DIR/log/$1.log"
    printf -- '---\n'
  } >&2
}

# bring_up_all SERVICE… starts them and what they need side by side, each in a process group of its own, so that all of
# it can be ended.
bring_up_all() {
  local name need job ok=0 wanted=" $* "
  for name in "$@"; do
    for need in ${NEEDS[$name]:-}; do [[ $wanted == *" $need "* ]] || wanted+="$need "; done
  done
  STAGE=$(mktemp -d "$DIR/run/stage.XXXXXX")
  set -m
  for name in $wanted; do
    (if bring_up "$name"; then : >"$STAGE/$name.up"; else : >"$STAGE/$name.failed" && exit 1; fi) &
    JOBS+=($!)
  done
  set +m
  for job in "${JOBS[@]}"; do wait "$job" || ok=1; done
  JOBS=()
  rm -rf "$STAGE"
  return "$ok"
}

# end_jobs ends what we are still doing. Once begun, that is finished: signals come in twos and threes.
end_jobs() {
  local job
  trap '' INT TERM HUP
  for job in "${JOBS[@]}"; do end_group "$job" TERM; done
  JOBS=()
}

# take_down ends every server of the folder and removes it. The data is thrown away, so nothing is shut down with care,
# except that PostgreSQL gives back its shared memory.
take_down() {
  local name record
  end_jobs
  lock
  take_down_nested
  for record in "$DIR"/run/*.pid; do
    name=${record##*/} name=${name%.pid}
    case $name in
      '*') ;;
      postgresql) finish postgresql QUIT & ;;
      *) finish "$name" KILL & ;;
    esac
  done
  wait
  rm -rf "${DIR:?}"
}

# take_down_nested ends what tests have started for themselves alone: in folders more.* inside of ours, so that it ends
# with us even when such a test dies.
take_down_nested() {
  local nested
  for nested in "$DIR"/more.*/settings; do
    [[ ! -e $nested ]] || JEROBOAM_SERVICES_DIR=${nested%/settings} "$HERE/services" down || true
  done
}

# exit_on_signals makes a signal end us by way of the trap of EXIT.
exit_on_signals() {
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
}

# run_among CMD… runs it with the environment of the tests, and exits with its code.
run_among() {
  local code=0
  say all "up: $*"
  if [[ -t 0 ]]; then
    (become_command "$@") || code=$?
  else
    # Waiting in the background lets a signal through at once, where a foreground command would hold it up.
    set -m
    (become_command "$@") <&0 &
    JOBS=($!)
    set +m
    wait "${JOBS[0]}" || code=$?
  fi
  say all "down: the command ended with $code"
  exit "$code"
}

# become_command CMD… replaces this process by CMD as our caller would have run it, and the environment of the tests.
become_command() {
  eval "$(print_environment)"
  export PATH=$CALLERS_PATH
  umask "$CALLERS_UMASK"
  exec "$@"
}
