#!/usr/bin/env bash
# Shows that the net catches fish: plants bugs in copies of a kernel and fails unless each is caught by its mode, and the kernel as it is by none.
# Before that, the emulation's own tests, under every mode and schedule, and the faults it must stop.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
emulation=$root/tests/emulation
kernel=$root/kernels/token_logprob_forward.cu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
source "$emulation/sanitizers.sh"

include=(-I"$emulation/include" -I"$root/native" -I"$root/kernels")
common=(-std=c++17 -g -O1 -Wno-unknown-pragmas -ftls-model=initial-exec '-DDPO4J_ARCHITECTURES="emulated"' "${include[@]}")
declare -A sanitize=([none]="" [address]="-fsanitize=address,undefined -fno-sanitize-recover=all" [thread]="-fsanitize=thread")

compile() { # MODE SOURCE OBJECT
  local flags=${sanitize[$1]}
  case $1:$2 in thread:*/engine/*) flags="-fno-sanitize=thread -DDPO4J_SANITIZE_THREAD" ;; esac
  # shellcheck disable=SC2086
  "${CXX:-c++}" "${common[@]}" $flags -x c++ -c "$2" -o "$3"
}

# Two at a time. `wait -n` would not name the one that failed.
both() { "$@" & pids+=($!); if [ ${#pids[@]} = 2 ]; then finish; fi; }
finish() { local pid; for pid in "${pids[@]}"; do wait "$pid"; done; pids=(); }
pids=()

for mode in none address thread; do
  mkdir -p "$work/$mode"
  for source in "$emulation"/engine/*.cpp "$emulation"/standin/cudart*.cpp "$emulation/planted/driver.cpp" \
    "$root"/kernels/{runtime,token_logprob_backward}.cu; do
    both compile "$mode" "$source" "$work/$mode/$(basename "$source").o"
  done
done
finish

link() { # MODE PROGRAM SOURCE
  compile "$1" "$3" "$2.o"
  # shellcheck disable=SC2086
  "${CXX:-c++}" ${sanitize[$1]} "$2.o" "$work/$1"/*.o -o "$2" -lpthread
}

failed=0
verdict() { # NAME MODE EXPECTATION COMMAND...: runs the command under MODE and says whether it is clean, or caught with the expected words
  local name=$1 mode=$2 expected=$3 log=$work/log status=0
  shift 3
  under_sanitizer "$mode" "$@" >"$log" 2>&1 || status=$?
  if { [ "$expected" = clean ] && [ $status = 0 ]; } || { [ "$expected" != clean ] && [ $status != 0 ] && grep -qE "$expected" "$log"; }; then
    printf 'planted bugs: %-26s %-8s %s\n' "$name" "$mode" "$([ "$expected" = clean ] && echo "passes" || grep -m1 -oE "$expected" "$log")"
  else
    printf 'planted bugs: %-26s %-8s exit %d, expected %s\n' "$name" "$mode" $status "$expected"
    sed 's/^/    /' "$log" | head -20
    failed=1
  fi
}

kernel_verdict() { # NAME MODE EXPECTATION, of the driver with the kernel in $work/NAME.cu
  link "$2" "$work/$1-$2" "$work/$1.cu"
  verdict "$1" "$2" "$3" "$work/$1-$2"
}

plant() { # NAME SED-EXPRESSION
  sed "$2" "$kernel" >"$work/$1.cu"
  ! cmp -s "$kernel" "$work/$1.cu" || { echo "planted bugs: $1: the line it would change is no longer in $kernel" >&2; exit 1; }
}

for mode in none address thread; do
  mv "$work/$mode/driver.cpp.o" "$work/$mode.driver"
  for program in emulation cluster; do both link "$mode" "$work/$program-$mode" "$emulation/planted/${program}_test.cpp"; done
done
finish
"${CXX:-c++}" -std=c++17 -g -O1 ${sanitize[address]} "$emulation/planted/cublaslt_test.cpp" \
  "$emulation"/standin/{cublaslt,gemm,cudart,cudart_counts,cudart_graph,cudart_memory}.cpp -o "$work/cublaslt"
verdict "cublaslt stand-in" address clean "$work/cublaslt"
for mode in none address thread; do
  mv "$work/$mode.driver" "$work/$mode/driver.cpp.o"
  for schedule in ascending descending random:1 random:2; do
    DPO4J_EMULATION_SCHEDULE=$schedule verdict "emulation, $schedule" $mode clean "$work/emulation-$mode"
    DPO4J_EMULATION_SCHEDULE=$schedule verdict "clusters, $schedule" $mode clean "$work/cluster-$mode"
  done
  DPO4J_STANDIN_DEVICE=a100 verdict "no clusters, a100" $mode clean "$work/cluster-$mode" a100
done
verdict missing_lane none 'deadlock in block 0,0,0' "$work/emulation-none" missing_lane
verdict exited_lane none 'names lanes 80000000, which have exited' "$work/emulation-none" exited_lane
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
cluster_verdict too_much_shared none 'more than 232448 bytes of shared memory'
cluster_verdict too_many_threads thread 'too much for ThreadSanitizer'

cp "$kernel" "$work/unchanged.cu"
for mode in none address thread; do kernel_verdict unchanged $mode clean; done

plant dropped_syncthreads '/__syncthreads();/d'
kernel_verdict dropped_syncthreads thread 'ThreadSanitizer: data race'
plant race_between_blocks 's/write_results(x, row,/write_results(x, 0,/'
kernel_verdict race_between_blocks thread 'ThreadSanitizer: data race'
plant store_beyond_shared 's/of_warp\[team .*\] = sums;/of_warp[kMostWarps] = sums;/'
kernel_verdict store_beyond_shared address 'AddressSanitizer: [a-z-]+|runtime error: index [0-9]+ out of bounds'
plant store_beyond_output 's/write_results(x, row,/write_results(x, row + 1,/'
kernel_verdict store_beyond_output address 'AddressSanitizer: heap-buffer-overflow'
plant unwritten_output '/write_results(x, row,/d'
kernel_verdict unwritten_output none 'lse, row [0-9]+: -?nan'
exit $failed
