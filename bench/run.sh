#!/usr/bin/env bash
# Runs the JMH benchmarks, writes bench/results/cpu-DATE-COMMIT.json and from all results the tables of PERFORMANCE.md:
#   bench/run.sh [JMH arguments, a benchmark's name for one]
#   bench/run.sh tables      the tables alone, where a file of ./bench has come to bench/results
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
./mvnw -q -B -Dspotless.check.skip=true -DskipTests -pl java/kernels,java/trainer,bench/device,bench package
java=("${JAVA_HOME:+$JAVA_HOME/bin/}java" -Dorg.bytedeco.javacpp.maxPhysicalBytes=0 -Dorg.bytedeco.javacpp.maxBytes=0
  --enable-native-access=ALL-UNNAMED -cp "bench/target/classes:bench/target/lib/*")
if [ "${1:-}" != tables ]; then
  mkdir -p bench/results
  result=bench/results/cpu-$(date -u +%F)-$(git rev-parse --short HEAD).json
  "${java[@]}" org.dpo4j.bench.Run "$result" "$(git rev-parse --short HEAD)" "$@"
  echo "dpo4j: wrote $result"
fi
"${java[@]}" org.dpo4j.bench.device.Performance PERFORMANCE.md bench/results
echo "dpo4j: wrote the tables of PERFORMANCE.md"
