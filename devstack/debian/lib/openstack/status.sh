# shellcheck shell=bash
# What runs, what answers, and what it takes of the machine's memory.

# status prints one line for each process, and fails when one does not run or answer.
status() {
  local service process pid answer ok=0
  printf '%-18s %8s %6s %6s  %s\n' PROCESS PID MIB PORT ANSWER
  for service in "${SERVICES[@]}"; do
    for process in $(processes "$service"); do
      answer=$(answer_of "$process") || ok=1
      if pid=$(pid_of "$process"); then
        printf '%-18s %8s %6s %6s  %s\n' "$process" "$pid" "$(memory_of "$pid")" "$(port_of "$process")" "$answer"
      else
        printf '%-18s %8s %6s %6s  %s\n' "$process" - - "$(port_of "$process")" 'does not run'
        ok=1
      fi
    done
  done
  return "$ok"
}

# port_of PROCESS prints the port of an API or of a server, and - for those who listen nowhere.
port_of() {
  case $1 in
    mariadb) printf '%s' "$MARIADB_PORT" ;;
    rabbitmq) printf '%s' "$RABBITMQ_PORT" ;;
    keystone) printf '%s' "$KEYSTONE_PORT" ;;
    ironic-images) printf '%s' "$IMAGES_PORT" ;;
    *-api | neutron-server)
      local name=${1%-*}_PORT
      name=${name^^}
      printf '%s' "${!name}"
      ;;
    *) printf -- - ;;
  esac
}

# answer_of PROCESS prints what it says when it is asked, or where else it is known to be at work.
answer_of() {
  local port code
  port=$(port_of "$1")
  case $1 in
    mariadb) mariadb_sql -BN -e 'SELECT version()' 2>&1 ;;
    rabbitmq) rabbitmq_speaks "$port" && printf 'AMQP' ;;
    *)
      if [[ $port == - ]]; then printf -- - && return; fi
      if code=$(curl -s -m 10 -o /dev/null -w '%{http_code} in %{time_total} s' "http://127.0.0.1:$port/"); then
        printf 'HTTP %s' "$code"
      else
        printf 'no answer' && return 1
      fi
      ;;
  esac
}

# memory_of PID prints what the processes of its group take together, shared pages split among those who share them.
memory_of() {
  local pid
  for pid in $(pgrep --pgroup "$1"); do cat "/proc/$pid/smaps_rollup" 2>/dev/null || true; done |
    awk '/^Pss:/ {sum += $2} END {printf "%d", sum / 1024}'
}
