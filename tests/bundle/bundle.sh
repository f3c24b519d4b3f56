#!/usr/bin/env bash
# Packs dpo4j for a machine that has an NVIDIA driver and nothing else: a Java runtime, the jars, the natives, the conformance suite, the
# benchmarks.
#   ./dpo4j bundle [--output FILE.tar.xz] [--cpu-only]
# Needs what the build needs, nvcc (or native/cuda-toolkit.sh .cuda, run once) and xz. A build without CUDA kernels is refused, by what the packed library says
# of itself; --cpu-only packs one. There: unpack, ./verify, ./bench, ./dpo4j; or tests/bundle/first, which does all of it in ten minutes.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
output=$PWD/dpo4j-bundle.tar.xz
cpu_only=
while [ $# -gt 0 ]; do
  case $1 in --output) [ $# -gt 1 ] || { echo "dpo4j: bundle: $1 needs a value" >&2; exit 2; } ;; esac
  case $1 in
    --output) output=$2; [ "$2" = - ] || output=$(realpath -ms -- "$2"); shift 2 ;;
    --cpu-only) cpu_only=1; shift ;;
    *) echo "dpo4j: bundle: unknown option $1; it takes --output FILE.tar.xz and --cpu-only" >&2; exit 2 ;;
  esac
done
[ "$output" = - ] || mkdir -p -- "$(dirname -- "$output")"
bash "$here/write.sh" "$output" check
command -v xz >/dev/null || { echo "dpo4j: xz is missing: install it (Debian, Ubuntu: apt install xz-utils)" >&2; exit 1; }
jdk=${JAVA_HOME:-$(dirname "$(dirname "$(readlink -f "$(command -v javac)")")")}
[ -x "$jdk/bin/jlink" ] || { echo "dpo4j: $jdk has no jlink: install a whole JDK (Debian, Ubuntu: apt install openjdk-17-jdk)" >&2; exit 1; }

cd "$root"
rm -rf tests/target/bundle
./mvnw -q -B -Dspotless.check.skip=true -DskipTests package -pl java/kernels,java/trainer,tests,bench/device >&2

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
bundle=$stage/dpo4j
mkdir -p "$bundle/lib" "$bundle/tests" "$bundle/sample" "$bundle/peers"

# Compressing inside the image makes the .xz larger. jdk.zipfs: JUnit scans a jar; jdk.unsupported: sun.misc.Unsafe of the tokenizer and JavaCPP.
"$jdk/bin/jlink" --add-modules java.base,java.logging,java.management,java.net.http,jdk.unsupported,jdk.zipfs \
  --strip-debug --no-man-pages --no-header-files --compress=0 --output "$bundle/runtime"

cp java/trainer/target/lib/*.jar "$bundle/lib/"
cp java/trainer/target/dpo4j-trainer-*.jar bench/device/target/dpo4j-bench-device-*.jar "$bundle/lib/"
cp tests/target/bundle/*.jar "$bundle/tests/"
cp -r tests/golden/llama-tiny "$bundle/sample/model"
cp tests/bundle/pairs.jsonl "$bundle/sample/"
cp tests/bundle/dpo4j tests/bundle/verify tests/bundle/conformance tests/bundle/bench "$bundle/"
cp bench/peers/gpu.py "$bundle/peers/"
chmod +x "$bundle/dpo4j" "$bundle/verify" "$bundle/conformance" "$bundle/bench"

# What the packed library says of itself, through the packed runtime.
build=$("$bundle/dpo4j" doctor --json | sed -n 's/^ *"build" : "\(.*\)",*$/\1/p')
kernels=$(sed -n 's/.*cuda=\([^ ]*\).*/\1/p' <<<"$build")
echo "dpo4j: bundle: CUDA kernels for ${kernels:-nothing}; build: ${build:-not loaded}" >&2
if [ -z "$cpu_only" ] && [[ $kernels != *sm_* ]]; then
  echo "dpo4j: bundle: this build has no CUDA kernels: put nvcc on PATH, or run native/cuda-toolkit.sh .cuda, and build again (or say --cpu-only)" >&2
  exit 1
fi

# What ./conformance runs: every operation, and what else meets the device itself: graphs, transfers, memory that is given back. Classes whose tests are all
# long are left out, like the tests.
also='kernels/(CudaCurrentDevice|CudaStream|DeviceGraph|Leak|Transfer)|model/Graphs|train/StepGraphs'
for class in $("$jdk/bin/jar" tf "$bundle"/tests/dpo4j-tests-*.jar | sed -nE "s,^(org/dpo4j/(conformance/[A-Za-z0-9]+|$also)Test)[.]class$,\\1,p" | sort); do
  grep -q '^@Tag("long")' tests/*/"$class".java || echo "${class//\//.}"
done >"$bundle/tests/classes"
# Results say what they are results of; what is not committed says so.
{ git describe --always --dirty --exclude='*' 2>/dev/null || echo unknown; } >"$bundle/commit"

# Only this platform's natives, and of the CUDA bindings only those that are called.
thin() { # jar, patterns to delete
  local jar=$1 folder
  shift
  folder=$(mktemp -d)
  (cd "$folder" && "$jdk/bin/jar" xf "$jar" && find . -type f | { grep -E "$@" || true; } | xargs -r rm -f && rm "$jar" && "$jdk/bin/jar" c0fM "$jar" .)
  rm -rf "$folder"
}
for jar in "$bundle"/lib/*.jar "$bundle"/tests/*.jar; do
  case $(basename "$jar") in
    cuda-*linux-x86_64.jar) thin "$jar" '/libjni(cublasLt|cudnn|cufft|cufftw|cufile|cupti|curand|cusolver|cusparse|nccl|npp[a-z]*|nvblas|nvcomp|nvjpeg|nvml|nvrtc)\.so|/include/' ;;
    dnnl-*) thin "$jar" '/libjni|/include/|\.(h|hpp)$' ;;
    jna-*) thin "$jar" '/com/sun/jna/((aix|darwin|dragonflybsd|freebsd|openbsd|sunos|win32)-|linux-(a|l|m|p|r|s|x86/))' ;;
    tokenizers-*) thin "$jar" '/native/lib/(win|osx|linux-aarch64)' ;;
    *) thin "$jar" '^$' ;;
  esac
done

tar -C "$stage" -cf - dpo4j | xz -T0 >"$stage/archive"
size=$(stat -c %s "$stage/archive")
bash "$here/write.sh" "$output" <"$stage/archive"
echo "dpo4j: wrote $output, $((size / 1000000)) MB. There: tar xf $(basename -- "$output") && dpo4j/verify" >&2
[ "$size" -lt 50000000 ] || { echo "dpo4j: bundle: $size bytes is over the promised 50 MB" >&2; exit 1; }
