#!/bin/sh
# Installs NVIDIA's compiler, and what reads its binaries, into DIR, without root and without a driver, for machines that have none:
#   native/cuda-toolkit.sh DIR
# The last line on standard output is the path of nvcc, for CMake's -DCMAKE_CUDA_COMPILER. A second run finds the first one's work and does nothing.
# Needs python3 with pip, a C++ compiler, and 300 MB of disk. The versions are pinned: what CI compiled yesterday it compiles tomorrow.
set -eu

versions='nvidia-cuda-nvcc==13.0.88 nvidia-cuda-crt==13.0.88 nvidia-nvvm==13.0.88 nvidia-cuda-cccl==13.0.85 nvidia-cuda-runtime==13.0.96'
# The first that are to be had by themselves; they read what an older compiler wrote.
versions="$versions nvidia-cuda-nvdisasm==13.2.51 nvidia-cuda-cuobjdump==13.2.51"

if [ $# -ne 1 ]; then
  echo 'usage: native/cuda-toolkit.sh DIR' >&2
  exit 2
fi
mkdir -p "$1"
directory=$(cd "$1" && pwd)
toolkit=$directory/nvidia/cu13
installed=$directory/installed

if [ ! -f "$installed" ] || [ "$(cat "$installed")" != "$versions" ]; then
  python3 -m pip --version >/dev/null 2>&1 || {
    echo 'cuda-toolkit.sh: python3 with pip is missing; install python3-pip' >&2
    exit 1
  }
  rm -rf "$toolkit" "$installed"
  # Each wheel unpacks its part of one tree. --no-deps: that tree is all that compiling needs.
  # shellcheck disable=SC2086
  PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --disable-pip-version-check --no-deps --upgrade --target "$directory" $versions >&2
  # nvcc looks for lib64, the wheels say lib.
  ln -sfn lib "$toolkit/lib64"
  "$toolkit/bin/nvcc" --version >/dev/null
  echo "$versions" >"$installed"
fi
echo "$toolkit/bin/nvcc"
