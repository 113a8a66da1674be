#!/bin/sh
# Installs the build dependencies, builds pidflow, and starts it. Run it in a fresh clone.
# Arguments are passed to `pidflow run`; without arguments it shows the live view.
set -eu
cd "$(dirname "$0")/.."

missing=
command -v cc >/dev/null || missing="$missing gcc libc6-dev"
command -v pkg-config >/dev/null || missing="$missing pkg-config"
pkg-config --exists libpcap 2>/dev/null || missing="$missing libpcap-dev"
root=
[ "$(id -u)" -eq 0 ] || root=sudo
if [ -n "$missing" ]; then
  command -v apt-get >/dev/null || { echo "install these packages first:$missing" >&2; exit 1; }
  $root apt-get -qq update
  # shellcheck disable=SC2086 # the list is meant to be split
  $root apt-get -qq install -y --no-install-recommends $missing
fi
command -v cargo >/dev/null || { echo "cargo is missing: install Rust 1.95 or newer from rustup.rs" >&2; exit 1; }

cargo build --release --package pidflow
exec $root "${CARGO_TARGET_DIR:-target}/release/pidflow" run "$@"
