#!/bin/sh
# build.sh [FOLDER]: compiles the eBPF programs to FOLDER/pidflow-ARCHITECTURE.bpf.o (default: the folder of this script).
#
# There is one object for each architecture, because kprobes read their function's arguments from the processor's registers.
# Reproducible: the compiler is pinned and paths are remapped, so that the same sources give the same
# bytes in any folder; the tests rebuild and compare. Needs rustup's rust-src component and bpf-linker,
# and installs both when they are missing. bpf-linker wants an LLVM of the compiler's major version; the
# compiler's own shared library serves, so no other LLVM is needed.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=$(realpath -m "${1:-$here}")
architectures='x86_64 aarch64'
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

# cargo puts the folder of a path dependency into the names of its symbols: the same folder, the same bytes.
build=/tmp/pidflow-ebpf-build
exec 9>"$build.lock"
flock 9
rm -rf "$build"
mkdir -p "$build/schema" "$build/ebpf-probes"
cp -r "$here/../Cargo.toml" "$here/../Cargo.lock" "$build/"
cp -r "$here/../schema/src" "$here/../schema/Cargo.toml" "$build/schema/"
cp -r "$here/src" "$here/Cargo.toml" "$here/Cargo.lock" "$build/ebpf-probes/"
# Of the workspace only what `schema` inherits is wanted.
sed -i 's/^members = .*/members = ["schema"]/' "$build/Cargo.toml"
cd "$build/ebpf-probes"
mkdir -p "$out"
for architecture in $architectures; do
  # No debug information: nothing in the programs needs BTF of their own, and paths stay out of the object.
  flags="-Cdebuginfo=0|--cfg=bpf_target_arch=\"$architecture\""
  RUSTC_BOOTSTRAP=1 CARGO_ENCODED_RUSTFLAGS=$(printf %s "$flags" | tr '|' '\037') CARGO_TARGET_DIR="$build/target" \
    cargo "+$toolchain" build --release --locked --quiet --target bpfel-unknown-none -Z build-std=core
  cp "$build/target/bpfel-unknown-none/release/pidflow-ebpf" "$out/pidflow-$architecture.bpf.o"
  rm -rf "$build/target"
done
rm -rf "$build"
