# shellcheck shell=bash
# PostgreSQL on a data folder of its own. Nothing is flushed to disk: the data does not outlive the run.

# postgresql_program NAME prints the path of a server program: Debian keeps them out of PATH, one folder per version.
postgresql_program() { printf '%s\n' /usr/lib/postgresql/*/bin/"$1" | sort -V | tail -n 1; }

postgresql_make() {
  home postgresql &&
    put postgresql password <<<"$PASSWORD" &&
    as postgresql "$(postgresql_program initdb)" --pgdata="$DIR/postgresql/data" --username=jeroboam \
      --pwfile="$DIR/postgresql/password" --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 --no-sync
}

postgresql_start() {
  launch postgresql "$(postgresql_program postgres)" -D "$DIR/postgresql/data" -c listen_addresses=127.0.0.1 \
    -c port="$POSTGRESQL_PORT" -c unix_socket_directories= -c max_connections=500 \
    -c fsync=off -c synchronous_commit=off -c full_page_writes=off &&
    await postgresql 60 "$(postgresql_program pg_isready)" -q -h 127.0.0.1 -p "$POSTGRESQL_PORT"
}

postgresql_env() {
  export_line POSTGRESQL_URL "postgresql://jeroboam:$PASSWORD@127.0.0.1:$POSTGRESQL_PORT/postgres?sslmode=disable"
}
