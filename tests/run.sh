#!/usr/bin/env bash
# All of pidflow's tests, on a fresh Debian machine with Rust: sets up what they need, runs them, and counts.
# The last line is "N passed, N failed, N skipped"; the exit status is not 0 when something failed.
#
# As root it installs missing Debian packages and runs the tests that load programs into the kernel; as another user
# it says what is missing, and those tests count as skipped. Downloads go to PIDFLOW_CACHE (default ~/.cache/pidflow).
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

export PIDFLOW_CACHE=${PIDFLOW_CACHE:-$HOME/.cache/pidflow}
# Absolute, because tests run in other folders.
mkdir -p "$PIDFLOW_CACHE" && PIDFLOW_CACHE=$(cd "$PIDFLOW_CACHE" && pwd) || exit 1
export CARGO_TERM_COLOR=never CARGO_TERM_QUIET=true
# Errors say what failed; where in the test program is of no use.
export RUST_BACKTRACE=0
export PATH=$PATH:/usr/sbin:/sbin:$PIDFLOW_CACHE/tools/bin
# What every step said in full stays there until the next run.
logs=$PIDFLOW_CACHE/logs
rm -rf "$logs"
mkdir -p "$logs"
trap 'jobs -p | xargs -r kill 2>/dev/null' EXIT
passed=0 failed=0 skipped=0

report() { # WORD SECONDS NAME
  printf '%-7s %4ds  %s\n' "$1" "$2" "$3"
}

skip() { # NAME REASON
  skipped=$((skipped + 1))
  report skipped 0 "$1: $2"
}

