#!/usr/bin/env bash
# Runs a command with a PostgreSQL server beside it, on loopback only, and stops it and removes its data afterwards:
#
#     backends/tests/postgres.sh cargo test -p sessile --test conformance -- postgres::
#
# It is a cluster of its own, in the temporary folder, with a random password; commits are flushed, as they are in earnest. The
# programs are those of Debian's package `postgresql`, which is installed if it is missing and this user may. PostgreSQL does
# not run as root: root hands it to the package's user `postgres`.
set -euo pipefail

find_programs() {
    programs=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1)
    [ -n "$programs" ] || programs=$(dirname "$(command -v pg_ctl 2>/dev/null || echo .)")
    [ -x "$programs/initdb" ]
}

if ! find_programs; then
    echo "postgres: missing; trying Debian's package" >&2
    apt-get update -qq && apt-get install -y -qq --no-install-recommends postgresql >&2
    find_programs || { echo "postgres: initdb is missing" >&2; exit 1; }
fi
as=()
[ "$(id -u)" -ne 0 ] || as=(runuser -u postgres --)

data=$(mktemp -d)
stop() {
    "${as[@]}" "$programs/pg_ctl" stop -s -m immediate -D "$data/cluster" >/dev/null 2>&1 || true
    rm -rf "$data"
}
trap stop EXIT

password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
(umask 077 && printf '%s\n' "$password" >"$data/password")
# A certificate for its address, and whoever signs it.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=suite -keyout "$data/root.key" \
    -out "$data/root.pem" 2>/dev/null
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=server -keyout "$data/server.key" \
    -out "$data/server.csr" 2>/dev/null
openssl x509 -req -in "$data/server.csr" -CA "$data/root.pem" -CAkey "$data/root.key" -days 2 -out "$data/server.pem" \
    -extfile <(echo 'subjectAltName = IP:127.0.0.1') 2>/dev/null
[ "$(id -u)" -ne 0 ] || chown -R postgres "$data"
"${as[@]}" "$programs/initdb" -D "$data/cluster" -U sessile -E UTF8 --locale=C --auth=scram-sha-256 --pwfile="$data/password" >/dev/null
{
    echo "listen_addresses = '127.0.0.1'"
    echo "port = $port"
    echo "unix_socket_directories = ''"
    echo "max_connections = 400"
    echo "ssl = on"
    echo "ssl_cert_file = '$data/server.pem'"
    echo "ssl_key_file = '$data/server.key'"
    echo "max_locks_per_transaction = 256"
} >>"$data/cluster/postgresql.conf"
if ! "${as[@]}" "$programs/pg_ctl" start -s -w -D "$data/cluster" -l "$data/cluster/log"; then
    cat "$data/cluster/log" >&2
    exit 1
fi

# Where the tests look, and what they may stop and start.
export PGPASSWORD=$password SESSILE_TEST_POSTGRES="postgres://sessile@127.0.0.1:$port/postgres"
export SESSILE_TEST_POSTGRES_ROOTS="$data/root.pem"
export SESSILE_TEST_POSTGRES_CONTROL="${as[*]} $programs/pg_ctl -D $data/cluster"
echo "postgres: $("$programs/postgres" --version)"
"$@"
