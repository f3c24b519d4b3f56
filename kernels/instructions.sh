#!/usr/bin/env bash
# Checks that the kernels for sm_90a consist of the instructions they were written for. Usage: kernels/instructions.sh BUILD, where BUILD is a
# build with CUDA. Prints one line per rule. Fails if a kernel lacks an instruction that it must have, has one that it must not have, or if a
# rule matches no kernel.
set -euo pipefail
directory=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$directory/objects.sh"
build=${1:?usage: kernels/instructions.sh BUILD}
objects=$(objects_of "$build")
objects=$(cd "$objects" && pwd)
cuobjdump=$(cuda_tool "$build" cuobjdump)
disassembler=$(cuda_tool "$build" nvdisasm)

# Columns: file; prefix of kernel names; rule: "has" the instruction, "lacks" it, or has it at "max" so many times; regular expression for the
# whole instruction.
# LDL and STL access local memory: spills and stacks. MEMBAR waits for all memory accesses: only the two cluster barriers may contain it, not the
# loop over products. token_logprob_forward_backward has each of its two a second time, behind a branch for lanes that are not together (BRA.DIV).
# DEPBAR waits for products: if there are more than in the source, the compiler has serialised products.
rules='
attention_forward_sm90a         forward    has    HGMMA\.64x128x16\.F32\.BF16
attention_forward_sm90a         forward<64 has    HGMMA\.64x64x16\.F32\.BF16
attention_forward_sm90a         forward    has    UTMALDG\.2D
attention_forward_sm90a         forward    has    SYNCS\.PHASECHK\.TRANS64\.TRYWAIT
attention_forward_sm90a         forward    has    USETMAXREG\.DEALLOC\.CTAPOOL
attention_forward_sm90a         forward    has    USETMAXREG\.TRY_ALLOC\.CTAPOOL
attention_forward_sm90a         forward    has    ATOMG\.E\.ADD.*
attention_forward_sm90a         forward    lacks  LDL.*|STL.*
attention_forward_sm90a         forward    max:4 WARPGROUP\.DEPBAR.*
attention_decode                add_ranges has    HMMA\.16816\.F32\.BF16
attention_decode                add_ranges has    LDGSTS\.E\.BYPASS.*\.128
attention_decode                add_ranges has    LDSM\.16\.M88\.4
attention_decode                add_ranges lacks  LDL.*|STL.*
attention_decode                merge      has    LDG\.E(\..*)?\.128
attention_decode                merge      lacks  LDL.*|STL.*
lm_head_forward_sm90a           products    has    HGMMA\.64x256x16\.F32\.BF16
lm_head_forward_sm90a           products    has    UTMALDG\.2D
lm_head_forward_sm90a           products<2  has    UTMALDG\.2D\.MULTICAST
lm_head_forward_sm90a           products    has    SYNCS\.PHASECHK\.TRANS64\.TRYWAIT
lm_head_forward_sm90a           products    has    SYNCS\.ARRIVE\.TRANS64.*
lm_head_forward_sm90a           products    has    USETMAXREG\.DEALLOC\.CTAPOOL
lm_head_forward_sm90a           products    has    USETMAXREG\.TRY_ALLOC\.CTAPOOL
lm_head_forward_sm90a           products    has    MUFU\.EX2
lm_head_forward_sm90a           products    lacks  LDL.*|STL.*
lm_head_forward_sm90a           products<1  lacks  MEMBAR.*
lm_head_forward_sm90a           products<2  max:4 MEMBAR.*
lm_head_forward_sm90a           merge       lacks  LDL.*|STL.*
lm_head_exponentials_sm90a      products    has    HGMMA\.64x256x16\.F32\.BF16
lm_head_exponentials_sm90a      products<2  has    UTMALDG\.2D\.MULTICAST
lm_head_exponentials_sm90a      products    has    USETMAXREG\.TRY_ALLOC\.CTAPOOL
lm_head_exponentials_sm90a      products    has    MUFU\.EX2
lm_head_exponentials_sm90a      products    has    F2FP\.BF16(\..*)?\.PACK_AB
lm_head_exponentials_sm90a      products    has    STG\.E\.EF\.64
lm_head_exponentials_sm90a      products    max:2  WARPGROUP\.DEPBAR.*
lm_head_exponentials_sm90a      products    lacks  LDL.*|STL.*
lm_head_exponentials_sm90a      products<1  lacks  MEMBAR.*
lm_head_exponentials_sm90a      products<2  max:4  MEMBAR.*
lm_head_exponentials_sm90a      merge       lacks  LDL.*|STL.*
lm_head_exponentials_sm90a      choose_offsets has LDG\.E(\..*)?\.128
attention_backward_sm90a        gradients   has    HGMMA\.64x64x16\.F32\.BF16
attention_backward_sm90a        gradients   has    HGMMA\.64x128x16\.F32\.BF16
attention_backward_sm90a        gradients   has    UTMALDG\.2D
attention_backward_sm90a        gradients   has    USETMAXREG\.DEALLOC\.CTAPOOL
attention_backward_sm90a        gradients   has    USETMAXREG\.TRY_ALLOC\.CTAPOOL
attention_backward_sm90a        gradients   has    UBLKRED\..*
attention_backward_sm90a        gradients   has    UBLKCP\..*
attention_backward_sm90a        gradients   has    LDG\.E\.128\.STRONG\.GPU
attention_backward_sm90a        gradients   lacks  STG\.E\.128\.STRONG\.GPU
attention_backward_sm90a        gradients   has    REDG\.E\.ADD\.STRONG\.GPU
attention_backward_sm90a        gradients   lacks  RED.*F(16|32).*
attention_backward_sm90a        gradients   lacks  LDL.*|STL.*
attention_backward_sm90a        gradients   max:5 WARPGROUP\.DEPBAR.*
preference_loss                 losses_of_few lacks  BAR.*
preference_loss                 losses_of_few lacks  LDL.*|STL.*
preference_loss                 losses_of_pairs lacks LDL.*|STL.*
dequantize_4bit                 decode_vectors has STG\.E(\..*)?\.128
dequantize_4bit                 decode_vectors lacks LDL.*|STL.*
activation                      forward     has    LDG\.E(\..*)?\.128
activation                      forward     lacks  LDL.*|STL.*
activation                      backward    has    STG\.E(\..*)?\.(128|64)
activation                      backward    lacks  LDL.*|STL.*
layer_norm                      forward     has    LDG\.E(\..*)?\.128
layer_norm                      forward     lacks  LDL.*|STL.*
layer_norm                      backward    has    STG\.E(\..*)?\.128
layer_norm                      backward    lacks  LDL.*|STL.*
token_logprob_forward           forward     has    LDG\.E(\..*)?\.128
token_logprob_forward           forward     lacks  LDL.*|STL.*
token_logprob_backward          backward    has    LDG\.E(\..*)?\.128
token_logprob_backward          backward    has    STG\.E(\..*)?\.(128|64)
token_logprob_backward          backward    lacks  LDL.*|STL.*
token_logprob_forward_backward  forward     has    LDG\.E(\..*)?\.128
token_logprob_forward_backward  forward     has    STG\.E(\..*)?\.(128|64)
token_logprob_forward_backward  forward     lacks  LDL.*|STL.*
token_logprob_forward_backward  forward     max:4  MEMBAR.*'

