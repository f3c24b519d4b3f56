#!/usr/bin/env bash
# Configures and builds the native library: native/build.sh DIRECTORY [cmake options]. Says in one line what is missing.
set -euo pipefail
source_directory=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build_directory=${1:?usage: native/build.sh DIRECTORY [cmake options]}
shift

need() { # command, what it is, Debian package
  command -v "$1" >/dev/null || { echo "dpo4j: $2 is missing: install it (Debian, Ubuntu: apt install $3)" >&2; exit 1; }
}
need cmake "CMake 3.22 or newer" cmake
need "${CXX:-c++}" "a C++17 compiler" g++
command -v ninja >/dev/null || need make "make" make

generator=()
[ -f "$build_directory/CMakeCache.txt" ] || { command -v ninja >/dev/null && generator=(-G Ninja); }
mkdir -p "$build_directory"
cmake -S "$source_directory" -B "$build_directory" "${generator[@]}" -DCMAKE_BUILD_TYPE=Release "$@" >"$build_directory.log" 2>&1 ||
  { cat "$build_directory.log" >&2; exit 1; }
grep -E '^-- dpo4j:' "$build_directory.log" | sed 's/^-- //' || true
cmake --build "$build_directory" --parallel "$(nproc)" -- ${VERBOSE:+-v}
