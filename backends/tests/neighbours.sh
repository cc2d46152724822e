#!/usr/bin/env bash
# Whether Sessile links beside what a program may have already, and works there:
#
#     backends/tests/neighbours.sh oldest      # the SQLite suite, with the oldest rusqlite that we accept
#     backends/tests/neighbours.sh programs    # programs beside sqlx 0.8, sqlx 0.9 and diesel 2
#
# Only one `libsqlite3-sys` fits into a program, and each release of rusqlite wants its own. The lock of the workspace has
# the newest rusqlite, so `cargo test` judges that end of the range. The programs below `neighbours` have no lock: Cargo
# chooses what it would choose for a new program of today.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$root/target}

# Releases of rusqlite before it want a `libsqlite3-sys` that no supported neighbour has.
OLDEST=0.32.1

oldest() {
    local copy="$CARGO_TARGET_DIR/oldest"
    rm -rf "$copy"
    mkdir -p "$copy"
    # Files keep their times, so what has not changed is not built again.
    (cd "$root" && git ls-files -z --cached --others --exclude-standard | xargs -0 tar -c) | tar -xC "$copy"
    cd "$copy"
    cargo update --quiet --package rusqlite --precise "$OLDEST"
    # The whole workspace, so that other crates are built with the features they have been built with already.
    cargo test --workspace --test conformance -- sqlite::
}

programs() {
    local program folder
    for program in "$root"/backends/tests/neighbours/*/; do
        program=$(basename "$program")
        folder=$(mktemp -d)
        cargo run --quiet --manifest-path "$root/backends/tests/neighbours/$program/Cargo.toml" -- "$folder"
        rm -r "$folder"
    done
}

case "${1:-}" in
    oldest | programs) "$1" ;;
    *) sed -n '2,5s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
esac
