#!/bin/sh
# system.sh: prints a tar archive of a minimal Debian 12 (the essential packages and libpcap), made once into the cache. It needs root.
# Exit status 77: it cannot be made here.
set -eu
archive=${PIDFLOW_CACHE:-$HOME/.cache/pidflow}/system.tar
if [ -e "$archive" ]; then echo "$archive"; exit 0; fi

unavailable() { echo "$*" >&2; exit 77; }
command -v mmdebstrap >/dev/null || unavailable "no mmdebstrap"
# The mirror that this machine itself uses.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -m 1 '/debian/$') ||
  unavailable "no Debian mirror among this machine's package sources"
mkdir -p "$(dirname "$archive")"
# One at a time, and under another name until it is complete.
exec 9>"$archive.lock"
flock 9
if [ -e "$archive" ]; then echo "$archive"; exit 0; fi
new=$(mktemp -p "$(dirname "$archive")" system.XXXXXX)
trap 'rm -f "$new"' EXIT
mmdebstrap --quiet --variant=essential --format=tar --include=libpcap0.8 --aptopt='APT::Install-Recommends "false"' \
  --dpkgopt='path-exclude=/usr/share/locale/*' bookworm - "$mirror" >"$new" ||
  unavailable "mmdebstrap failed"
mv "$new" "$archive"
trap - EXIT
echo "$archive"
