#!/usr/bin/env bash
# The whole-program benchmark: packets per CPU second of `pidflow read` beside a bare libpcap loop on the same capture
# in the same run, and memory per active flow. Usage: tests/bench/run.sh [PACKETS, 2000000] [RUNS, 5].
#
# Each line is the median of RUNS runs after one that warms the page cache; CPU seconds are user and system time of the
# whole process from wait4(2). The ratio to the libpcap loop can be compared between machines; CPU seconds cannot.
set -euo pipefail
cd "$(dirname "$0")/../.."

packets=${1:-2000000}
runs=${2:-5}
target=${CARGO_TARGET_DIR:-target}
captures=$(mktemp -d "${TMPDIR:-/tmp}/pidflow-bench.XXXXXX")
trap 'rm -rf "$captures"' EXIT
bench=$target/release/examples/bench
pidflow=$target/release/pidflow

cargo build --release --quiet -p pidflow --bin pidflow
cargo build --release --quiet -p pidflow --example bench

line() { # NAME PACKETS/CPU-SECOND CPU WALL KIB: with the ratio to the floor of this capture
  awk -F'\t' -v floor="$floor" '{ printf "  %-34s %6.2f M/s  %5.2f of libpcap  %6.3f s CPU  %6.3f s  %7.1f MiB\n",
    $1, $2 / 1e6, $2 / floor, $3, $4, $5 / 1024 }' <<<"$1"
}

measure() { # NAME COMMAND...
  local name=$1; shift
  "$bench" measure "$name" "$runs" "$packets" -- "$@" 2>>"$captures/log"
}

one_capture() { # FLOWS SNAP-LENGTH
  local flows=$1 snap=$2 capture=$captures/capture.pcap result empty
  "$bench" generate "$capture" "$packets" "$flows" "$snap"
  echo "$packets packets, $flows flows, at most $snap bytes of each captured, $(du -m "$capture" | cut -f1) MiB:"
  result=$(measure "libpcap loop (the floor)" "$bench" floor "$capture")
  floor=$(cut -f2 <<<"$result")
  line "$result"
  line "$(measure "read, one record per flow" "$pidflow" read --idle-timeout 0 --active-timeout 0 "$capture")"
  line "$(measure "read, timeouts 15 s and 60 s" "$pidflow" read "$capture")"
  line "$(measure "read, JSON to /dev/null" "$pidflow" read --json /dev/null "$capture")"
  line "$(measure "read, IPFIX to UDP port 9" "$pidflow" read -n udp://127.0.0.1:9 "$capture")"
  # Memory: all flows are active at the end; the memory that the program needs for a capture of one packet is
  # subtracted.
  "$bench" generate "$captures/one.pcap" 1 1 "$snap"
  empty=$(measure empty "$pidflow" read --idle-timeout 0 --active-timeout 0 "$captures/one.pcap" | cut -f5)
  measure whole "$pidflow" read --idle-timeout 0 --active-timeout 0 --max-flows "$((flows + 1))" "$capture" |
    awk -F'\t' -v empty="$empty" -v flows="$flows" \
      '{ printf "  peak memory per active flow: %.0f bytes (%.1f MiB in all, %.1f MiB of it without flows)\n",
         ($5 - empty) * 1024 / flows, $5 / 1024, empty / 1024 }'
}

echo "$(nproc) processors, $(uname -sr), $(awk -F': ' '/model name/ { print $2; exit }' /proc/cpuinfo), load $(cut -d' ' -f1-3 /proc/loadavg)"
one_capture 10000 65535
one_capture 250000 65535
one_capture 250000 96

# CPU time that the probes cost the watched programs, measured by the kernel; needs root.
if [ "$(id -u)" -eq 0 ]; then
  cargo build --release --quiet -p pidflow-tests --bin kernel-cost
  "$target/release/kernel-cost" "${PIDFLOW_PROBES:-auto}"
else
  echo "kernel events: not measured, needs root"
fi
