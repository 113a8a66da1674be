#!/bin/sh
# kernel.sh 6.1|6.12 [amd64|arm64]: prints a folder with that Debian cloud kernel (boot/, lib/modules/), fetched once into the cache.
# Nothing is installed: apt works on lists and a cache of its own. Exit status 77: the package is not available.
set -eu
version=$1 architecture=${2:-amd64}
case $version in
  6.1) suites=bookworm ;;
  6.12) suites="bookworm-backports trixie" ;;
  *) echo "unknown kernel $version" >&2; exit 2 ;;
esac
folder=${PIDFLOW_CACHE:-$HOME/.cache/pidflow}/kernels/$version
[ "$architecture" = amd64 ] || folder=$folder-$architecture
if [ -e "$folder/complete" ]; then echo "$folder"; exit 0; fi

unavailable() { echo "$*" >&2; exit 77; }
command -v apt-get >/dev/null && command -v dpkg >/dev/null || unavailable "no apt-get here"
# The mirror that this machine itself uses.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m 1 '/debian/$') ||
  unavailable "no Debian mirror among this machine's package sources"

rm -rf "$folder"
mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial"
cd "$folder"
apt() {
  command="$1"; shift
  "$command" -qq -o Dir::State::Lists="$folder/lists" -o Dir::Etc::SourceParts=/dev/null \
    -o Dir::Etc::SourceList="$folder/sources.list" -o Dir::Cache="$folder/cache" -o APT::Sandbox::User=root \
    -o APT::Architecture="$architecture" -o APT::Architectures::="$architecture" "$@"
}
for suite in $suites; do
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >sources.list
  apt apt-get update >&2 || continue
  package=$(apt apt-cache search --names-only "^linux-image-$version\.[0-9].*-cloud-$architecture\$" | cut -d ' ' -f 1 | sort -V | tail -n 1)
  [ -n "$package" ] || continue
  apt apt-get download "$package" >&2 || continue
  dpkg -x ./*.deb .
  rm -rf ./*.deb lists cache sources.list
  echo "$package" >complete
  echo "$folder"
  exit 0
done
unavailable "no package of Linux $version for $architecture in $suites at $mirror"
