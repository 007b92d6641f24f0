# shellcheck shell=bash
# RabbitMQ, plain and over TLS, with an Erlang port mapper of its own so that it meets no other node of the machine.

rabbitmq_make() {
  home epmd && home rabbitmq &&
    certificates rabbitmq &&
    put rabbitmq rabbitmq.conf <<CONF &&
listeners.tcp.1 = 127.0.0.1:$RABBITMQ_PORT
listeners.ssl.1 = 127.0.0.1:$RABBITMQ_TLS_PORT
ssl_options.cacertfile = $DIR/rabbitmq/ca.pem
ssl_options.certfile = $DIR/rabbitmq/server.pem
ssl_options.keyfile = $DIR/rabbitmq/server.key
ssl_options.verify = verify_none
ssl_options.fail_if_no_peer_cert = false
default_user = jeroboam
default_pass = $PASSWORD
default_user_tags.administrator = true
log.console = true
log.file = false
CONF
    put rabbitmq rabbitmq-env.conf </dev/null && # or the machine's own would be read
    put rabbitmq enabled_plugins <<<'[].'
}

# rabbitmq_words runs one of RabbitMQ's own programs with everything it would otherwise look for in system folders.
# Debian's wrappers in PATH insist on the system's instance: these are the programs behind them.
rabbitmq_words() {
  local home=$DIR/rabbitmq
  RABBITMQ=(
    env ERL_EPMD_ADDRESS=127.0.0.1 ERL_EPMD_PORT="$RABBITMQ_EPMD_PORT"
    RABBITMQ_NODENAME=rabbit@localhost RABBITMQ_DIST_PORT="$RABBITMQ_DIST_PORT"
    RABBITMQ_CONF_ENV_FILE="$home/rabbitmq-env.conf" RABBITMQ_CONFIG_FILE="$home/rabbitmq.conf"
    RABBITMQ_ADVANCED_CONFIG_FILE="$home/advanced.config" RABBITMQ_ENABLED_PLUGINS_FILE="$home/enabled_plugins"
    RABBITMQ_MNESIA_BASE="$home/mnesia" RABBITMQ_LOG_BASE="$home/log"
    RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='-kernel inet_dist_use_interface {127,0,0,1}'
    RABBITMQ_CTL_ERL_ARGS='-kernel inet_dist_use_interface {127,0,0,1}'
    RABBITMQ_ALLOW_INPUT=1 # the server replaces its script, so that the pid is the broker's
    "/usr/lib/rabbitmq/bin/$1"
  )
}

rabbitmq_start() {
  local RABBITMQ
  rabbitmq_words rabbitmq-server
  pid_of epmd >/dev/null ||
    launch epmd epmd -address 127.0.0.1 -port "$RABBITMQ_EPMD_PORT" &&
    await epmd 20 accepts "$RABBITMQ_EPMD_PORT" &&
    launch rabbitmq "${RABBITMQ[@]}" -noinput &&
    await rabbitmq 90 rabbitmq_speaks "$RABBITMQ_PORT" &&
    await rabbitmq 20 accepts "$RABBITMQ_TLS_PORT"
}

# rabbitmq_speaks PORT succeeds when a broker answers the protocol header with its first frame (a method frame: 1).
rabbitmq_speaks() (
  exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1
  printf 'AMQP\0\0\x09\x01' >&3
  [[ $(timeout 5 head -c 1 <&3 | od -An -tu1) -eq 1 ]]
)

# rabbitmq_command serves `services rabbitmq …`: tests take the broker away and give it back.
rabbitmq_command() {
  local RABBITMQ
  case ${1:-} in
    start) bring_up rabbitmq ;;
    stop) finish rabbitmq TERM ;;
    kill) finish rabbitmq KILL ;;
    pid) pid_of rabbitmq && echo ;;
    ctl)
      rabbitmq_words rabbitmqctl
      as rabbitmq "${RABBITMQ[@]}" -n rabbit@localhost "${@:2}"
      ;;
    *) die 2 "rabbitmq takes start, stop, kill, pid or ctl" ;;
  esac
}

rabbitmq_env() {
  export_line RABBITMQ_URL "rabbit://jeroboam:$PASSWORD@127.0.0.1:$RABBITMQ_PORT/"
  export_line RABBITMQ_TLS_URL "rabbit://jeroboam:$PASSWORD@127.0.0.1:$RABBITMQ_TLS_PORT/?ssl=true"
  export_line RABBITMQ_CAFILE "$DIR/rabbitmq-ca.pem"
}
