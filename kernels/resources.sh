#!/usr/bin/env bash
# What each kernel takes of a multiprocessor, as the compiler reports it: kernels/resources.sh NVCC [ARCHITECTURE ...]
# One line a kernel and architecture: file, registers, bytes of fixed shared memory, spilled bytes, name. Fails when a kernel spills: its
# __launch_bounds__ then promises more blocks than its registers allow. Fails when a kernel takes more registers than its file has below.
set -euo pipefail
directory=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
nvcc=${1:?usage: kernels/resources.sh NVCC [ARCHITECTURE ...]}
shift
[ $# -gt 0 ] || set -- 80 90a 100 120

# The most registers a kernel of a file may take on any architecture. 256 threads of 64 or of 80 registers: four or three blocks of them on a
# multiprocessor. preference_loss is one block of 256 a launch, whatever it takes.
budgets='
token_logprob_forward.cu           80
token_logprob_backward.cu          64
token_logprob_forward_backward.cu  80
sequence_sum.cu                    48
adamw.cu                           80
preference_loss.cu                168
unpaired_loss.cu                   64'

generate=()
for architecture in "$@"; do
  generate+=(-gencode "arch=compute_$architecture,code=sm_$architecture")
done
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

compile() {
  local result=$scratch/$(basename "$1")
  "$nvcc" -std=c++17 -O3 "${generate[@]}" -I"$directory/../native" -DDPO4J_ARCHITECTURES='""' -Xptxas=-v -c "$1" -o "$result.o" \
    >"$result.log" 2>&1 || { cat "$result.log" >&2; return 1; }
}
running=()
for source in "$directory"/*.cu; do
  compile "$source" &
  running+=($!)
  [ ${#running[@]} -lt "$(nproc)" ] || { wait "${running[0]}"; running=("${running[@]:1}"); }
done
for process in "${running[@]}"; do wait "$process"; done

awk '
  FNR == 1 { file = FILENAME; sub(/.*\//, "", file); sub(/\.log$/, "", file) }
  /Compiling entry function/ { split($0, quoted, "\047"); name = quoted[2]; architecture = quoted[4] }
  /bytes spill stores/ { match($0, /[0-9]+ bytes spill stores/); spilled = substr($0, RSTART) + 0 }
  /Used [0-9]+ registers/ {
    match($0, /Used [0-9]+/); registers = substr($0, RSTART + 5, RLENGTH - 5)
    shared = match($0, /[0-9]+ bytes smem/) ? substr($0, RSTART) + 0 : 0
    printf "%-33s %-7s %3d registers %6d shared %4d spilled  %s\n", file, architecture, registers, shared, spilled, name
  }' "$scratch"/*.log | c++filt | sed 's/dpo4j::cuda::(anonymous namespace):://g; s/dpo4j:://g; s/__nv_bfloat16/bf16/g' >"$scratch/report"
[ -s "$scratch/report" ] || { echo 'resources.sh: the compiler reported no kernel' >&2; exit 1; }
cat "$scratch/report"
failed=0
if grep -v ' 0 spilled ' "$scratch/report" >"$scratch/spilled"; then
  echo "resources.sh: $(wc -l <"$scratch/spilled") kernels spill registers" >&2
  failed=1
fi
awk '
  NR == FNR { if (NF > 0) budget[$1] = $2; next }
  $1 in budget {
    seen[$1] = 1
    if ($3 > budget[$1]) { print "resources.sh: over its budget of " budget[$1] " registers: " $0; failed = 1 }
  }
  END {
    for (file in budget) if (!(file in seen)) { print "resources.sh: " file " has a budget of registers and no kernel"; failed = 1 }
    exit failed
  }' <(echo "$budgets") "$scratch/report" >&2 || failed=1
exit $failed
