#!/usr/bin/env bash
# Shows on a machine without a GPU that the first GPU call cannot be wasted: planted.sh ARCHIVE, after `./mvnw -B verify` has built the emulated library. Takes a
# minute; CLASS_LIMIT, the seconds after which a class hangs, is 15 without it, which a machine that does other work too may need more of.
#   cpu        passes
#   no device  ends after doctor
#   emulated   one kernel hangs and another one fails the device: each costs its own step, and the benchmarks behind the fault are run after all
set -euo pipefail
archive=$(realpath "$1")
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
emulated=$root/tests/target/emulated
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

first() { # name, exit that is expected, options of first
  local name=$1 expected=$2 code=0
  shift 2
  OUT=$work/$name WORK=$work/$name.work JOBS=2 "$root/tests/bundle/first" "$archive" "$@" >"$work/$name.log" 2>&1 || code=$?
  [ "$code" = "$expected" ] || { cat "$work/$name.log" >&2; echo "planted: $name: first exited $code instead of $expected" >&2; exit 1; }
}
expect() { # name, step, verdict
  grep -qE " $2 +$3" "$work/$1/steps.txt" || { cat "$work/$1.log" >&2; echo "planted: $1: $2 is not '$3'" >&2; exit 1; }
}

first cpu 0 --device cpu --classes RopeTest,TransferTest --benchmarks rms_norm_forward:10
expect cpu conformance.TransferTest passed
expect cpu bench.rms_norm_forward 'passed.* [1-9][0-9]* measured'
grep -q '"build" : "version=' "$work/cpu/doctor.json"

CUDA_VISIBLE_DEVICES='' first none 1
expect none doctor 'FAILED \(exit 1\)'
if grep conformance "$work/none/steps.txt"; then echo "planted: classes were run without a device" >&2; exit 1; fi

export CLASS_LIMIT=${CLASS_LIMIT:-15} DPO4J_JAVA_OPTIONS="-Ddpo4j.native.path=$emulated/libdpo4j.so -Ddpo4j.cuda.path=$emulated/standin"
export DPO4J_EMULATION_HANG=dpo4j_rope_forward DPO4J_EMULATION_FAULT=dpo4j_residual_forward
first emulated 1 --device emulated --classes RopeTest,ResidualTest,ScaleRowsTest --benchmarks residual_forward+scale_rows:15
expect emulated conformance.RopeTest "HUNG: no end after $CLASS_LIMIT s"
expect emulated conformance.ResidualTest 'FAILED'
expect emulated conformance.ScaleRowsTest passed
expect emulated bench.residual_forward.scale_rows 'FAILED \(exit 3\)'
expect emulated bench.residual_forward.scale_rows.3 passed
tar -xzOf "$work/emulated/all.tar.gz" --wildcards 'results/*.json' | grep '"benchmark" : "scale_rows"' >/dev/null
echo "planted: a device that hangs, one that faults and none: each costs its own step"
