#!/bin/sh
# arm64.sh system: prints a folder with the packages of Debian 12 for arm64 that a guest needs, fetched once into the cache.
# arm64.sh programs: prints a folder with the agent and the scenarios, built for arm64 against that system's libraries.
# Nothing of arm64 is executed or installed. Exit status 77: it cannot be had here.
set -eu
top=$(cd "$(dirname "$0")/../.." && pwd)
system=${PIDFLOW_CACHE:-$HOME/.cache/pidflow}/system-arm64
target=aarch64-unknown-linux-gnu
unavailable() { echo "$*" >&2; exit 77; }

fetch() {
  [ ! -e "$system/complete" ] || return 0
  command -v mmdebstrap >/dev/null || unavailable "no mmdebstrap"
  # The mirror that this machine itself uses.
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m 1 '/debian/$') ||
    unavailable "no Debian mirror among this machine's package sources"
  rm -rf "$system"
  mkdir -p "$system"
  # `extract` unpacks packages with what they depend on, and runs none of their scripts.
  mmdebstrap --quiet --variant=extract --architectures=arm64 --format=tar --include=busybox-static,iproute2,libpcap0.8 \
    --dpkgopt='path-exclude=/usr/share/*' bookworm - "$mirror" >"$system.tar" || unavailable "mmdebstrap failed"
  tar -xf "$system.tar" -C "$system" --no-same-owner
  rm "$system.tar"
  # The name for which the linker looks.
  mkdir "$system/link"
  ln -s ../usr/lib/aarch64-linux-gnu/libpcap.so.0.8 "$system/link/libpcap.so"
  touch "$system/complete"
}

# Without the exporters that bring a library each, and the history: no scenario uses them.
build() {
  command -v aarch64-linux-gnu-gcc >/dev/null || unavailable "no aarch64-linux-gnu-gcc (package gcc-aarch64-linux-gnu)"
  [ -d "$(rustc --print sysroot)/lib/rustlib/$target" ] || unavailable "no Rust for $target: rustup target add $target"
  libraries=$system/usr/lib/aarch64-linux-gnu
  cd "$top"
  CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc LIBPCAP_LIBDIR=$system/link LIBPCAP_VER=1.10.3 \
    CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS="-Clink-arg=-Wl,-rpath-link,$libraries:$system/lib/aarch64-linux-gnu" \
    cargo build --target "$target" --package pidflow --package pidflow-tests --bin pidflow --bin scenario \
    --no-default-features --features pidflow/probes >&2
  echo "${CARGO_TARGET_DIR:-$top/target}/$target/debug"
}

case ${1:-} in
  system) fetch; echo "$system" ;;
  programs) fetch; build ;;
  *) echo "usage: arm64.sh system|programs" >&2; exit 2 ;;
esac
