#!/bin/sh
# Writes what the program consists of (SBOM, CycloneDX 1.5 in JSON), and prints where it is: deploy/sbom.sh [--out FILE] [--sign KEY]
#
#   --out FILE   default target/pidflow.cdx.json
#   --sign KEY   also sign it with this SSH key: FILE.sig. Who has a list of signers checks it with
#                ssh-keygen -Y verify -f SIGNERS -I IDENTITY -n pidflow-sbom -s FILE.sig <FILE
#
# It lists the crates of the default features for this machine's target, with versions, licences and checksums of Cargo.lock. Needs
# cargo-cyclonedx (cargo install cargo-cyclonedx --locked). The same sources give the same file: it has no time and no serial number.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
out=$top/target/pidflow.cdx.json key=''
while [ $# -gt 0 ]; do
  case $1 in
    --out) out=$(readlink -f "$2"); shift 2 ;;
    --sign) key=$(readlink -f "$2"); shift 2 ;;
    *) echo "unknown argument $1" >&2; exit 2 ;;
  esac
done
cargo cyclonedx --version >/dev/null 2>&1 ||
  { echo "cargo-cyclonedx is missing: cargo install cargo-cyclonedx --locked" >&2; exit 1; }

# cargo-cyclonedx writes beside the manifest of each crate of the workspace.
name=pidflow-sbom-$$
trap 'find "$top" -path "$top/target" -prune -o -name "$name.json" -exec rm -f {} +' EXIT
(cd "$top" && SOURCE_DATE_EPOCH=0 cargo cyclonedx --quiet --manifest-path agent/Cargo.toml --format json --spec-version 1.5 \
  --no-build-deps --override-filename "$name" >&2)
mkdir -p "$(dirname "$out")"
# Paths of this machine do not belong into it.
sed -e '/"serialNumber":/d' -e '/"timestamp":/d' -e "s|path+file://$top|path+file:///pidflow|g" "$top/agent/$name.json" >"$out"
echo "$out"
[ -z "$key" ] || { ssh-keygen -q -Y sign -f "$key" -n pidflow-sbom "$out" && echo "$out.sig"; }
