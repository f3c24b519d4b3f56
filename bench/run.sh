#!/usr/bin/env bash
# Times operations on this machine's CPU, writes bench/results/cpu-DATE-COMMIT-TIME.json, and writes the tables of PERFORMANCE.md from all results:
#   bench/run.sh [options of ./bench, such as --only token_logprob]
#   bench/run.sh tables      only the tables, when a file of a GPU machine was copied to bench/results
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
./mvnw -q -B -Dspotless.check.skip=true -DskipTests -pl java/kernels,java/trainer,bench/device package
java=("${JAVA_HOME:+$JAVA_HOME/bin/}java" -Xmx4g -Dorg.bytedeco.javacpp.maxPhysicalBytes=0 -Dorg.bytedeco.javacpp.maxBytes=0
  --enable-native-access=ALL-UNNAMED -cp "bench/device/target/classes:java/trainer/target/*:java/trainer/target/lib/*")
if [ "${1:-}" != tables ]; then
  "${java[@]}" org.dpo4j.bench.device.Bench --device cpu --output bench/results --commit "$(git describe --always --dirty --exclude='*')" "$@"
fi
"${java[@]}" org.dpo4j.bench.device.Performance PERFORMANCE.md bench/results
echo "dpo4j: wrote the tables of PERFORMANCE.md"
