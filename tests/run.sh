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

# Counts what test programs said in the log, without those tests that skipped themselves, which to them have passed.
count() { # NAME STARTED LOG STATUS
  local name=$1 start=$2 log=$3 status=$4 p f i s
  read -r p f i < <(awk '/^test result:/ { p += $4; f += $6; i += $8 } END { print p + 0, f + 0, i + 0 }' "$log")
  s=$(count_skips "$log")
  # No test failed and the step did all the same: it did not compile, or a test program died. Without any test, none was run.
  if [ "$f" -eq 0 ] && { [ "$status" -ne 0 ] || [ $((p + i)) -eq 0 ]; }; then f=1; fi
  passed=$((passed + p - s)) failed=$((failed + f)) skipped=$((skipped + s + i))
  report "$([ "$f" -eq 0 ] && echo passed || echo FAILED)" $((SECONDS - start)) "$name: $((p - s)) passed, $f failed, $((s + i)) skipped"
  { cat "$PIDFLOW_SKIPS"; grep -a '^kernel [0-9][^:]*: ' "$log"; } | sed 's/^/                 /'
  [ "$f" -eq 0 ] && return
  # The message of a panic is on the lines after it.
  awk '/^(test .* FAILED|linux_.* FAILED|.* stdout ----|Error: |error|== .* exit status ([^0]|0,))/ || more-- > 0 || /^thread .* panicked/
    /^thread .* panicked/ { more = 4 }' "$log" | cut -c 1-400
  echo "(all of it: $log)"
}

