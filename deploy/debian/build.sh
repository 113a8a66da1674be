#!/bin/sh
# Builds the Debian package, and prints where it is: deploy/debian/build.sh [--binary FILE] [--out FOLDER] [--quick]
#
#   --binary FILE  package this program instead of building one with cargo; it decides the architecture
#   --out FOLDER   where the package is written (target/debian)
#   --quick        compress little, for tests
#
# The same sources and program give the same bytes. Needs dpkg-dev and binutils. For another architecture, the program's libraries
# must be installed (dpkg --add-architecture), because dpkg-shlibdeps reads them.
set -eu
LC_ALL=C
export LC_ALL
top=$(cd "$(dirname "$0")/../.." && pwd)
here=$top/deploy/debian
binary='' out=$top/target/debian compression=-Zxz
while [ $# -gt 0 ]; do
  case $1 in
    --binary) binary=$(readlink -f "$2"); shift 2 ;;
    --out) out=$2; shift 2 ;;
    --quick) compression='-Zgzip -z1'; shift ;;
    *) echo "unknown argument $1" >&2; exit 2 ;;
  esac
done
for program in dpkg-deb dpkg-shlibdeps dpkg-parsechangelog strip; do
  command -v $program >/dev/null || { echo "$program is missing: apt-get install dpkg-dev binutils" >&2; exit 1; }
done
if [ -z "$binary" ]; then
  (cd "$top" && cargo build --release --locked --package pidflow)
  binary=${CARGO_TARGET_DIR:-$top/target}/release/pidflow
fi

version=$(dpkg-parsechangelog -l "$here/changelog" -S Version)
SOURCE_DATE_EPOCH=$(dpkg-parsechangelog -l "$here/changelog" -S Timestamp)
export SOURCE_DATE_EPOCH
cargo_version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$top/Cargo.toml" | head -n 1)
[ "${version%-*}" = "$cargo_version" ] ||
  { echo "deploy/debian/changelog has version $version, and Cargo.toml $cargo_version: add an entry" >&2; exit 1; }
# The byte of the ELF header that names the machine (e_machine).
case $(od -An -tu1 -j18 -N1 "$binary" | tr -d ' ') in
  62) architecture=amd64 tools='' ;;
  183) architecture=arm64 tools=aarch64-linux-gnu- ;;
  *) echo "$binary is no program for amd64 or arm64" >&2; exit 1 ;;
esac
[ "$architecture" != "$(dpkg --print-architecture)" ] || tools=''

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 022
root=$work/debian/pidflow
doc=$root/usr/share/doc/pidflow
mkdir -p "$doc" "$root/DEBIAN"
"${tools}strip" --strip-unneeded --remove-section=.comment --remove-section=.note -o "$work/pidflow" "$binary"
install -D -m 755 "$work/pidflow" "$root/usr/bin/pidflow"
install -D -m 600 "$top/deploy/pidflow.toml" "$root/etc/pidflow/pidflow.toml"
install -D -m 644 "$top/deploy/systemd/pidflow.service" "$root/lib/systemd/system/pidflow.service"
install -D -m 644 "$top/deploy/completions/pidflow.bash" "$root/usr/share/bash-completion/completions/pidflow"
install -D -m 644 "$top/deploy/completions/_pidflow" "$root/usr/share/zsh/vendor-completions/_pidflow"
install -D -m 644 "$top/deploy/completions/pidflow.fish" "$root/usr/share/fish/vendor_completions.d/pidflow.fish"
install -D -m 644 "$here/lintian-overrides" "$root/usr/share/lintian/overrides/pidflow"
install -m 644 "$here/copyright" "$doc/copyright"
install -m 644 "$top/agent/web/THIRD_PARTY.md" "$doc/THIRD_PARTY.md"
gzip -9n <"$here/changelog" >"$doc/changelog.Debian.gz"
gzip -9n <"$top/CHANGELOG.md" >"$doc/changelog.gz"
mkdir -p "$root/usr/share/man/man1"
gzip -9n <"$top/deploy/man/pidflow.1" >"$root/usr/share/man/man1/pidflow.1.gz"
for script in postinst prerm postrm; do install -m 755 "$here/$script" "$root/DEBIAN/$script"; done
echo /etc/pidflow/pidflow.toml >"$root/DEBIAN/conffiles"

# dpkg-shlibdeps reads debian/control of a source package.
printf 'Source: pidflow\n\nPackage: pidflow\nArchitecture: any\n' >"$work/debian/control"
depends=$(cd "$work" && dpkg-shlibdeps -O --ignore-missing-info "$root/usr/bin/pidflow" | sed -n 's/^shlibs:Depends=//p')
# dpkg-gencontrol's rule: files in KiB, each rounded up, and one KiB for everything else.
size=$(find "$root" -mindepth 1 -not -path "$root/DEBIAN*" -printf '%y %s\n' |
  awk '{ n += $1 == "f" ? int(($2 + 1023) / 1024) : 1 } END { print n }')
sed -e "s/@VERSION@/$version/" -e "s/@ARCHITECTURE@/$architecture/" -e "s/@SIZE@/$size/" -e "s/@DEPENDS@/$depends/" \
  "$here/control" >"$root/DEBIAN/control"
(cd "$root" && find . -type f -not -path './DEBIAN/*' -not -path './etc/*' -printf '%P\0' | sort -z | xargs -0 md5sum >DEBIAN/md5sums)

mkdir -p "$out"
# shellcheck disable=SC2086 # several arguments
dpkg-deb --root-owner-group $compression --build "$root" "$out/pidflow_${version}_$architecture.deb" >/dev/null
echo "$out/pidflow_${version}_$architecture.deb"
