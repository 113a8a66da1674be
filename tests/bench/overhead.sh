#!/usr/bin/env bash
# What the agent costs a busy host: CPU time per request of client, server and agent together, in pairs of runs with and
# without the agent, beside pairs without it. Usage, as root, on a machine without other work: tests/bench/overhead.sh [PAIRS, 30].
set -euo pipefail
cd "$(dirname "$0")/../.."

cargo build --release --quiet -p pidflow --bin pidflow
cargo build --release --quiet -p pidflow-tests --bin overhead
"${CARGO_TARGET_DIR:-target}/release/overhead" "${1:-30}"
