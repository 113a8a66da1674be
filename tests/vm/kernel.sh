#!/bin/sh
# kernel.sh 5.10|6.1|6.12|newest [amd64|arm64]: prints a folder with that Debian cloud kernel (boot/, lib/modules/), fetched once
# into the cache.
# Nothing is installed: apt works on lists and a cache of its own. Exit status 77: the package is not available.
set -eu
version=$1 architecture=${2:-amd64}
case $version in
  5.10) suites="bullseye bullseye-security" ;;
  6.1) suites=bookworm ;;
  6.12) suites="bookworm-backports trixie" ;;
  newest) suites="sid" ;;
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
# Of the newest, the greatest version of all.
case $version in newest) number='[0-9]+' ;; *) number=$(echo "$version" | sed 's/\./\\./') ;; esac
for suite in $suites; do
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >sources.list
  apt apt-get update >&2 || continue
  package=$(apt apt-cache search --names-only "^linux-image-$number\.[0-9].*-cloud-$architecture\$" | cut -d ' ' -f 1 | sort -V | tail -n 1)
  [ -n "$package" ] || continue
  # Since 6.19 the image and its modules are in packages of their own.
  parts=$(apt apt-cache depends "$package" | sed -n 's/^ *Depends: \(linux-\(binary\|modules\)-.*\)/\1/p')
  # shellcheck disable=SC2086 # the list is meant to be split
  apt apt-get download "$package" $parts >&2 || continue
  for file in ./*.deb; do dpkg -x "$file" .; done
  rm -rf ./*.deb lists cache sources.list
  echo "$package" >complete
  echo "$folder"
  exit 0
done
unavailable "no package of Linux $version for $architecture in $suites at $mirror"
