#!/usr/bin/env bash
# Runs every fuzz target for a bounded time: tests/fuzz/run.sh [SECONDS PER TARGET, 20]; 0 only builds them; "install"
# only installs cargo-fuzz. Needs cargo-fuzz, which it installs, a C++ compiler, and a nightly toolchain (or the
# installed one with RUSTC_BOOTSTRAP=1). If one of these is missing and cannot be installed, its last line says so, and
# the exit status is 77.
set -uo pipefail
cd "$(dirname "$0")" || exit 1

seconds=${1:-20}
cargo_fuzz_version=0.13.2
cache=${PIDFLOW_CACHE:-$HOME/.cache/pidflow}
export PATH=$PATH:$cache/tools/bin
# A target folder of its own, because flags and toolchain differ from those of the program.
export CARGO_TARGET_DIR=${PIDFLOW_FUZZ_TARGET:-$cache/fuzz-target}

skip() {
  echo "$1"
  exit 77
}

command -v c++ >/dev/null || skip "no C++ compiler, which libFuzzer needs"
if ! cargo fuzz --version >/dev/null 2>&1; then
  cargo install --quiet --locked --root "$cache/tools" "cargo-fuzz@$cargo_fuzz_version" ||
    skip "cargo-fuzz is not installed and cannot be"
fi
if [ "$seconds" = install ]; then exit 0; fi
if cargo +nightly --version >/dev/null 2>&1; then
  export RUSTUP_TOOLCHAIN=nightly
else
  export RUSTC_BOOTSTRAP=1
fi

# Captures are good seeds for the targets that read files and frames.
mkdir -p corpus/capture_file
for seeds in ../captures "${PIDFLOW_CAPTURES:-../../../shared/captures}"; do
  if [ -d "$seeds" ]; then cp -n "$seeds"/*.pcap "$seeds"/*.pcapng corpus/capture_file/ 2>/dev/null; fi
done

command -v python3 >/dev/null && python3 seeds.py corpus/decode ../captures/*.pcap && python3 collector_seeds.py corpus/collector

cargo fuzz build || { echo "the fuzz targets do not build"; exit 1; }
if [ "$seconds" -eq 0 ]; then exit 0; fi
fuzz() { # TARGET
  local log=$logs/$1 status=0
  cargo fuzz run "$1" -- -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=10 -print_final_stats=1 >"$log" 2>&1 || status=1
  # Printed at once, so that the output of several targets does not mix.
  { echo "== $1, $seconds s"; if [ $status -eq 0 ]; then grep -E '^Done|number_of_executed_units' "$log"; else tail -n 40 "$log"; fi; } |
    { text=$(cat); echo "$text"; }
  return $status
}

logs=$(mktemp -d)
trap 'jobs -p | xargs -r kill 2>/dev/null; rm -rf "$logs"' EXIT
# Each target keeps one core busy.
status=0 running=0
for target in $(cargo fuzz list); do
  if [ $running -ge "$(nproc)" ]; then
    wait -n || status=1
    running=$((running - 1))
  fi
  fuzz "$target" &
  running=$((running + 1))
done
while [ $running -gt 0 ]; do
  wait -n || status=1
  running=$((running - 1))
done
exit $status
