#!/bin/sh
# build.sh [OUTPUT]: compiles the eBPF programs to OUTPUT (default: pidflow.bpf.o beside this script).
#
# Reproducible: the compiler is pinned and paths are remapped, so that the same sources give the same
# bytes in any folder; the tests rebuild and compare. Needs rustup's rust-src component and bpf-linker,
# and installs both when they are missing. bpf-linker wants an LLVM of the compiler's major version; the
# compiler's own shared library serves, so no other LLVM is needed.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here/pidflow.bpf.o}
toolchain=1.95.0
cache=${PIDFLOW_CACHE:-$HOME/.cache/pidflow}

sysroot=$(rustc "+$toolchain" --print sysroot)
[ -d "$sysroot/lib/rustlib/src" ] || rustup component add rust-src --toolchain "$toolchain"
if ! command -v bpf-linker >/dev/null 2>&1 && [ ! -x "$cache/bpf-linker/bin/bpf-linker" ]; then
  mkdir -p "$cache/llvm/lib"
  ln -sf "$sysroot"/lib/libLLVM.so.* "$cache/llvm/lib/libLLVM.so"
  LLVM_PREFIX="$cache/llvm" RUSTFLAGS="-C link-arg=-Wl,-rpath,$sysroot/lib" CARGO_TARGET_DIR="$cache/bpf-linker/target" \
    cargo "+$toolchain" install bpf-linker --version '^0.13' --locked --no-default-features --features llvm-22 --root "$cache/bpf-linker"
fi
PATH="$PATH:$cache/bpf-linker/bin"

# No debug information: nothing in the programs needs BTF of their own, and paths stay out of the object.
flags="-Cdebuginfo=0|--cfg=bpf_target_arch=\"x86_64\""
flags="$flags|--remap-path-prefix=$(dirname "$here")=/pidflow|--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo|--remap-path-prefix=$sysroot=/rust"
cd "$here"
RUSTC_BOOTSTRAP=1 CARGO_ENCODED_RUSTFLAGS=$(printf %s "$flags" | tr '|' '\037') \
  cargo "+$toolchain" build --release --locked --quiet --target bpfel-unknown-none -Z build-std=core
cp "${CARGO_TARGET_DIR:-target}/bpfel-unknown-none/release/pidflow-ebpf" "$out"
