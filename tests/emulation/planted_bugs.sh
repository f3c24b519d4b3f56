#!/usr/bin/env bash
# Shows that the net catches fish: plants bugs in copies of a kernel and fails unless each is caught by its mode, and the kernel as it is by none.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
emulation=$root/tests/emulation
kernel=$root/kernels/token_logprob.cu
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
  for source in "$emulation"/engine/*.cpp "$emulation"/standin/cudart*.cpp "$emulation/planted/driver.cpp" "$root/kernels/runtime.cu"; do
    both compile "$mode" "$source" "$work/$mode/$(basename "$source").o"
  done
done
finish

failed=0
verdict() { # NAME MODE EXPECTATION: builds $work/NAME.cu under MODE, runs it, and says whether it is caught
  local name=$1 mode=$2 expected=$3 program=$work/$1-$2 log=$work/$1-$2.log status=0
  compile "$mode" "$work/$name.cu" "$program.o"
  # shellcheck disable=SC2086
  "${CXX:-c++}" ${sanitize[$mode]} "$work/$mode"/*.o "$program.o" -o "$program" -lpthread
  under_sanitizer "$mode" "$program" >"$log" 2>&1 || status=$?
  if { [ "$expected" = clean ] && [ $status = 0 ]; } || { [ "$expected" != clean ] && [ $status != 0 ] && grep -qE "$expected" "$log"; }; then
    printf 'planted bugs: %-26s %-8s %s\n' "$name" "$mode" "$([ "$expected" = clean ] && echo "passes" || grep -m1 -oE "$expected" "$log")"
  else
    printf 'planted bugs: %-26s %-8s exit %d, expected %s\n' "$name" "$mode" $status "$expected"
    sed 's/^/    /' "$log" | head -20
    failed=1
  fi
}

plant() { # NAME SED-EXPRESSION
  sed "$2" "$kernel" >"$work/$1.cu"
  ! cmp -s "$kernel" "$work/$1.cu" || { echo "planted bugs: $1: the line it would change is no longer in $kernel" >&2; exit 1; }
}

cp "$kernel" "$work/unchanged.cu"
for mode in none address thread; do verdict unchanged $mode clean; done

plant dropped_syncthreads '/__syncthreads();/d'
verdict dropped_syncthreads thread 'ThreadSanitizer: data race'
plant race_between_blocks 's/lse\[row\] = partial/lse[0] = partial/'
verdict race_between_blocks thread 'ThreadSanitizer: data race'
plant store_beyond_shared 's/of_warp\[warp\] = partial;/of_warp[warp + 1] = partial;/'
verdict store_beyond_shared address 'AddressSanitizer: [a-z-]+|runtime error: index [0-9]+ out of bounds'
plant store_beyond_output 's/lse\[row\] = partial/lse[row + 1] = partial/'
verdict store_beyond_output address 'AddressSanitizer: heap-buffer-overflow'
plant unwritten_output '/lse\[row\] = partial/d'
verdict unwritten_output none 'lse, row [0-9]+: -?nan'
exit $failed
