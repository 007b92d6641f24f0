# shellcheck shell=bash
# MariaDB on a data folder of its own. Nothing is flushed to disk: the data outlives the server, and not the machine. It is
# started again when it has crashed, as by its systemd unit (Restart=on-abort): 10.11 was seen to end with signal 11 in a
# query of Nova's.

mariadb_make() {
  home mariadb &&
    put mariadb grants.sql <<SQL &&
CREATE USER IF NOT EXISTS jeroboam@'127.0.0.1' IDENTIFIED BY '$PASSWORD';
GRANT ALL ON *.* TO jeroboam@'127.0.0.1' WITH GRANT OPTION;
SQL
    put mariadb client.cnf <<INI &&
[client]
protocol = tcp
host = 127.0.0.1
port = $MARIADB_PORT
user = jeroboam
password = $PASSWORD
INI
    certificates mariadb &&
    as mariadb mariadb-install-db --no-defaults --datadir="$DIR/mariadb/data" --skip-test-db --skip-name-resolve \
      --innodb-flush-method=nosync --innodb-flush-log-at-trx-commit=2
}

mariadb_start() {
  # shellcheck disable=SC2016 # expanded by the shell that watches the server; 128 and more are signals, of which 15 is ours
  launch mariadb bash -c 'while "$@"; code=$?; ((code == 134 || code == 139)); do echo "crashed: $code, started again"; done
    exit "$code"' watch mariadbd --no-defaults --datadir="$DIR/mariadb/data" --socket="$DIR/mariadb/socket" \
    --bind-address=127.0.0.1 --port="$MARIADB_PORT" --skip-name-resolve --init-file="$DIR/mariadb/grants.sql" \
    --character-set-server=utf8mb4 --max-connections=1000 --innodb-buffer-pool-size=256M \
    --innodb-flush-method=nosync --innodb-flush-log-at-trx-commit=2 --skip-innodb-doublewrite --skip-log-bin \
    --ssl-cert="$DIR/mariadb/server.pem" --ssl-key="$DIR/mariadb/server.key" &&
    await mariadb 60 mariadb_sql -e 'SELECT 1'
}

mariadb_sql() { as mariadb mariadb --defaults-file="$DIR/mariadb/client.cnf" "$@"; }

mariadb_env() {
  export_line MARIADB_URL "mysql+pymysql://jeroboam:$PASSWORD@127.0.0.1:$MARIADB_PORT/"
  export_line MARIADB_CAFILE "$DIR/mariadb-ca.pem"
}
