#!/usr/bin/env bash
# clang-format over every C++ and CUDA file: `.ci/format.sh` checks, `.ci/format.sh -i` rewrites. Installs the pinned formatter if there is none.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
version=20.1.8
formatter=.cuda/clang-format/bin/clang-format
if [ ! -x "$formatter" ]; then
  python3 -m pip install --quiet --disable-pip-version-check --target .cuda/clang-format "clang-format==$version" 2>/dev/null >&2
fi
export PYTHONPATH=.cuda/clang-format
if [ "${1:-}" = -i ]; then mode=(-i); else mode=(--dry-run --Werror); fi
git ls-files '*.h' '*.cpp' '*.cu' '*.cuh' | xargs "$formatter" "${mode[@]}"
