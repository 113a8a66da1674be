#!/bin/sh
# Builds pidflow for arm64 on another Debian machine, and prints where the program is: deploy/arm64.sh [CARGO-ARGUMENTS, --release]
#
# Needs rustup and gcc-aarch64-linux-gnu with libc6-dev-arm64-cross. libpcap for arm64 is fetched into the cache; nothing is installed.
# `deploy/debian/build.sh --binary PROGRAM` makes a package of it where libpcap for arm64 is installed.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
target=aarch64-unknown-linux-gnu
folder=${PIDFLOW_CACHE:-$HOME/.cache/pidflow}/arm64
command -v aarch64-linux-gnu-gcc >/dev/null ||
  { echo "aarch64-linux-gnu-gcc is missing: apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross" >&2; exit 1; }
rustup target list --installed | grep -qx $target || rustup target add $target

if [ ! -e "$folder/complete" ]; then
  # The mirror that this machine itself uses; apt works on lists and a cache of its own.
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m 1 '/debian/$') ||
    { echo "no Debian mirror among this machine's package sources" >&2; exit 1; }
  rm -rf "$folder"
  mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial"
  cd "$folder"
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror bookworm main" >sources.list
  for command in update "download libpcap0.8:arm64 libpcap0.8-dev:arm64"; do
    # shellcheck disable=SC2086 # a command and its arguments
    apt-get -qq -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o Dir::State::Lists="$folder/lists" \
      -o Dir::Etc::SourceParts=/dev/null -o Dir::Etc::SourceList="$folder/sources.list" -o Dir::Cache="$folder/cache" \
      -o Dir::State::status=/dev/null -o APT::Sandbox::User=root $command >&2
  done
  for package in ./*.deb; do dpkg-deb -x "$package" .; done
  rm -rf ./*.deb lists cache
  touch complete
fi

cd "$top"
# What libpcap itself needs (D-Bus, systemd) is found on the machine that runs the program.
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc CC_aarch64_unknown_linux_gnu=aarch64-linux-gnu-gcc
export LIBPCAP_LIBDIR="$folder/usr/lib/aarch64-linux-gnu" LIBPCAP_VER=1.10.3
export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS="-L $LIBPCAP_LIBDIR -C link-arg=-Wl,--allow-shlib-undefined"
[ $# -gt 0 ] || set -- --release
cargo build --locked --target $target --package pidflow "$@" >&2
case " $* " in *" --release "*) profile=release ;; *) profile=debug ;; esac
echo "${CARGO_TARGET_DIR:-target}/$target/$profile/pidflow"
