#!/usr/bin/env bash
# Shows that the checks find bugs. First the emulation's own tests: they pass under every sanitizer and schedule, and each fault is stopped. Then
# bugs are planted in copies of kernels, the emulated library is linked with each copy, and a JUnit class of the conformance suite must fail.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
emulation=$root/tests/emulation
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
source "$emulation/sanitizers.sh"
need_verify "$root"

include=(-I"$emulation/include" -I"$root/native" -I"$root/kernels" -I"$emulation/planted")
common=(-std=c++17 -g1 -O1 -Wno-unknown-pragmas -Wno-psabi -ftls-model=initial-exec '-DDPO4J_ARCHITECTURES="emulated"' "${include[@]}")
declare -A sanitize=([none]="" [address]="-fsanitize=address,undefined -fno-sanitize-recover=all" [thread]="-fsanitize=thread")

compile() { # MODE SOURCE OBJECT
  local flags=${sanitize[$1]}
  case $1:$2 in thread:*/engine/*) flags="-fno-sanitize=thread -DDPO4J_SANITIZE_THREAD" ;; esac
  # shellcheck disable=SC2086
  "${CXX:-c++}" "${common[@]}" $flags -x c++ -c "$2" -o "$3"
}

# Two jobs at a time. One that fails has said so, and does not stop the others.
running=0
failed=0
beside() { "$@" & running=$((running + 1)); [ $running -lt 2 ] || next; }
next() { wait -n || failed=1; running=$((running - 1)); }
settle() { while [ $running -gt 0 ]; do next; done; }
finish() { settle; [ $failed = 0 ] || exit 1; }

for mode in none address thread; do
  mkdir -p "$work/$mode"
  for source in "$emulation"/engine/*.cpp "$emulation"/standin/cudart*.cpp "$root/kernels/runtime.cu"; do
    beside compile "$mode" "$source" "$work/$mode/$(basename "$source").o"
  done
done
finish

link() { # MODE PROGRAM SOURCE [OBJECT]
  compile "$1" "$3" "$2.o"
  # shellcheck disable=SC2086
  "${CXX:-c++}" ${sanitize[$1]} "$2.o" "$work/$1"/*.o "${@:4}" -o "$2" -lpthread
}

verdict() { # NAME MODE EXPECTATION COMMAND...: runs the command under MODE and says whether it is clean, or caught with the expected words
  local name=$1 mode=$2 expected=$3 log=$work/log.$BASHPID status=0 run=(under_sanitizer "$2")
  shift 3
  [ "$1" != junit ] || run=() # junit calls under_sanitizer itself
  "${run[@]}" "$@" >"$log" 2>&1 || status=$?
  if { [ "$expected" = clean ] && [ $status = 0 ]; } || { [ "$expected" != clean ] && [ $status != 0 ] && grep -qE "$expected" "$log"; }; then
    printf 'planted bugs: %-26s %-8s %s\n' "$name" "$mode" "$([ "$expected" = clean ] && echo "passes" || grep -m1 -oE "$expected" "$log")"
  else
    printf 'planted bugs: %-26s %-8s exit %d, expected %s\n' "$name" "$mode" $status "$expected"
    sed 's/^/    /' "$log" | head -20
    failed=1
  fi
}

verdict_beside() { beside alone verdict "$@"; }
alone() { failed=0; "$@"; return $failed; }

for mode in none address thread; do
  for program in emulation cluster asynchronous bulk_copy wgmma mma; do beside link "$mode" "$work/$program-$mode" "$emulation/planted/${program}_test.cpp"; done
done
finish
"${CXX:-c++}" -std=c++17 -g -O1 ${sanitize[address]} "$emulation/planted/cublaslt_test.cpp" \
  "$emulation"/standin/{cublaslt,gemm,cudart,cudart_counts,cudart_graph,cudart_memory}.cpp -o "$work/cublaslt"
verdict "cublaslt stand-in" address clean "$work/cublaslt"
for mode in none address thread; do
  for schedule in ascending descending random:1 random:2; do
    DPO4J_EMULATION_SCHEDULE=$schedule verdict_beside "emulation, $schedule" $mode clean "$work/emulation-$mode"
    DPO4J_EMULATION_SCHEDULE=$schedule verdict_beside "clusters, $schedule" $mode clean "$work/cluster-$mode"
    DPO4J_EMULATION_SCHEDULE=$schedule verdict_beside "asynchronous, $schedule" $mode clean "$work/asynchronous-$mode"
    DPO4J_EMULATION_SCHEDULE=$schedule verdict_beside "bulk copies, $schedule" $mode clean "$work/bulk_copy-$mode"
    DPO4J_EMULATION_SCHEDULE=$schedule verdict_beside "warpgroups, $schedule" $mode clean "$work/wgmma-$mode"
    DPO4J_EMULATION_SCHEDULE=$schedule verdict_beside "products, $schedule" $mode clean "$work/mma-$mode"
  done
  DPO4J_STANDIN_DEVICE=a100 verdict_beside "no clusters, a100" $mode clean "$work/cluster-$mode" a100
done
settle
verdict missing_lane none 'deadlock in block 0,0,0' "$work/emulation-none" missing_lane
verdict exited_lane none 'names lanes 80000000, which have exited' "$work/emulation-none" exited_lane
verdict without_permission none 'more than 49152 bytes of shared memory' "$work/emulation-none" without_permission
verdict with_permission none clean "$work/emulation-none" with_permission
for fault in unordered_warp one_barrier_too_few unfenced; do
  verdict $fault thread 'ThreadSanitizer: data race' "$work/emulation-thread" $fault
done

cluster_verdict() { # FAULT MODE EXPECTATION [SCHEDULE]
  DPO4J_EMULATION_SCHEDULE=${4:-ascending} verdict "$1" "$2" "$3" "$work/cluster-$2" "$1"
}
for mode in none address thread; do
  cluster_verdict dropped_none $mode clean
  cluster_verdict rank_outside $mode 'the shared memory of block 2 of a cluster of 2'
done
# A lucky order hides a dropped barrier from all but ThreadSanitizer.
cluster_verdict dropped_before_reading thread 'ThreadSanitizer: data race'
cluster_verdict dropped_before_reading none 'result is -?nan' descending
cluster_verdict dropped_before_exit thread 'ThreadSanitizer: data race'
cluster_verdict dropped_before_exit none 'the shared memory of block 1 of the cluster, which has exited' descending
cluster_verdict race_between_clusters thread 'ThreadSanitizer: data race'
cluster_verdict before_start none "before the cluster's first barrier"
cluster_verdict mapped_after_exit none 'the shared memory of block 1 of the cluster, which has exited'
cluster_verdict read_after_exit none 'result is -?nan'
cluster_verdict read_after_exit address 'AddressSanitizer: use-after-poison'
cluster_verdict read_after_exit thread 'ThreadSanitizer: data race'
cluster_verdict beyond_array address 'AddressSanitizer: use-after-poison'
cluster_verdict not_shared none 'is not in the shared memory of the calling block'
cluster_verdict missing_thread none 'deadlock in block 1,0,0'
cluster_verdict wait_dropped none 'has arrived at the barrier of its cluster and has not waited for it'
cluster_verdict arrival_without_reading thread 'ThreadSanitizer: data race'
cluster_verdict arrival_twice none 'arrives a second time at the barrier of its cluster'
cluster_verdict wait_without_arrival none 'waits for the barrier of its cluster and has not arrived at it'
cluster_verdict too_much_shared none 'more than 232448 bytes of shared memory'
cluster_verdict too_many_threads thread 'too much for ThreadSanitizer'

asynchronous_verdict() { verdict "$1" none "$2" "$work/asynchronous-none" "$1"; } # FAULT EXPECTATION
asynchronous_verdict none clean
for fault in no_wait_for_copy no_wait_for_products overwritten; do asynchronous_verdict $fault 'result is -?nan'; done
asynchronous_verdict no_fence 'no wgmma.fence since the registers were last waited for'
asynchronous_verdict no_fence_of_barrier 'was initialised without a fence'
asynchronous_verdict no_barrier 'no barrier has been initialised at'
asynchronous_verdict too_many_arrivals 'more than the 1 arrivals of a phase'
asynchronous_verdict too_few_bytes 'deadlock in block 0,0,0|while a tile is on its way'
asynchronous_verdict misplaced_tile "is not where the swizzle's 1024 bytes begin"
asynchronous_verdict beyond_shared "are not within an array of the block's shared memory"
asynchronous_verdict copy_at_exit 'the block exits while a tile is on its way to it'
asynchronous_verdict products_at_exit 'exits before its products have ended'
asynchronous_verdict half_a_warpgroup 'of a warpgroup have not issued the same'
asynchronous_verdict other_operands 'lanes of a warp have different operands'
asynchronous_verdict no_swizzle 'only that of 128 bytes is emulated'
asynchronous_verdict too_many_registers 'wait in setmaxnreg.inc'
verdict unordered_barrier thread 'ThreadSanitizer: data race' "$work/asynchronous-thread" unordered_barrier

bulk_verdict() { verdict "$1" "$2" "$3" "$work/bulk_copy-$2" "$1"; } # FAULT MODE EXPECTATION
bulk_verdict none none clean
bulk_verdict no_fence none 'was written without a fence.proxy.async'
bulk_verdict overwritten none 'shared memory was written before the copy had read it'
bulk_verdict not_waited_for none 'exits with bulk copies under way'
bulk_verdict misaligned none 'not all multiples of 16'
bulk_verdict beyond_shared none "are not within an array of the block's shared memory"
bulk_verdict no_barrier thread 'ThreadSanitizer: data race'
bulk_verdict ended_too_early thread 'ThreadSanitizer: data race'
bulk_verdict never_ended none 'deadlock in blocks'

wgmma_verdict() { verdict "$1" none "$2" "$work/wgmma-none" "$1"; } # FAULT EXPECTATION
wgmma_verdict none clean
wgmma_verdict read_lent 'result is -?nan'
wgmma_verdict written_lent 'registers of matrix A were written while products had them'
wgmma_verdict written_accumulator 'registers of matrix D were written while products had them'
for fault in no_proxy_fence stored_meanwhile; do wgmma_verdict $fault 'was written without a fence.proxy.async, or while products read it'; done
wgmma_verdict misplaced_transpose "is not where the swizzle's 1024 bytes begin"
wgmma_verdict wrong_stride 'has strides that are not those of whole patterns'
for fault in other_major other_left; do wgmma_verdict $fault 'lanes of a warp have different operands'; done

for mode in none address thread; do verdict copied $mode clean "$work/mma-$mode" copied; done
verdict not_waited_for none 'result is -?nan' "$work/mma-none" not_waited_for
for fault in not_waited_for no_barrier_behind_the_wait no_barrier_before_the_copy; do
  verdict $fault thread 'ThreadSanitizer: data race' "$work/mma-thread" $fault
done
verdict exit_before_the_wait none 'exits with copies under way' "$work/mma-none" exit_before_the_wait
verdict matrix_not_shared none 'is not in the shared memory of the calling block' "$work/mma-none" matrix_not_shared
verdict matrix_misaligned none 'is not on 16 bytes' "$work/mma-none" matrix_misaligned
verdict product_of_part_of_a_warp none 'deadlock in block 0,0,0|others of its warp wait' "$work/mma-none" product_of_part_of_a_warp

# ---- bugs in kernels, found by the conformance suite ----

declare -A built=([none]=$root/tests/target/emulated [address]=$root/tests/target/emulated-address [thread]=$root/tests/target/emulated-thread)
for mode in none address thread; do
  bash "$root/native/build.sh" "${built[$mode]}" -DDPO4J_EMULATE=ON -DDPO4J_SANITIZE=$mode >/dev/null
done
export JDK_JAVA_OPTIONS=-XX:TieredStopAtLevel=1 # each run is short
fma=$(! grep -qw avx2 /proc/cpuinfo || ! grep -qw fma /proc/cpuinfo || echo -mfma -mavx2)

junit() { # MODE LIBRARY TESTS: Class#method of the conformance suite, separated by blanks
  local test tests=()
  for test in $3; do tests+=(--select-method "org.dpo4j.conformance.$test(org.dpo4j.conformance.On)"); done
  junit_emulated "$1" "${built[$1]}" "$2" "${tests[@]}"
}

# The tests that find the bugs pass on the unchanged kernels. Verify has run them without sanitizers, so here they run with them.
clean_tests='AttentionTest#anyScale AttentionTest#backwardOfEveryHeadWidth AttentionTilesTest#gradientsOfWhatIsSeenAlone
  AttentionTilesTest#queriesAfterCachedKeysEqualTheWhole LmHeadForwardTest#shapesOfSeveralTiles TokenLogProbRowsTest#severalRowsOfABlock'
for mode in address thread; do
  DPO4J_EMULATION_SCHEDULE=random:2 verdict_beside "kernels as they are" $mode clean junit $mode "${built[$mode]}/libdpo4j.so" "$clean_tests"
done
# More blocks run at once than there are processors, and wait for each other's turns in the ordered semaphore.
DPO4J_EMULATION_WORKERS=8 verdict_beside "8 blocks at a time" none clean junit none "${built[none]}/libdpo4j.so" AttentionTilesTest#backwardOfEachTile

for test in aDependentThatIsNotListed aPrefixThatNoSegmentOwns aPrefixLongerThanItsSegment aDependentBeyondTheLastSegment; do
  DPO4J_TRAPS=1 verdict_beside "$test" none 'CUDA emulation: .*__trap' junit none "${built[none]}/libdpo4j.so" "AttentionTrapsTest#$test"
done

plant() { beside alone plant_in_kernel "$@"; }
plant_in_kernel() { # KERNEL HEADERS TESTS NAME MODE EXPECTATION SED-EXPRESSION, which changes the kernel or its headers, here or in formulas/
  local kernel=$1 name=$4 mode=$5 copy=$work/$1-$4 file source changed=$work/$4.changed objects
  mkdir -p "$copy/formulas"
  ln -s "$root"/kernels/*.cu* "$copy"
  ln -s "$root"/native/formulas/*.h "$copy/formulas"
  for file in "$kernel.cu" $2; do
    source=$root/kernels/$file
    [[ $file != formulas/* ]] || source=$root/native/$file
    sed "$7" "$source" >"$changed"
    cmp -s "$source" "$changed" || mv -f "$changed" "$copy/$file"
  done
  [ -n "$(find "$copy" -type f)" ] || { echo "planted bugs: $name: no line of $kernel.cu $2 matches $7" >&2; failed=1; return; }
  # shellcheck disable=SC2086
  "${CXX:-c++}" "${common[@]}" -fPIC -fvisibility=hidden -DDPO4J_EMULATED -DDPO4J_WITH_CUDA -ffp-contract=off $fma ${sanitize[$mode]} \
    -x c++ -c "$copy/$kernel.cu" -o "$copy/$kernel.o" || { echo "planted bugs: $name: the changed $kernel.cu does not compile" >&2; failed=1; return; }
  mapfile -t objects < <(find "${built[$mode]}/CMakeFiles/dpo4j.dir" "${built[$mode]}/native" -name '*.o' ! -name "$kernel.cu.o")
  # shellcheck disable=SC2086
  "${CXX:-c++}" -shared -Wl,-soname,libdpo4j.so ${sanitize[$mode]} "$copy/$kernel.o" "${objects[@]}" "${built[$mode]}"/standin/libcudart.so.* \
    -Wl,-rpath,"${built[$mode]}/standin" -lpthread -ldl -o "$copy/libdpo4j.so"
  verdict "$name" "$mode" "$6" junit "$mode" "$copy/libdpo4j.so" "$3"
}

log_prob_plant() { plant token_logprob_forward token_logprob_rows.cuh TokenLogProbRowsTest#severalRowsOfABlock "$@"; } # NAME MODE EXPECTATION SED-EXPRESSION
log_prob_plant dropped_syncthreads thread 'ThreadSanitizer: data race' '/__syncthreads();/d'
log_prob_plant race_between_blocks thread 'ThreadSanitizer: data race' 's/write_results(x, row,/write_results(x, 0,/'
log_prob_plant store_beyond_shared address 'AddressSanitizer: [a-z-]+|runtime error: index [0-9]+ out of bounds' 's/warp_sums\[place % 2\]\[team .*\] = sums;/warp_sums[2][0] = sums;/'
log_prob_plant store_beyond_output address 'logprob was written after its last element' 's/write_results(x, row,/write_results(x, row + 1,/'
log_prob_plant unwritten_output none 'logprob was not written' '/write_results(x, row,/d'
log_prob_plant one_buffer_of_sums thread 'ThreadSanitizer: data race' 's/warp_sums\[place % 2\]/warp_sums[0]/'
plant token_logprob_forward token_logprob_softmax.cuh TokenLogProbRowsTest#severalRowsOfABlock tile_of_same_row none 'row [0-9]+.*, expected' 's/if (team + range.step >= range.end) from = row.following();//'

# A row in two blocks of a cluster, and a gradient of 16 bits over its own fp32 logits.
both_plant() { plant token_logprob_forward_backward token_logprob_gradient.cuh TokenLogProbNarrowedTest#twoBlocks "$@"; }
both_plant no_first_barrier none "before the cluster's first barrier" 's/cluster_sync();/__syncthreads();/'
both_plant no_block_barrier thread 'ThreadSanitizer: data race' '/^    __syncthreads();$/d'
both_plant arrival_before_reading thread 'ThreadSanitizer: data race' 's/  cluster_arrive();/  cluster_arrive_relaxed();/'
both_plant no_wait_before_exit none 'has arrived at the barrier of its cluster and has not waited' '/cluster_wait();/d'
both_plant target_read_again thread 'ThreadSanitizer: data race' 's/load_one(holds(column) ? element(column) : row + column)/load_one(row + column)/'
both_plant tail_not_kept none 'd_logits, row [0-9]+' '/if (holds(column)) \*element/d'
plant token_logprob_forward_backward "" TokenLogProbRowsTest#severalRowsOfACluster sums_written_too_early thread 'ThreadSanitizer: data race' 's/warp_sums\[place % 2\]/warp_sums[0]/'
# Teams side by side in a block, on a GPU without clusters.
beside_plant() { DPO4J_STANDIN_DEVICE=a100 plant token_logprob_forward_backward "" TokenLogProbForwardBackwardTest#noGradientIsOneOfLargeVocabularies "$@"; }
beside_plant slices_of_the_first_team none 'logprob was not written|row [0-9]+.*, expected' 's/first_team + static_cast<int32_t>(threadIdx.x \/ kTeamThreads)/first_team/'
beside_plant sums_of_teams_in_one_place none 'logprob was not written|row [0-9]+.*, expected' 's/(team - first_team) \* teams.warps() + thread_of_team/team % share.beside * teams.warps() + thread_of_team/'

# Padding, groups and factors: the places where the true width and the one in memory differ, and options that may be left out.
plant rope "" RopeTest#aPartOfEachHead other_half none 'head [0-9]+ .*, expected' 's/first + rows.half/first + rows.head_width \/ 2/'
plant rope "" RopeTest#aPartOfEachHead heads_end_to_end none 'head [0-9]+ .*, expected' 's/head \* rows.head_width/head * 2 * rows.half/'
plant rms_norm "" RmsNormPaddingTest#forward mean_of_padding none 'out of .*, expected' 's/all_squares \/ params.mean_width/all_squares \/ params.width/'
plant rms_norm "" RmsNormPaddingTest#backward slope_of_padding none 'd_x of .*, expected' 's/dot \/ params.mean_width/dot \/ params.width/'
plant rms_norm "" RmsNormGroupsTest#forward groups_end_to_end none 'out of .*, expected' 's/row \* params.out_stride + group/row * params.width * params.groups + group/'
plant rms_norm "" RmsNormGroupsTest#forward first_group_only none 'rstd was not written|rstd of .*, expected' 's/params.groups + group\] = r/params.groups] = r/'
plant rms_norm "" RmsNormGroupsTest#forward no_offset none 'out of .*, expected' 's/r \* (w\[k\] + params.weight_offset)/r * w[k]/'
plant rms_norm "" RmsNormGroupsTest#backward no_offset_in_slope none 'd_x of .*, expected' 's/dy\[k\] \* (w\[k\] + weight_offset) \* v/dy[k] * w[k] * v/'
plant rms_norm "" RmsNormGroupsTest#backward rows_of_results none 'd_x of .*|d_weight of .*, expected' 's/row \* params.x_stride/row * params.out_stride/'
plant embedding "" EmbeddingTest#forward not_scaled none 'embedding of .*, expected' 's/Scaled<T>{scale}/Scaled<T>{1}/'
plant embedding "" EmbeddingTest#backward gradient_not_scaled none 'd_table.*, expected' 's/sum\[k\] \* scale + old/sum[k] + old/'
# Rows that are loaded ahead, and sums of parts.
plant rms_norm "" RmsNormTest#backwardOfWideRows next_not_loaded none 'd_x of .*, expected' 's/if (i + 1 < end) loaded =/if (i + 1 < begin) loaded =/'
plant rms_norm "" RmsNormTest#backwardOfNarrowRows first_team_only none 'd_weight of .*, expected' 's/team = 1; team < TEAMS/team = TEAMS; team < TEAMS/'
plant rms_norm "" RmsNormTest#backwardOfWideRows one_array thread 'ThreadSanitizer: data race' 's/static_cast<int>(i \& 1)/0/'
plant rms_norm "" RmsNormPaddingTest#backward teams_not_awaited thread 'ThreadSanitizer: data race' '/^    __syncthreads();$/d'
plant scale_rows vectors.cuh ScaleRowsTest#scales mapped_twice none 'rows of [0-9]+.*, expected|in place' 's/begin += kMapped \* stride/begin += (kMapped - 1) * stride/'
plant rope "" RopeTest#forward heads_left_out none 'head [0-9]+ .*, expected' 's/head += kHeads \* blockDim.y/head += 2 * kHeads * blockDim.y/'
plant column_sum "" ColumnSumTest#sums teams_left_out none 'rows of .*, expected' 's/distance >= LANES/distance > LANES/'
plant column_sum "" ColumnSumTest#manyRowsAndColumns rows_left_out none 'rows of .*, expected' 's/row += kAtOnce \* TEAMS/row += 2 * kAtOnce * TEAMS/'
plant embedding "" EmbeddingTest#backwardOfFrequentIndices part_left_out none 'd_table.*, expected' 's/warp < kWarps; warp++/warp < kWarps - 1; warp++/'
plant embedding "" EmbeddingTest#backwardOfFrequentIndices beyond_the_part none 'd_table.*, expected' 's/first + kPart < end ? first + kPart : end/end/'
plant embedding "" EmbeddingTest#backwardOfFrequentIndices parts_overwritten thread 'ThreadSanitizer: data race' '/parts may be written again/d'
plant embedding "" EmbeddingTest#backward ranges_left_out none 'd_table.*, expected' 's/range += kWarps/range += 2 * kWarps/'
plant sample_tokens "" SampleTokensTest#tokensAreThoseOfTheReference rewarded none 'to be between' 's/z\[k\] < 0 ? __fmul_rn/z[k] > 0 ? __fmul_rn/'
plant sample_tokens "" SampleTokensTest#tokensAreThoseOfTheReference all_equals_kept none 'to be between' 's/return kept - 1;/return kept;/'
plant sample_tokens "" SampleTokensTest#greedyTakesTheLowestIdAmongEquals highest_id none 'to contain exactly|to be equal|expected: ' 's/~static_cast<uint32_t>(column + k)/static_cast<uint32_t>(column + k)/; s/static_cast<int32_t>(~static_cast<uint32_t>(best))/static_cast<int32_t>(static_cast<uint32_t>(best))/'
plant layer_norm "" LayerNormTest#forwardOfNarrowRows padding_in_mean none 'mean and rstd of .*, expected' 's/kKept>(params.mean_width/kKept>(params.width/'
plant layer_norm "" LayerNormTest#rowsWhoseMeanIsFarAboveTheirDeviations no_rest none 'of LayerNormSize.*, expected' 's/(v\[k\] - mean - rest)/(v[k] - mean)/'
plant layer_norm "" LayerNormBackwardTest#backwardOfNarrowRows no_level none 'd_x of .*, expected' 's/w\[k\] \* dy\[k\] - level/w[k] * dy[k]/'
plant layer_norm norm.cuh LayerNormBackwardTest#backwardOfNarrowRows bias_into_weight none 'd_weight of .*, expected' 's/(blockIdx.y == 0 ? first : second)/first/'

# 4-bit codes: where a block, a factor and a group of columns begin, and which of two numbers is nearest.
four_bit_plant() { plant dequantize_4bit "" "Dequantize4bitTest#$1" "${@:2}"; }
four_bit_plant decodesMatricesWithoutPadding block_of_row none 'columns, .*, expected' 's/absmax_of(x, element \/ kFourBitBlock)/absmax_of(x, column \/ kFourBitBlock)/'
four_bit_plant readsTheFactorOfEach256Blocks first_factor none 'columns, .*, expected' 's/x.nested_absmax\[block \/ kNestedBlock\]/x.nested_absmax[0]/'
four_bit_plant addsPaddingBetweenGroupsOfColumns groups_end_to_end none 'columns, .*, expected' 's/group \* x.group + in_group/group * x.group_stride + in_group/'
four_bit_plant golden halves_swapped none 'columns, .*, expected|to be true' 's/element % 2 == 0 ? first_code(pair) : second_code(pair)/element % 2 == 0 ? second_code(pair) : first_code(pair)/'
plant quantize_4bit formulas/four_bit.h Quantize4bitTest#golden nearest_but_one none 'codes of .*' 's/0.5f \* (four_bit_value/0.51f * (four_bit_value/'

# Weights of pairs: of the loss, of its gradient, and in the mean that is logged. The baseline of unpaired completions.
pair_plant() { plant preference_loss formulas/preference_loss.h PreferenceLossTest#everyLossWithWeights "$@"; }
pair_plant weight_of_first none 'losses.*, expected' 's/(x.weights\[i\]) \* total/(x.weights[0]) * total/'
pair_plant weight_left_out none 'losses.*, expected' 's/return x.weights != nullptr ? .*;/return total;/'
pair_plant mean_over_pairs none 'metrics.*, expected' 's/return sums\[kWeights\];/return x.pairs;/'
few_plant() { plant preference_loss "" "$@"; }
few_plant PreferenceLossTest#equalNumbersAreSortedByPosition place_in_reverse none 'losses.*, expected' 's/{__shfl_sync(kAllLanes, mine.key, other), other}, mine, x.pairs/mine, {__shfl_sync(kAllLanes, mine.key, other), other}, x.pairs/'
few_plant PreferenceLossTest#zerosOfBothSignsAreSortedByPosition zeros_differ none 'loss [0-9]+ of 40' 's/key == 0 ? 0 : key/key/'
few_plant PreferenceLossTest#equalNumbersAreSortedByPosition warp_barriers_only none 'losses.*, expected' 's/distance > kWarp || distance_before > kWarp/distance > length/'
few_plant PreferenceLossTest#equalNumbersAreSortedByPosition no_barrier_after_far_pass none 'losses.*, expected' 's/ || distance_before > kWarp/ || distance > length/'
few_plant PreferenceLossTest#everyLossWithEveryModifier sums_of_half_a_warp none 'metrics.*, expected' 's/x\[i\] + x\[i + N \/ 2\]/x[i]/'
few_plant PreferenceLossTest#runningMeanOfRewards mean_of_one_lane none 'running_mean.*, expected' 's/warp_sum(exists ? \(.*\) : 0.0)/(exists ? \1 : 0.0)/'
few_plant PreferenceLossTest#everyLossWithEveryModifier second_half_left_out none 'losses was not written|losses.*, expected' 's/second = lane + kWarp/second = lane/'
few_plant PreferenceLossTest#everyLossWithEveryModifier inputs_not_awaited none 'losses was not written|losses.*, expected' '/void copy_inputs/,/^}/{/__syncwarp();/d}'
plant unpaired_loss formulas/unpaired_loss.h UnpairedLossTest#losses negative_baseline none 'losses.*, expected' 's/return mean < 0 ? 0 : mean;/return mean;/'

# Optimizers: shares, signs, state that is not written, random numbers of another element, and a skipped step that leaves a trace.
update_plant() { plant "$1" weight_update.cuh "$2" "$3" none "$4" "$5"; } # KERNEL TESTS NAME EXPECTATION SED-EXPRESSION
update_plant sgd SgdTest#steps dampened_at_once 'step 1 parameter .*, expected' 's/\*steps <= 1/*steps < 1/'
update_plant sgd SgdTest#steps nesterov_of_before 'parameter .*, expected' 's/nesterov ? fmaf(momentum, v\[k\], g\[k\])/nesterov ? g[k]/'
update_plant sgd SgdTest#steps decay_left_out 'parameter .*, expected' 's/g\[k\] = fmaf(decay, p\[k\], g\[k\])/(void)decay/'
update_plant sgd SgdTest#aNanClipTakesNoStep step_without_clip 'array [0-9] .*, expected' '/if (scale != scale) return;/d'
update_plant sgd SgdTest#steps not_clipped 'parameter .*, expected' 's/g\[k\] \*= scale;/(void)scale;/'
update_plant rmsprop RmsPropTest#steps velocity_not_stored 'state [0-9] .*, expected' '/store<N, kOnce>(velocity + i, g);/d'
update_plant rmsprop RmsPropTest#aNegativeVarianceCountsAsZero negative_variance 'parameter .*NaN|: NaN, expected' 's/fmaxf(0, fmaf(-m\[k\], m\[k\], variance\[k\]))/fmaf(-m[k], m[k], variance[k])/'
update_plant rmsprop RmsPropTest#steps epsilon_in_root 'parameter .*, expected' 's/sqrtf(variance\[k\]) + epsilon/sqrtf(variance[k] + epsilon)/'
update_plant lion LionTest#theSignOfZeroIsZero sign_of_zero 'parameter .*, expected' 's/direction < 0 ? -lr : 0/-lr/'
update_plant lion LionTest#golden shares_exchanged 'parameter .*, expected|state 1 .*, expected' 's/fmaf(share1, g\[k\], fmaf(-share1,/fmaf(share2, g[k], fmaf(-share2,/'
eight_bit_plant() { plant adamw_8bit formulas/dynamic_map.h 'AdamW8bitTest#steps AdamW8bitTest#momentsOfZeroStayZero' "$1" none "$2" "$3"; }
eight_bit_plant maximum_of_a_lane 'm max' 's/max = lane_max<kWarp>(max);/(void)0;/'
eight_bit_plant lower_code 'code [0-9]+ for -?[0-9.]+' 's/0.5f \* (signed_values\[thread\] + signed_values\[next\])/signed_values[next]/'
eight_bit_plant divided_by_zero 'code [0-9]+ for 0.0' 's/max > 0 ? max : 1/max/'
eight_bit_plant maxima_exchanged 'm max' 's/x.m_max\[block\] = m_max, x.v_max\[block\] = v_max/x.m_max[block] = v_max, x.v_max[block] = m_max/'
plant lerp "" LerpTest#interpolates other_share none 'mixed .*, expected' 's/fmaf(share, to\[k\] - from\[k\], from\[k\])/fmaf(share, from[k] - to[k], to[k])/'
plant lerp "" LerpTest#changesNothingIfClipIsNaN moved_by_a_skipped_step none 'share [0-9.]+ .*, expected' '/if (clip \&\& \*clip != \*clip) return;/d'
plant uniform_noise "" UniformNoiseTest#addsTheNoiseOfTheReference noise_of_the_row none 'width [0-9]+ .*, expected' 's/static_cast<uint32_t>(position\[row\])/static_cast<uint32_t>(row)/'
plant uniform_noise "" UniformNoiseTest#addsTheNoiseOfTheReference one_step_for_all none 'width [0-9]+ .*, expected' 's/random\[2\]/0/'
plant uniform_noise "" UniformNoiseTest#addsTheNoiseOfTheReference never_negative none 'width [0-9]+ .*, expected' 's/ \* 0x1p-23f - 1;/ * 0x1p-23f;/'
count_plant() { plant count_step formulas/bias_correction.h "CountStepTest#$1" "$2" none "$3" "$4"; } # TEST NAME EXPECTATION SED-EXPRESSION
count_plant aSkippedStepLeavesNoTrace skipped_is_counted 'steps .*, expected' 's/(is_skipped ? 0 : 1)/1/'
count_plant aSkippedStepLeavesNoTrace not_restored 'sums .*, expected' 's/is_skipped ? x.kept : x.sums/x.sums/'
count_plant aLossThatIsNotFiniteSkipsTheStep loss_not_looked_at 'clip .*|sums .*' 's/ || rest != rest;/;/'
count_plant biasCorrectionsAreThoseOfTheAppliedSteps one_power_too_few 'corrections of step .*, expected' 's/exponent > 0; exponent/exponent > 1; exponent/'

# Activations of an MLP: formulas that are near the right one, and a gate that backward forgets.
plant activation "" ActivationTest#forwardOfNarrowRows tanh_for_erf none 'out of .*GELU_ERF.*, expected' 's/KIND == DPO4J_ACTIVATION_GELU_ERF ? normal(x) : //'
plant activation "" ActivationTest#backwardOfNarrowRows no_slope none 'd_x of .*GELU.*, expected' 's/fmaf(v\[k\], s.slope, s.value)/s.value/'
plant activation "" ActivationTest#backwardOfNarrowRows gate_left_out none 'd_x of .*, expected' 's/dx\[k\] \*= up\[k\]/(void)up/'

head_headers='lm_head_forward_sm90a.cuh lm_head_products_sm90a.cuh lm_head_statistics_sm90a.cuh'
head_plant() { plant lm_head_forward_sm90a "$head_headers" 'LmHeadForwardTest#shapesAroundATile LmHeadForwardTest#shapesOfSeveralTiles' "$@"; }
head_plant released_too_early none 'row [0-9]+ .*NaN' 's/wgmma_wait<1>();/wgmma_wait<2>();/'
head_plant no_last_wait none 'row [0-9]+ .*NaN|before its products have ended' '/wgmma_wait<0>();/d'
head_plant no_product_fence none 'no wgmma.fence since' '/wgmma_fence();/d'
head_plant no_barrier_fence none 'was initialised without a fence' '/fence_barrier_init();/d'
head_plant too_few_bytes none 'deadlock in block' 's/barrier_arrive_expecting(full, bytes)/barrier_arrive_expecting(full, bytes \/ 2)/'
head_plant one_block_releases none 'deadlock in block|more than the [0-9]+ arrivals' 's/if (lane < CLUSTER) barrier_arrive_at/if (lane < 1) barrier_arrive_at/'
head_plant no_last_meeting none 'which has exited|a block that has exited|while a tile is on its way' '/cluster_sync();  \/\/ the other/d'
head_plant columns_beyond none 'lse, log-prob of row [0-9]+ .*[0-9.]+, expected' '/drop_columns_beyond(d, problem.vocabulary);/d'
head_plant wrong_parity none 'deadlock in block|row [0-9]+ .*NaN' 's/state.parity ^ 1/state.parity/'
head_plant unordered_barriers thread 'ThreadSanitizer: data race' '/^  if constexpr (CLUSTER > 1) {$/,/^  }$/d'
head_plant unordered_merge thread 'ThreadSanitizer: data race' '/^  __syncthreads();$/d'

# A tensor map that was kept for another shape.
map_plant() { plant lm_head_forward_sm90a tensor_copy.cuh TensorMapsTest#otherShapesOfTheSameMemory "$1" none 'log-prob of row [0-9]+ of |CUDA emulation: ' "$2"; } # NAME SED-EXPRESSION
map_plant map_of_other_rows 's/question{reinterpret_cast<uintptr_t>(matrix), static_cast<uint64_t>(rows)/question{reinterpret_cast<uintptr_t>(matrix), 0/'
map_plant map_of_other_columns 's/static_cast<uint64_t>(rows), static_cast<uint64_t>(columns),$/static_cast<uint64_t>(rows), 0,/'
map_plant map_of_another_stride 's/^                          static_cast<uint64_t>(stride), uint64_t{tile_rows}/                          0, uint64_t{tile_rows}/'
map_plant map_of_other_tiles 's/uint64_t{tile_rows} << 32 | static/uint64_t{0} << 32 | static/'

statistics_plant() { plant lm_head_forward_sm90a "$head_headers" "LmHeadForwardTest#$1" "$2" none "$3" "$4"; } # TEST NAME EXPECTATION SED
statistics_plant theFirstOfEqualLogitsIsTheHit equal_in_an_earlier_tile 'row [0-9]+' 's/(is_before \&\& of_tile.rival == at_target)/false/'
statistics_plant theFirstOfEqualLogitsIsTheHit equal_in_its_own_tile 'row [0-9]+' 's/(x == at_target \&\& column(n) < target)/false/'
statistics_plant columnsThatDoNotExist columns_counted 'statistics of row [0-9]+ .*, expected|row [0-9]+ .*NaN' 's/if (!(total > -INFINITY))/if (false)/'
statistics_plant shapesOfSeveralTiles entropy_not_moved 'statistics of row [0-9]+ .*, expected' 's/weighted = factor \* (weighted + sum \* distance)/weighted = factor * weighted/'

exponentials_plant() { plant lm_head_exponentials_sm90a "$head_headers" "LmHeadExponentialsTest#$1" "$2" none "$3" "$4"; } # TEST NAME EXPECTATION SED
exponentials_plant shapesAroundATile other_half 'gradient of row .*, expected' 's/is_odd_ ? low : high, 1/is_odd_ ? high : low, 1/'
exponentials_plant shapesAroundATile columns_of_odd_lanes 'gradient of row .*, expected' 's/lane % 2 \* 8 + lane % 4/lane % 4/'
exponentials_plant shapesAroundATile last_columns_left_out 'exponentials was not written' 's/((problem.vocabulary - 1) | 7)/((problem.vocabulary - 8) | 7)/'
exponentials_plant shapesAroundATile target_left_out 'gradient of row .*, expected' '/^  store_one(/d'
exponentials_plant targetsThatAreNearlyCertain one_minus_p 'gradient of row .*, expected' 's/expm1(logprob)/(__bfloat162float(__float2bfloat16_rn(exp(logprob))) - 1)/'
exponentials_plant targetsOfHardlyAnyProbability never_repeated 'row [0-9]+ .*NaN' '/atomicExch(state.repeats/d'
exponentials_plant targetsOfHardlyAnyProbability offset_not_kept 'row [0-9]+ .*NaN' '/^    problem.stored.offsets.row. = offset;/d'
exponentials_plant scaleBiasAndCap no_slope 'gradient of row .*, expected' 's/return e \* power_ \* fmaf(-t, t, 1.0f);/return e * power_;/'
exponentials_plant scaleBiasAndCap no_slope_of_the_target 'gradient of row .*, expected' 's/expm1(logprob) \* (1 - t \* t)/expm1(logprob)/'
unordered_plant() { plant lm_head_exponentials_sm90a "$1" LmHeadExponentialsTest#statisticsChangeNoOtherBits "$2" thread 'ThreadSanitizer: data race' "$3"; }
unordered_plant lm_head_products_sm90a.cuh unordered_barriers '/^  if constexpr (CLUSTER > 1) {$/,/^  }$/d'
unordered_plant lm_head_forward_sm90a.cuh unordered_merge '/^  __syncthreads();$/d'
unordered_plant lm_head_statistics_sm90a.cuh unordered_statistics '/^  __syncthreads();$/d'
exponentials_plant maskedRowsAndTargetsBeyondTheVocabulary masked_row_stored 'exponentials of row .*NaN' '/if (is_zero_) four/d'

attention_plant() {
  local tests='AttentionTest#anyScale AttentionTilesTest#forwardOverWideTiles AttentionTilesTest#queriesAfterCachedKeysEqualTheWhole'
  [ "$2" != thread ] || tests='AttentionTest#anyScale AttentionTilesTest#forwardOverWideTiles'
  plant attention_forward_sm90a 'attention_sm90a.cuh attention_softmax.cuh attention_tile_scheduler.cuh' "$tests" "$@"
}
attention_plant no_wait_for_scores none 'registers of matrix D were written while products had them' 's/wgmma_wait<1>();/wgmma_wait<2>();/'
attention_plant no_wait_for_values none 'before its products have ended' '/wgmma_wait<0>();/d'
attention_plant no_product_fence none 'no wgmma.fence since' '/wgmma_fence();/d'
attention_plant no_proxy_fence none 'was written without a fence.proxy.async' '/fence_async_proxy();/d'
attention_plant border_within_a_tile none 'row [0-9]+, head [0-9]+ .*, expected' 's/first_key < prefix_end \&\& first_key + kKeys > prefix_end/false/'
attention_plant values_not_looked_at none 'row [0-9]+ of .*: other bits' 's/has_masked_keys = !block.block_sees_all(first_key)/has_masked_keys = false/'
attention_plant keys_beyond none 'row [0-9]+, head [0-9]+ .*, expected' '/block.hide(scores/d'
attention_plant not_rescaled none 'row [0-9]+, head [0-9]+ .*, expected' '/if (is_rescaled) Tile<D>::scale/d'
attention_plant scale_of_any_sign none 'row [0-9]+, head [0-9]+ .*NaN' 's/if (factor > 0) return factor;/return factor;/'
attention_plant wrong_half none 'row [0-9]+, head [0-9]+ .*, expected' 's/(chunk ^ row) % kRowChunks/chunk % kRowChunks/'
attention_plant nobody_passes none 'deadlock in block' '/turns.pass();/d'
attention_plant empty_half_skips none 'deadlock in block|more than the [0-9]+ arrivals' 's/key_tile < key_tiles; key_tile++/key_tile < own; key_tile++/'
attention_plant queries_where_results_are none 'was written without a fence' 's/state.queries.stage ^ 1, group/state.queries.stage, group/'
attention_plant tickets_not_cleared none 'out was not written' 's/error = clear(context, tiles.tickets, sizeof(uint32_t));/error = cudaSuccess;/'
attention_plant number_left_out none 'out was not written' 's/number_ = gridDim.x + uniform/number_ = gridDim.x + 1 + uniform/'
attention_plant tile_left_too_early thread 'ThreadSanitizer: data race' '/void leave(/,/^  }/{/__syncwarp();/d}'
attention_plant nobody_leaves none 'deadlock in block' '/ring.leave(state.tiles);/d'
attention_plant unordered_barriers thread 'ThreadSanitizer: data race' '/^  __syncthreads();$/d'
attention_plant too_many_registers none 'wait in setmaxnreg.inc' 's/kProducerRegisters = 40/kProducerRegisters = 48/; s/static_assert(kProducer/static_assert(true || kProducer/'

backward_plant() {
  local tests='AttentionTest#backwardOfEveryHeadWidth AttentionTilesTest#backwardBesideRowsOfNoSegment AttentionTilesTest#backwardOfManyHeadsOverManySegments'
  [ "$2" != thread ] || tests=AttentionTest#backwardOfEveryHeadWidth
  plant attention_backward_sm90a 'attention_backward_sm90a.cuh attention_backward_order.cuh attention_backward_turns.cuh' "$tests" "$@"
}
backward_plant no_turn thread 'ThreadSanitizer: data race' '/wait_for_turn(/d'
backward_plant unordered_turn thread 'ThreadSanitizer: data race' 's/end_turn(counter, turn)/atomicExch(counter, turn + 1)/'
backward_plant turn_ended_too_early thread 'ThreadSanitizer: data race' 's/^    bulk_wait();/    end_turn(counter, turn); bulk_wait(); continue;/'
backward_plant hasty_sums none 'deadlock in block|more than the [0-9]+ arrivals' '/barrier_wait(&shared.added, parity)/d'
backward_plant sums_not_begun none 'd_q .*NaN' 's/if (turn == 0) {/if (false) {/'
backward_plant no_wait_for_the_copy none 'exits with bulk copies under way' '/^    bulk_wait();/d'
backward_plant overwritten_d_q thread 'ThreadSanitizer: data race' '/barrier_wait(&shared.d_q_read/d'
backward_plant passed_over none 'd_[qkv] .*, expected' 's/step.first_seeing + first < step.count/step.first_seeing + first < step.count - 32/'
backward_plant no_proxy_fence none 'was written without a fence.proxy.async' '/^      fence_async_proxy();/d'
backward_plant no_meeting none 'd_q .*, expected' '/barrier_wait(&shared.d_scores/d'
backward_plant no_last_wait none 'before its products have ended' 's/wgmma_wait<0>();/wgmma_wait<1>();/'
backward_plant rows_beyond none 'd_k .*NaN' '/clear_rows(tiles, stage, row - lane/d'
backward_plant keys_beyond none 'd_q .*NaN' 's/\*chunk = make_uint4(0, 0, 0, 0);//'
backward_plant misaligned address 'reference binding to misaligned address' 's/alignas(float2) //'
backward_plant all_seen none 'd_q .*, expected' '/if (has_masked_pairs) select_seen(p, step);/d'
backward_plant never_released none 'deadlock in block' '/^      arrive(&shared.empty/d'
backward_plant some_heads_only none 'd_[qkv] was not written|d_q .*, expected' 's/ticket >= work.tiles \* problem.kv_heads/ticket >= work.tiles * work.heads_together/'
backward_plant too_many_registers none 'wait in setmaxnreg.inc' 's/kConsumerRegisters = 240/kConsumerRegisters = 248/; s/static_assert(kProducer/static_assert(true || kProducer/'

plant attention_backward_sm90a 'attention_backward_sm90a.cuh attention_backward_order.cuh' AttentionTilesTest#backwardOfEachTile one_place_for_two none 'd_q .*(, expected|NaN|other bits)' 's/ + (i < s ? 1 : 0);/;/'

# The ring of sums: one key head at a time has rows.
ring_plant() { # NAME MODE EXPECTATION SED-EXPRESSION
  plant attention_backward_sm90a 'attention_backward_sm90a.cuh attention_backward_order.cuh attention_backward_ring.cuh attention_backward_turns.cuh' \
    ResidentClustersTest#attentionBackwardInARing "$@"
}
ring_plant rows_not_waited_for thread 'ThreadSanitizer: data race' '/wait_for_rows(problem,/d'
ring_plant rows_completed_too_early thread 'ThreadSanitizer: data race' \
  's/^    barrier_wait(&shared.added, parity);/    complete_rows(problem, it.keys.positions, position, it.count); barrier_wait(\&shared.added, parity); continue;/'
ring_plant unordered_rows thread 'ThreadSanitizer: data race' 's/add_release(problem.workspace.completed/atomicAdd(problem.workspace.completed/'
ring_plant sums_of_earlier_heads none 'd_q has other bits' 's/if (turn == 0) {/if (turn == 0 \&\& keys.positions.begin == 0) {/'
ring_plant beyond_the_ring none 'd_q .*(, expected|NaN)|bits' 's/row < problem.ring_rows ? row : row - problem.ring_rows/row < problem.ring_rows ? row : 0/'

# Head width 256 on SMs with less shared memory: one tile at a time.
plant attention_backward_mma attention_mma.cuh AttentionSharedMemoryTest#backward used_tile_overwritten thread 'ThreadSanitizer: data race' \
  '/__syncthreads();  \/\/ all warps have used the tile/d'

# Windows and soft caps.
window_plant() { # KERNEL TESTS NAME EXPECTATION SED-EXPRESSION
  plant "$1" 'attention.cuh attention_mma.cuh attention_softmax.cuh attention_backward_sm90a.cuh' "$2" "$3" none "$4" "$5"
}
limits=AttentionLimitsTest
for kernel in attention_forward attention_forward_mma attention_forward_sm90a; do
  window_plant $kernel $limits#aWindowOnEachKernel longer_window_$kernel 'row [0-9]+, head [0-9]+ .*, expected' 's/return last_key - shape.window + 1;/return last_key - shape.window;/'
done
for kernel in attention_backward attention_backward_mma; do
  window_plant $kernel $limits#aWindowOnEachKernel longer_window_$kernel 'd_[qkv] .*, expected' 's/return last_key - shape.window + 1;/return last_key - shape.window;/'
done
window_plant attention_forward_sm90a $limits#aWindowOnEachKernel whole_tile_hidden 'row [0-9]+, head [0-9]+ .*NaN' 's/LIMITED ? finite_reference(now) : now/now/'
window_plant attention_forward_sm90a $limits#decodingInAWindowEqualsTheWhole values_before_the_window 'other bits' 's/(!LIMITED || tile >= this->first_key(this->key_end - 1))/true/'
window_plant attention_backward_sm90a $limits#aWindowOnEachKernel window_not_masked 'd_[qk] .*, expected' 's/LIMITED ? min(step.count, step.end_seeing + row) : step.count/step.count/'
window_plant attention_backward_sm90a $limits#windowsOverWideTiles queries_left_out 'deadlock in block|d_[qkv] .*, expected' 's/keys.count - 1 + problem.window/keys.count - 65 + problem.window/'
window_plant attention_backward_sm90a $limits#softCaps no_slope 'd_[qk] .*, expected' 's/p\[at\] = e\[c\] \* (1 - t \* t)/p[at] = e[c]/'
window_plant attention_backward_mma $limits#softCapsInWindows no_slope_mma 'd_[qk] .*, expected' 's/ \* (1 - t \* t)//'

# Decoding: ranges, tiles of warps, and their sums.
decode_plant() { plant attention_decode attention_decode.cuh "AttentionDecodeTest#$1" "$2" "$3" "$4" "$5"; } # TEST NAME MODE EXPECTATION SED-EXPRESSION
wrong='row [0-9]+, head [0-9]+ .*, expected'
decode_plant anyNumberOfKeys range_left_out none "$wrong" 's/i < seen.count; i += kMergeWarps/i + 1 < seen.count; i += kMergeWarps/'
decode_plant anyNumberOfKeys ranges_overlap none "$wrong" 's/return min(key_end, (first + index + 1) \* kRangeKeys)/return min(key_end, (first + index + 1) * kRangeKeys + 1)/'
decode_plant anyNumberOfKeys warp_left_out none "$wrong" 's/warp < Shape::kWarps; warp++) all.y/warp < Shape::kWarps - 1; warp++) all.y/'
decode_plant everyHeadWidthAndGroup ring_overwritten none "$wrong|NaN" 's/copy(stage, tile + Shape::kStages \* Shape::kStep)/copy(stage, tile + Shape::kStep)/'
decode_plant anyNumberOfKeys tile_not_waited_for none "$wrong|NaN" 's/cp_async_wait<Shape::kStages - 1>/cp_async_wait<Shape::kStages>/'
decode_plant anyNumberOfKeys not_rescaled none "$wrong" 's/rescale)) Tile::scale(o, rescale)/rescale)) (void)0/'
decode_plant hiddenKeysMayBeAnything hidden_keys_loaded none 'other bits' 's/exists = key >= begin \&\& key < end/exists = key >= begin - 16 \&\& key < end + 16/'
decode_plant fewKeys keys_not_hidden none "$wrong" 's/hide(s, tile);/(void)0;/'
decode_plant everyHeadWidthAndGroup one_row_tile none 'out was not written' 's/divide_up(x.max_queries \* (x.shape.heads \/ x.shape.kv_heads), Shape::kRows)/int64_t{1}/'
decode_plant whatDoesNotFit no_nan none 'whatDoesNotFit' 's/ = softmax.sum\[1\] = NAN/ += 0/'
decode_plant fewKeys unordered_rings thread 'ThreadSanitizer: data race' '/__syncthreads();  \/\/ all warps have read/d'
decode_plant queriesAfterASharedPrompt unordered_lanes thread 'ThreadSanitizer: data race' '/__syncwarp();  \/\/ all lanes have read/d'
plant attention_forward attention_decode.cuh AttentionDecodeTest#oneRangeEqualsTheWhole other_tiles none 'other bits' 's/seen.begin(index) \/ kColumns \* kColumns/seen.begin(index) \/ 8 * 8/'

finish
