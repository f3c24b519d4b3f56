#!/usr/bin/env bash
# The conformance suite on the emulated device under a sanitizer: conformance.sh address|thread|none [JUnit console options]. Uses the jars and
# test classes of `./mvnw -B verify`. A report, a leak of device memory, a failed test or a run without tests fails.
set -euo pipefail
mode=${1:?usage: conformance.sh address|thread|none [JUnit console options]}
shift
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
source "$root/tests/emulation/sanitizers.sh"
built=$root/tests/target/emulated-$mode
[ "$mode" != none ] || built=$root/tests/target/emulated # of the tests
log=$built.conformance.log
need_verify "$root"
bash "$root/native/build.sh" "$built" -DDPO4J_EMULATE=ON -DDPO4J_SANITIZE="$mode"

# ThreadSanitizer's work grows with the square of the threads in a block: it gets the tests that are tagged small. Those tagged large run the same
# code for longer, most of it the stand-in's matrix products.
selection=(--include-package org.dpo4j.conformance --include-tag device --exclude-tag large)
[ "$mode" != thread ] || selection=(--include-package org.dpo4j.conformance --include-tag small)
[ $# = 0 ] || selection=("$@")

# Verify runs blocks and threads in ascending order. Each sanitizer has another order: results must not depend on it.
declare -A schedule=([none]=random:2 [address]=random:1 [thread]=descending)
export DPO4J_EMULATION_SCHEDULE=${DPO4J_EMULATION_SCHEDULE:-${schedule[$mode]}}

status=0
DPO4J_STANDIN_REPORT_LEAKS=1 junit_emulated "$mode" "$built" "$built/libdpo4j.so" --scan-class-path "$root/tests/target/test-classes" \
  "${selection[@]}" >"$log" 2>&1 || status=$?

grep -E '^dpo4j tests: (emulated|skipped)|tests (successful|failed) ' "$log" || true
if grep -nE "$sanitizer_report" "$log"; then status=1; fi
if ! grep -qE '^dpo4j tests: emulated: [1-9]' "$log"; then status=1; fi
if [ "$status" != 0 ]; then
  echo "conformance: $mode FAILED (exit $status), see $log" >&2
  grep -nE -A30 "$sanitizer_report|^Failures" "$log" | head -100 >&2 || true
  exit 1
fi
echo "conformance: $mode passed"
