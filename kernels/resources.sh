#!/usr/bin/env bash
# Prints the resources of each kernel. Usage: kernels/resources.sh BUILD, where BUILD is a build with CUDA (java/kernels/target/cmake).
# One line per kernel and architecture: file, registers, bytes of static shared memory, bytes of stack per thread, name. Fails if a kernel has a
# stack: it spills, because __launch_bounds__ asks for more resident blocks than its registers allow, or it indexes an array with a variable, which
# moves the array from registers to local memory. Fails if a kernel uses more registers than its budget below.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/objects.sh"
build=${1:?usage: kernels/resources.sh BUILD}
objects=$(objects_of "$build")
cuobjdump=$(cuda_tool "$build" cuobjdump)

# The max number of registers per thread. Columns: file; a part of the kernel's name, or its architecture; registers. The last line that matches a
# kernel counts. With 256 threads per block, 64, 80 or 128 registers allow four, three or two resident blocks per SM. preference_loss and
# unpaired_loss launch one block of 256 or of 32, so occupancy does not limit their registers. The kernels for sm_90a have 384 threads and one block per SM.
# attention_*_mma has two blocks of 128 threads per SM, which hold their sums in registers. sample_tokens has two blocks of 512 threads, as its
# shared memory allows. rms_norm and layer_norm keep rows and sums in registers: of bf16 they have 16
# to 40 warps per SM in forward, and 12 in backward; rms_norm's backward has 8 for rows of more than 4096 columns or of fp32.
budgets='
attention_forward_mma.cu           (           255
attention_backward_mma.cu          (           255
attention_decode.cu                (           144
attention_decode.cu                256,        240
attention_backward_sm90a.cu        (           168
attention_forward_sm90a.cu         (           168
token_logprob_forward.cu           (            80
token_logprob_forward.cu           Transformed 128
token_logprob_backward.cu          (            64
token_logprob_backward.cu          sm_100       80
token_logprob_backward.cu          Transformed 128
token_logprob_forward_backward.cu  (            80
token_logprob_forward_backward.cu  Transformed 128
lm_head_exponentials_sm90a.cu      (           168
lm_head_forward_sm90a.cu           (           168
activation.cu                      (            64
adamw.cu                           (            80
adamw_8bit.cu                      (            80
count_step.cu                      (            64
sgd.cu                             (            80
rmsprop.cu                         (            80
lion.cu                            (            80
lerp.cu                            (            64
uniform_noise.cu                   (            64
quantize_4bit.cu                   (            64
dequantize_4bit.cu                 (            64
column_sum.cu                      (            64
embedding.cu                       (            80
rope.cu                            (            80
copy_rows.cu                       (            40
scale_rows.cu                      (            40
rms_norm.cu                        (            64
rms_norm.cu                        forward<bf16 128
rms_norm.cu                        forward<floa 168
rms_norm.cu                        backward<bf1 216
rms_norm.cu                        backward<flo 255
layer_norm.cu                      (            80
layer_norm.cu                      backward<    168
sample_tokens.cu                   (            64
sequence_sum.cu                    (            48
preference_loss.cu                 (           192
preference_loss.cu                 few_pairs   255
unpaired_loss.cu                   (            80'

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
for object in "$objects"/*.cu.o; do
  "$cuobjdump" -res-usage "$object" | awk -v file="$(basename "$object" .o)" '
    $1 == "arch" { architecture = $3 }
    $1 == "Function" { name = $2; sub(/:$/, "", name) }
    $1 ~ /^REG:/ {
      for (i = 1; i <= NF; i++) { split($i, pair, ":"); bytes[pair[1]] = pair[2] }
      printf "%-33s %-7s %3d registers %6d shared %4d stack  %s\n", file, architecture, bytes["REG"], bytes["SHARED"], bytes["STACK"], name
    }'
done | c++filt | sed 's/dpo4j::cuda::(anonymous namespace):://g; s/dpo4j:://g; s/__nv_bfloat16/bf16/g' >"$scratch/report"
[ -s "$scratch/report" ] || { echo 'resources.sh: there is no kernel' >&2; exit 1; }
cat "$scratch/report"
failed=0
if grep -v ' 0 stack ' "$scratch/report" >"$scratch/stacks"; then
  echo "resources.sh: $(wc -l <"$scratch/stacks") kernels have a stack" >&2
  failed=1
fi
awk '
  NR == FNR { if (NF > 0) { file[++lines] = $1; word[lines] = $2; max[lines] = $3 } next }
  {
    line = 0
    built[$2] = 1
    for (i = 1; i <= lines; i++) if (file[i] == $1 && index($0, word[i])) line = i
    if (line) seen[line] = 1
    if (line && $3 > max[line]) { print "resources.sh: over its budget of " max[line] " registers: " $0; failed = 1 }
  }
  END {
    for (i = 1; i <= lines; i++) {
      if (word[i] ~ /^sm_/ && !(word[i] in built)) continue
      if (!(i in seen)) { print "resources.sh: " file[i] " has a budget of registers and no kernel for " word[i]; failed = 1 }
    }
    exit failed
  }' <(echo "$budgets") "$scratch/report" >&2 || failed=1
exit $failed