# Instructions that should run while products run. Columns: file; prefix of kernel names; min count of the instruction between a wait for all but
# the newest group of products and the next wait; instruction. The compiler may move a wait, and then the count falls.
overlaps='
attention_forward_sm90a         forward    64     MUFU\.EX2'

# Loads on their way at the same time. Columns: file; prefix of kernel names; min count of the instruction before the first store to global memory;
# instruction. If the compiler moves a store in front of a load, a thread waits for the first load before it begins the next.
ahead='
copy_rows                       copy                          4      LDG\.E(\..*)?\.128.*
scale_rows                      scale_row                     4      LDG\.E(\..*)?\.128.*
embedding                       backward<__nv_bfloat16,__nv   8      LDG\.E(\..*)?\.128.*
embedding                       backward<float,__nv           8      LDG\.E(\..*)?\.128.*
column_sum                      add_columns                   8      LDG\.E(\..*)?\.128.*
rope                            rotate<__nv_bfloat16,8        4      LDG\.E(\..*)?\.128.*
activation                      forward<__nv_bfloat16,Function<0,true> 2 LDG\.E(\..*)?\.128.*
rms_norm                        forward<__nv_bfloat16,32,4    4      LDG\.E(\..*)?\.128.*
rms_norm                        forward<__nv_bfloat16,32,8    8      LDG\.E(\..*)?\.128.*
rms_norm                        forward<__nv_bfloat16,128,4   4      LDG\.E(\..*)?\.128.*
'

