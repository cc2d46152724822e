#!/usr/bin/env bash
# Runs a program with each kind of store where people look for their own bugs, twice each, so that a store is also opened
# again: below valgrind, in a container without /proc, and with the address sanitizer, which needs a nightly toolchain.
#
#     backends/tests/tools.sh                      # all
#     backends/tests/tools.sh valgrind no_proc     # some
#
# A tool that is missing fails: say what to leave out by naming the others. On a failure the tool's own report is shown.
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-$PWD/target}
host=$(rustc -vV | sed -n 's/^host: //p')

# The program, on every kind of store, below the command that is given.
every_store() {
    local program=$1 folder address
    shift
    folder=$(mktemp -d)
    for address in memory: "sqlite:$folder/a.db" "redb:$folder/a.redb" "disk:$folder/disk" "file://$folder/objects"; do
        mkdir -p "$folder/objects"
        "$@" "$program" "$address"
        "$@" "$program" "$address"
    done
    rm -r "$folder"
}

plain() {
    cargo build --quiet --package sessile-examples --example change_backend
    every_store "$target/debug/examples/change_backend" "$@"
}

valgrind() {
    plain command valgrind --quiet --error-exitcode=9 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite
}

# An empty file system over /proc, for this program only.
no_proc() {
    plain unshare --map-root-user --mount sh -euc 'mount -t tmpfs none /proc; test ! -e /proc/self; exec "$@"' sh
}

# Everything but the standard library is built with it, in a folder of its own. Leaks are valgrind's part; SQLite's one file has
# two statics of one name, which the sanitizer takes for a violation.
address_sanitizer() {
    RUSTFLAGS=-Zsanitizer=address cargo +nightly build --quiet --package sessile-examples --example change_backend \
        --target "$host" --target-dir "$target/sanitizer"
    every_store "$target/sanitizer/$host/debug/examples/change_backend" env ASAN_OPTIONS=detect_leaks=0:detect_odr_violation=0
}

[ $# -gt 0 ] || set -- valgrind no_proc address_sanitizer
for tool in "$@"; do
    echo "tools: $tool"
    "$tool"
done
