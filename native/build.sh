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

# CMake remembers that it found no nvcc; naming one makes it look again. The last place is where native/cuda-toolkit.sh puts it.
for nvcc in "${CUDACXX:-}" "$(command -v nvcc || true)" /usr/local/cuda/bin/nvcc "$source_directory/.cuda/nvidia/cu13/bin/nvcc"; do
  [ -z "$nvcc" ] || [ ! -x "$nvcc" ] || { set -- "-DCMAKE_CUDA_COMPILER=$nvcc" "$@"; break; }
done

# A compiler that the last run used and that is gone would stop CMake.
used=$(sed -n 's/^CMAKE_CUDA_COMPILER:[^=]*=\(\/.*\)/\1/p' "$build_directory/CMakeCache.txt" 2>/dev/null || true)
[ -z "$used" ] || [ -x "$used" ] || rm -rf "$build_directory"

generator=()
[ -f "$build_directory/CMakeCache.txt" ] || { command -v ninja >/dev/null && generator=(-G Ninja); }
mkdir -p "$build_directory"
log=$build_directory/build.log
{
  cmake -S "$source_directory" -B "$build_directory" "${generator[@]}" -DCMAKE_BUILD_TYPE=Release "$@" &&
    cmake --build "$build_directory" --parallel "$(nproc)"
} >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
sed -n 's/^-- \(dpo4j:.*\)/\1/p' "$log"
grep -n 'warning:' "$log" >&2 || true