# Moves to uniform registers (R2UR) between products, where no wait and no branch is. Columns: file; prefix of kernel names; max count in a
# kernel. They compute descriptors of tiles. If the compiler does not know that a tile's address is uniform, the warp issues them there.
between='
attention_forward_sm90a         forward    0
attention_backward_sm90a        gradients  7
lm_head_forward_sm90a           products   0
lm_head_exponentials_sm90a      products   0'

# Files whose kernels release registers in some warps (setmaxnreg). These warps must not use the released registers.
giving='attention_forward_sm90a attention_backward_sm90a lm_head_forward_sm90a lm_head_exponentials_sm90a'

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
# Writes two files: how often each kernel has each instruction; and all instructions in order, those of waits with their first operands.
disassemble() {
  (cd "$scratch" && "$cuobjdump" -xelf sm_90a "$objects/$1.cu.o" >/dev/null)
  "$disassembler" -c "$scratch/$1".*.cubin >"$scratch/$1.sass"
  sed -n 's/^\.text\.\(.*\):$/kernel \1/p; s/^ *\/\*[0-9a-f]*\*\/ *//p' "$scratch/$1.sass" | c++filt | awk '
    $1 == "kernel" { kernel = $0; sub(/^kernel (void )?/, "", kernel); gsub(/dpo4j::cuda::\(anonymous namespace\)::/, "", kernel)
                     sub(/\(.*/, "", kernel); gsub(/ /, "", kernel); next }
    { for (i = 1; i <= NF; i++) if ($i !~ /^@/) { sub(/;$/, "", $i); print kernel, $i, ($i ~ /DEPBAR/ ? $(i + 1) $(i + 2) : ""); break } }
  ' >"$scratch/$1.ordered"
  awk '{ print $1, $2 }' "$scratch/$1.ordered" | sort | uniq -c >"$scratch/$1"
}
for file in $(awk 'NF > 0 { print $1 }' <<<"$rules$ahead" | sort -u); do disassemble "$file"; done

failed=0
while read -r file name verb instruction; do
  [ -n "$file" ] || continue
  awk -v name="$name" -v verb="$verb" -v instruction="^($instruction)\$" '
    BEGIN { max = 0; if (verb ~ /^max:/) max = substr(verb, 5) + 0 }
    index($2, name) == 1 { kernels[$2] += 0; if ($3 ~ instruction) kernels[$2] += $1 }
    END {
      min = -1
      for (kernel in kernels) {
        count++
        if (verb == "has" ? kernels[kernel] == 0 : kernels[kernel] > max) { print "  " kernel ": " kernels[kernel]; wrong = 1 }
        if (min < 0 || kernels[kernel] < min) min = kernels[kernel]
      }
      if (count == 0) { print "  no kernel has that name"; wrong = 1 }
      else if (verb == "has") printf "%d kernels, at least %d each", count, min
      else printf "%d kernels", count
      exit wrong
    }' "$scratch/$file" >"$scratch/found" || { failed=1; echo "instructions.sh: $file: $name does not keep to: $verb $instruction" >&2; cat "$scratch/found" >&2; continue; }
  printf '%-31s %-10s %-6s %-34s %s\n' "$file" "$name" "$verb" "$instruction" "$(cat "$scratch/found")"
done <<<"$rules"
while read -r file name min instruction; do
  [ -n "$file" ] || continue
  awk -v name="$name" -v min="$min" -v instruction="^($instruction)\$" '
    index($1, name) != 1 { next }
    !($1 in max) { max[$1] = 0; open = 0 }
    $2 ~ /^WARPGROUP\.DEPBAR/ { open = $3 ~ /,0x[1-9]/; count = 0; next }
    open && $2 ~ instruction && ++count > max[$1] { max[$1] = count }
    END {
      for (kernel in max) { kernels++; if (max[kernel] < min) { print "  " kernel ": " max[kernel]; wrong = 1 } }
      if (kernels == 0) { print "  no kernel has that name"; wrong = 1 }
      else if (!wrong) printf "%d kernels", kernels
      exit wrong
    }' "$scratch/$file.ordered" >"$scratch/found" || { failed=1; echo "instructions.sh: $file: $name has fewer than $min $instruction while products run" >&2; cat "$scratch/found" >&2; continue; }
  printf '%-31s %-10s %-6s %-34s %s\n' "$file" "$name" "$min" "$instruction" "while products run, $(cat "$scratch/found")"
done <<<"$overlaps"
while read -r file name min instruction; do
  [ -n "$file" ] || continue
  awk -v name="$name" -v min="$min" -v instruction="^($instruction)\$" '
    index($1, name) != 1 { next }
    !($1 in count) { count[$1] = 0 }
    $2 ~ /^STG/ { stored[$1] = 1 }
    !($1 in stored) && $2 ~ instruction { count[$1]++ }
    END {
      for (kernel in count) { kernels++; if (count[kernel] < min) { print "  " kernel ": " count[kernel]; wrong = 1 } }
      if (kernels == 0) { print "  no kernel has that name"; wrong = 1 }
      else if (!wrong) printf "%d kernels", kernels
      exit wrong
    }' "$scratch/$file.ordered" >"$scratch/found" || { failed=1; echo "instructions.sh: $file: $name has fewer than $min $instruction before its first store" >&2; cat "$scratch/found" >&2; continue; }
  printf '%-31s %-10s %-6s %-34s %s\n' "$file" "$name" "$min" "$instruction" "before the first store, $(cat "$scratch/found")"
done <<<"$ahead"
while read -r file name max; do
  [ -n "$file" ] || continue
  awk -v name="$name" -v max="$max" '
    index($1, name) != 1 { next }
    $1 != kernel { kernel = $1; open = 0; count[$1] += 0 }
    $2 ~ /^HGMMA/ { if (open) count[$1] += moves; open = 1; moves = 0; products++; next }
    $2 ~ /^(WARPGROUP\.DEPBAR|SYNCS|BRA)/ { open = 0 }
    $2 ~ /^R2UR/ { moves++ }
    END {
      for (kernel in count) { kernels++; if (count[kernel] > max) { print "  " kernel ": " count[kernel]; wrong = 1 } }
      if (products == 0) { print "  no kernel of that name has a product"; wrong = 1 }
      else if (!wrong) printf "%d kernels", kernels
      exit wrong
    }' "$scratch/$file.ordered" >"$scratch/found" || { failed=1; echo "instructions.sh: $file: $name has more than $max R2UR between products" >&2; cat "$scratch/found" >&2; continue; }
  printf '%-31s %-10s max:%-2s %-34s %s\n' "$file" "$name" "$max" "R2UR" "between products, $(cat "$scratch/found")"
done <<<"$between"
for file in $giving; do
  awk -f "$directory/kept_registers.awk" "$scratch/$file.sass" | awk '
    { count++; if ($2 > max) max = $2; if ($2 > $1) { print "  " $3 ": " $2 " of " $1; wrong = 1 } }
    END {
      if (count == 0) { print "  no kernel gives registers up"; wrong = 1 }
      else if (!wrong) printf "%d kernels, at most %d", count, max
      exit wrong
    }' >"$scratch/found" || { failed=1; echo "instructions.sh: $file: warps use registers that they gave up" >&2; cat "$scratch/found" >&2; continue; }
  printf '%-31s uses no registers that it gave up: %s\n' "$file" "$(cat "$scratch/found")"
done
exit $failed