# A step of tests that cargo builds and runs.
cargo_test() { # NAME ARGUMENTS...
  local name=$1 start=$SECONDS log=$logs/${1//[ ,]/-} status=0; shift
  export PIDFLOW_SKIPS=$logs/skips
  : >"$PIDFLOW_SKIPS"
  cargo test --no-fail-fast "$@" >"$log" 2>&1 || status=$?
  count "$name" "$start" "$log" $status
}

# Builds all programs, and leaves in $logs/programs a line "FOLDER|SOURCE|EXECUTABLE" for each test program. They are run
# without cargo, so that cargo can build something else meanwhile.
build() {
  cargo build --workspace --bins &&
    cargo test --workspace --tests --no-run --message-format json-render-diagnostics >"$logs/programs.json" || return 1
  sed -nE 's,.*"manifest_path":"([^"]*)/Cargo.toml".*"src_path":"([^"]*)".*"profile":\{[^}]*"test":true\}.*"executable":"([^"]*)".*,\1|\2|\3,p' \
    "$logs/programs.json" | sort -ru >"$logs/programs"
  [ -s "$logs/programs" ]
}

# Runs one test program in the folder of its package, as cargo does. What it says is in one piece in the log. A program that
# ends without its summary has not come to its end, whatever its status; one that hangs is ended.
run_program() { # LOG ARGUMENTS FOLDER|SOURCE|EXECUTABLE
  local log=$1 arguments=$2 folder source program own start=$SECONDS status=0
  IFS='|' read -r folder source program <<<"$3"
  own=$log.${program##*/}
  # shellcheck disable=SC2086 # several arguments
  (cd "$folder" && CARGO_MANIFEST_DIR=$folder exec timeout -k 30 1800 "$program" $arguments) >"$own" 2>&1 || status=$?
  if [ $status -eq 0 ] && ! grep -aq '^test result:' "$own"; then status='0, without a summary'; fi
  { echo "== ${source#"$PWD"/}: $((SECONDS - start)) s, exit status $status"; cat "$own"; } >"$own.whole"
  flock "$log" cat "$own.whole" >>"$log"
  rm "$own" "$own.whole"
  echo "$3" >>"$logs/run"
  [ "$status" = 0 ]
}
export -f run_program

# Programs that take more than a minute: they begin first, so that a step does not end with one of them alone.
long='host_(attribution|kubernetes|self_test)|http_health|agent\/src\/lib'

# A step of the test programs whose sources' `path` fulfils a condition of awk, some at a time.
run_tests() { # NAME PROGRAMS-AT-A-TIME CONDITION ARGUMENTS...
  local name=$1 jobs=$2 condition=$3 start=$SECONDS log=$logs/${1//[ ,]/-} status=0; shift 3
  export PIDFLOW_SKIPS=$logs/skips logs
  : >"$PIDFLOW_SKIPS"
  : >"$log"
  awk -F '|' -v top="$PWD/" "{ path = substr(\$2, length(top) + 1) } $condition { print (path ~ /$long/ ? 0 : 1), \$0 }" "$logs/programs" |
    sort -s -n -k 1,1 | cut -d ' ' -f 2- |
    xargs -r -d '\n' -P "$jobs" -n 1 bash -c 'run_program "$@"' bash "$log" "$*" || status=$?
  count "$name" "$start" "$log" $status
}

# Each once, and none that a step does not know.
all_were_run() {
  diff "$logs/programs" <(sort -r "$logs/run")
}

has() { command -v "$1" >/dev/null 2>&1; }

missing_packages() {
  local pair
  for pair in gcc:gcc strip:binutils pkg-config:pkg-config ip:iproute2 nft:nftables cpio:cpio xz:xz-utils zstd:zstd man:man-db \
    busybox:busybox-static qemu-system-x86_64:qemu-system-x86 tshark:tshark nfacctd:pmacct nfcapd:nfdump softflowd:softflowd \
    influxd:influxdb nginx:nginx chromium:chromium \
    prometheus:prometheus promtool:prometheus node:nodejs npm:npm python3:python3 systemd-analyze:systemd \
    redis-server:redis-server redis-cli:redis-tools nats-server:nats-server make:make g++:g++ curl:curl \
    mmdblookup:mmdb-bin tmux:tmux lintian:lintian dpkg-shlibdeps:dpkg-dev mmdebstrap:mmdebstrap; do
    has "${pair%%:*}" || echo "${pair#*:}"
  done
  pkg-config --exists libpcap 2>/dev/null || echo libpcap-dev
  python3 -c 'import ensurepip' 2>/dev/null || echo python3-venv
  has ndpiReader || echo libndpi-bin
  [ -n "$(find /usr/lib -name 'libndpi.so.4.2' -print -quit)" ] || echo libndpi4.2
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
  local venv=$PIDFLOW_CACHE/venv packages="opentelemetry-proto grpcio pyyaml kubernetes-validate==1.37.0 helm-python-sdk==0.2.2 ipfix chdb duckdb==2.0.1 pyarrow==26.0.1 pyzmq nats-py schemathesis"
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

# It runs for seconds: built without optimisation.
install_cargo_deny() {
  cargo deny --version && return 0
  CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
    cargo install cargo-deny --locked --root "$PIDFLOW_CACHE/tools"
}

# What only waits for the network goes on beside the build. A kernel or system that cannot be had is told by its tests.
fetch_kernels() {
  local version
  tests/vm/system.sh
  for version in 6.1 6.12; do tests/vm/kernel.sh "$version"; done
}

# What takes long and tests no behaviour goes on beside the tests, one after the other. It gets the processors only while
# no test wants them.
beside_the_tests() {
  chrt --idle -p 0 "$BASHPID" || renice -n 19 -p "$BASHPID"
  beside lints cargo clippy --workspace --all-targets -- -D warnings
  beside Kafka cargo test --no-run "${kafka[@]}"
  beside cargo-deny install_cargo_deny
  beside eBPF-toolchain ebpf_toolchain
  beside eBPF-object ebpf_object
  # A short look at each target; `tests/fuzz/run.sh SECONDS` is for longer ones.
  beside fuzzing tests/fuzz/run.sh 10
}

# Leaves what it said, and its exit status.
beside() { # NAME COMMAND...
  local name=$1 status=0; shift
  "$@" >"$logs/beside-$name" 2>&1 || status=$?
  echo $status >"$logs/beside-$name.status"
}

# Says what a command beside the tests said, and ends as it ended. One that did not come to its end failed.
said() { # NAME
  cat "$logs/beside-$1"
  return "$(cat "$logs/beside-$1.status" || echo 1)"
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
  local architecture
  ebpf-probes/build.sh "$logs/rebuilt" || return
  for architecture in x86_64 aarch64; do
    cmp "$logs/rebuilt/pidflow-$architecture.bpf.o" "ebpf-probes/pidflow-$architecture.bpf.o" || return
  done
}

# Tests on this host that do not disturb each other. One that is not named here is run alone.
side_by_side='^tests\/tests\/host_(attribution|command|containers|delivery|folders|identity|interfaces|kubernetes|ledger|mtu|names|namespaces|page|paths|pods|privileges|same_addresses|self_test|spool|translation|tunnels|unprivileged|view|ways)'

# The exporter to Kafka is not in the default features.
kafka=(--workspace --features pidflow-exporters/kafka --test kafka)

has cargo || { echo "cargo is missing: install Rust 1.95 or newer from rustup.rs"; exit 1; }
step "Debian packages" debian_packages
python_packages >"$logs/python" 2>&1 &
python=$!
fetch_kernels >"$logs/kernel-packages" 2>&1 &
kernels=$!
step "Rust components" rust_components
step "formatting" formatting
# All steps build for the whole workspace: with other packages, features of dependencies differ, and cargo builds these again.
step "build" build
beside_the_tests >"$logs/beside" 2>&1 &
others=$!
run_tests "unit tests" 2 'path !~ /^tests\/tests\//'
step "Python packages" finish $python "$logs/python"
run_tests "tests without privileges" 3 'path ~ /^tests\/tests\// && path !~ /\/(host_|interop|kernels|http_flood|dashboards)/'
run_tests "receivers of others" 1 'path ~ /^tests\/tests\/interop/' --test-threads=2
# In namespaces or cgroups of their own, or with ports of their own on loopback; they wait most of the time.
run_tests "tests on this host, side by side" 3 "path ~ /$side_by_side/" --test-threads=1
# What measures times and shares, floods, or switches the kernel's accounting, and what a browser draws, is one at a time.
run_tests "tests on this host, one at a time" 1 "path ~ /^tests\\/tests\\/host_/ && path !~ /$side_by_side/" --test-threads=1
run_tests "dashboards and floods" 1 'path ~ /^tests\/tests\/(dashboards|http_flood)/'
wait $kernels
# Every test at a time: each kernel boots once, for all its tests.
run_tests "kernels in virtual machines" 1 'path ~ /^tests\/tests\/kernels/' --test-threads=8
step "every test program was run" all_were_run
wait $others
step "lints" said lints
cargo_test "Kafka" "${kafka[@]}"
step "examples in the documentation" cargo test --workspace --doc
if said fuzzing >"$logs/fuzz" || [ $? -ne 77 ]; then
  step "fuzzing" said fuzzing
else
  skip "fuzzing" "$(tail -n 1 "$logs/fuzz")"
fi
if said cargo-deny >"$logs/tools"; then
  step "licences, sources, bans" cargo deny check licenses bans sources
else
  skip "licences, sources, bans" "cargo-deny cannot be installed: $(tail -n 1 "$logs/tools")"
fi
if said eBPF-toolchain >"$logs/ebpf"; then
  step "eBPF objects equal their sources" said eBPF-object
else
  skip "eBPF objects equal their sources" "no toolchain: $(tail -n 1 "$logs/ebpf")"
fi

echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
