#!/usr/bin/env bash
# What each kernel takes of a multiprocessor, as the compiler reports it: kernels/resources.sh NVCC [ARCHITECTURE ...]
# One line a kernel and architecture: file, registers, bytes of fixed shared memory, spilled bytes, name. Fails when a kernel spills: its
# __launch_bounds__ then promises more blocks than its registers allow. Fails when a kernel takes more registers than are allowed below.
set -euo pipefail
directory=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
nvcc=${1:?usage: kernels/resources.sh NVCC [ARCHITECTURE ...]}
shift
[ $# -gt 0 ] || set -- 80 90a 100 120

# The most registers a kernel of a file may take on any architecture, if its name has the second word in it; the last line that fits counts. 256
# threads of 64, 80 or 128 registers: four, three or two blocks of them on a multiprocessor. preference_loss is one block of 256 a launch,
# whatever it takes. The kernels for sm_90a have 384 threads, one block a multiprocessor; attention_*_mma has two of 128, whose registers hold sums.
budgets='
attention_forward_mma.cu           (           255
attention_backward_mma.cu          (           255
attention_backward_sm90a.cu        (           168
attention_forward_sm90a.cu         (           168
token_logprob_forward.cu           (            80
token_logprob_forward.cu           Transformed 128
token_logprob_backward.cu          (            64
token_logprob_backward.cu          Transformed 128
token_logprob_forward_backward.cu  (            80
token_logprob_forward_backward.cu  Transformed 128
lm_head_forward_sm90a.cu           (           168
adamw.cu                           (            80
column_sum.cu                      (            64
sequence_sum.cu                    (            48
preference_loss.cu                 (           168
unpaired_loss.cu                   (            64'

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
  NR == FNR { if (NF > 0) { file[++lines] = $1; word[lines] = $2; most[lines] = $3 } next }
  {
    line = 0
    for (i = 1; i <= lines; i++) if (file[i] == $1 && index($0, word[i])) line = i
    if (line) seen[line] = 1
    if (line && $3 > most[line]) { print "resources.sh: over its budget of " most[line] " registers: " $0; failed = 1 }
  }
  END {
    for (i = 1; i <= lines; i++) {
      if (!(i in seen)) { print "resources.sh: " file[i] " has a budget of registers and no kernel for " word[i]; failed = 1 }
    }
    exit failed
  }' <(echo "$budgets") "$scratch/report" >&2 || failed=1
exit $failed