# A step that is one test of its own.
step() { # NAME COMMAND...
  local name=$1 start=$SECONDS log=$logs/${1//[ ,]/-}; shift
  if "$@" >"$log" 2>&1; then
    passed=$((passed + 1))
    report passed $((SECONDS - start)) "$name"
  else
    failed=$((failed + 1))
    report FAILED $((SECONDS - start)) "$name"
    tail -n 40 "$log"
    echo "(all of it: $log)"
  fi
}

# Tests that skipped themselves, or a part of what they test: each once, and not those that failed afterwards.
count_skips() { # LOG
  awk -F ': ' '
    FILENAME == ARGV[1] { if (match($0, /^---- .* stdout ----$/)) failed[substr($0, 6, length($0) - 17)] = 1; next }
    sub(/^SKIP /, "") { test = $1; sub(/^[^:]*::/, "", test); if (!(test in failed) && !seen[$1]++) n++ }
    END { print n + 0 }' "$1" "$PIDFLOW_SKIPS"
}

# A step of many tests, counted by cargo, for which those that skipped themselves have passed.
cargo_test() { # NAME ARGUMENTS...
  local name=$1 start=$SECONDS log=$logs/${1//[ ,]/-} status=0 p f i s; shift
  export PIDFLOW_SKIPS=$logs/skips
  : >"$PIDFLOW_SKIPS"
  cargo test --no-fail-fast "$@" >"$log" 2>&1 || status=$?
  read -r p f i < <(awk '/^test result:/ { p += $4; f += $6; i += $8 } END { print p + 0, f + 0, i + 0 }' "$log")
  s=$(count_skips "$log")
  # No test failed and cargo did all the same: it did not compile, or a test program died. Without any test, none was run.
  if [ "$f" -eq 0 ] && { [ $status -ne 0 ] || [ $((p + i)) -eq 0 ]; }; then f=1; fi
  passed=$((passed + p - s)) failed=$((failed + f)) skipped=$((skipped + s + i))
  report "$([ "$f" -eq 0 ] && echo passed || echo FAILED)" $((SECONDS - start)) "$name: $((p - s)) passed, $f failed, $((s + i)) skipped"
  sed 's/^/                 /' "$PIDFLOW_SKIPS"
  [ "$f" -eq 0 ] && return
  grep -aE '^(test .* FAILED|linux_.* FAILED|.* stdout ----|Error: |error|thread .* panicked)' "$log" | cut -c 1-200
  echo "(all of it: $log)"
}

has() { command -v "$1" >/dev/null 2>&1; }

missing_packages() {
  local pair
  for pair in gcc:gcc strip:binutils pkg-config:pkg-config ip:iproute2 nft:nftables cpio:cpio xz:xz-utils zstd:zstd man:man-db \
    busybox:busybox-static qemu-system-x86_64:qemu-system-x86 tshark:tshark nfacctd:pmacct nfcapd:nfdump \
    influxd:influxdb nginx:nginx chromium:chromium \
    prometheus:prometheus promtool:prometheus node:nodejs npm:npm python3:python3 systemd-analyze:systemd \
    redis-server:redis-server redis-cli:redis-tools nats-server:nats-server make:make g++:g++ curl:curl; do
    has "${pair%%:*}" || echo "${pair#*:}"
  done
  pkg-config --exists libpcap 2>/dev/null || echo libpcap-dev
  python3 -c 'import ensurepip' 2>/dev/null || echo python3-venv
  [ -e /usr/lib/nginx/modules/ngx_stream_module.so ] || echo libnginx-mod-stream
  [ -e /usr/share/fonts/opentype/inter ] || echo fonts-inter
  [ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || echo debian-archive-keyring
}

debian_packages() {
  local missing
  missing=$(missing_packages | sort -u | tr '\n' ' ')
  [ -n "$missing" ] || return 0
  if [ "$(id -u)" -ne 0 ] || ! has apt-get; then
    echo "missing, and not root on Debian: apt-get install $missing"
    return 1
  fi
  export DEBIAN_FRONTEND=noninteractive
  # shellcheck disable=SC2086 # the list is meant to be split
  apt-get -qq update && apt-get -qq install -y --no-install-recommends $missing
}

# Collectors and validators that Debian does not package.
python_packages() {
  local venv=$PIDFLOW_CACHE/venv packages="opentelemetry-proto grpcio pyyaml kubernetes-validate ipfix chdb pyzmq nats-py schemathesis"
  [ "$(cat "$venv/complete" 2>/dev/null)" = "$packages" ] && return 0
  # shellcheck disable=SC2086 # the list is meant to be split
  python3 -m venv "$venv" &&
    "$venv/bin/pip" install --quiet --disable-pip-version-check $packages &&
    "$venv/bin/pip" install --quiet --disable-pip-version-check --pre rotel &&
    echo "$packages" >"$venv/complete"
}

rust_components() {
  cargo fmt --version && cargo clippy --version || rustup component add rustfmt clippy
}

formatting() {
  cargo fmt --all --check && cargo fmt --manifest-path ebpf-probes/Cargo.toml --check
}

# Takes minutes, so it goes on beside the first steps; both are made one after the other.
install_cargo_tools() {
  cargo deny --version || nice cargo install cargo-deny --locked --root "$PIDFLOW_CACHE/tools"
  local status=$?
  nice tests/fuzz/run.sh install
  return $status
}

# What only waits for the network goes on beside the build. A kernel that cannot be had is told by its tests.
fetch_kernels() {
  local version
  for version in 6.1 6.12; do tests/vm/kernel.sh "$version"; done
}

# Says what a job in the background said, and ends as it ended.
finish() { # JOB LOG
  local status=0
  wait "$1" || status=$?
  cat "$2"
  return $status
}

ebpf_toolchain() {
  has rustup && rustup toolchain install 1.95.0 --profile minimal --component rust-src
}

ebpf_object() {
  CARGO_TARGET_DIR=$PIDFLOW_CACHE/ebpf-target ebpf-probes/build.sh "$logs/rebuilt.o" && cmp "$logs/rebuilt.o" ebpf-probes/pidflow.bpf.o
}

# Options of cargo for the test targets FOLDER/NAME.rs and FOLDER/NAME/main.rs, those that match one of the patterns.
targets() { # FOLDER PATTERN...
  local folder=$1 file name pattern; shift
  for file in "$folder"/*.rs "$folder"/*/main.rs; do
    [ -e "$file" ] || continue
    name=${file#"$folder"/} name=${name%/main.rs} name=${name%.rs}
    for pattern; do
      # shellcheck disable=SC2254 # it is a pattern
      case $name in $pattern) printf -- '--test %s ' "$name"; break ;; esac
    done
  done
}

has cargo || { echo "cargo is missing: install Rust 1.95 or newer from rustup.rs"; exit 1; }
shopt -s extglob
install_cargo_tools >"$logs/tools" 2>&1 &
tools=$!
step "Debian packages" debian_packages
python_packages >"$logs/python" 2>&1 &
python=$!
fetch_kernels >"$logs/kernel-packages" 2>&1 &
kernels=$!
step "Rust components" rust_components
step "formatting" formatting
step "lints" cargo clippy --workspace --all-targets -- -D warnings
# All steps build for the whole workspace and choose by targets: with other packages, features of dependencies differ, and cargo
# builds these again.
step "build" cargo build --workspace --bins --tests
# shellcheck disable=SC2046 # several words
cargo_test "unit tests" --workspace --lib --bins $(targets agent/engine/tests '*') $(targets exporters/tests '!(kafka|common)')
step "examples in the documentation" cargo test --workspace --doc
cargo_test "Kafka" --workspace --features pidflow-exporters/kafka --test kafka
step "Python packages" finish $python "$logs/python"
# shellcheck disable=SC2046
cargo_test "tests without privileges" --workspace $(targets tests/tests '!(host_*|interop*|kernels)')
# shellcheck disable=SC2046
cargo_test "tests on this host" --workspace $(targets tests/tests 'host_*' 'interop*') -- --test-threads=1
wait $kernels
# Every test at a time: each kernel boots once, for all its tests.
cargo_test "kernels in virtual machines" --workspace --test kernels -- --test-threads=6
wait $tools
tools_status=$?
tests/fuzz/run.sh 0 >"$logs/fuzz-build" 2>&1
case $? in
  77) skip "fuzzing" "$(tail -n 1 "$logs/fuzz-build")" ;;
  # Why they do not build is said again by the step itself.
  *) step "fuzzing" tests/fuzz/run.sh ;;
esac
if [ $tools_status -eq 0 ]; then
  step "licences, sources, bans" cargo deny check licenses bans sources
else
  skip "licences, sources, bans" "cargo-deny cannot be installed: $(tail -n 1 "$logs/tools")"
fi
if ebpf_toolchain >"$logs/ebpf" 2>&1; then
  step "eBPF object equals its sources" ebpf_object
else
  skip "eBPF object equals its sources" "no toolchain: $(tail -n 1 "$logs/ebpf")"
fi

echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
