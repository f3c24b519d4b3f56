#!/usr/bin/env bash
# Runs the JMH benchmarks and writes bench/results/jmh-DATE-COMMIT.json: bench/run.sh [JMH arguments, a benchmark's name for one]
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
./mvnw -q -B -Dspotless.check.skip=true -pl java/kernels,java/trainer,bench package
result=bench/results/jmh-$(date +%F)-$(git rev-parse --short HEAD).json
"${JAVA_HOME:+$JAVA_HOME/bin/}java" -Dorg.bytedeco.javacpp.maxPhysicalBytes=0 -Dorg.bytedeco.javacpp.maxBytes=0 --enable-native-access=ALL-UNNAMED \
  -cp "bench/target/classes:bench/target/lib/*" org.openjdk.jmh.Main -rf json -rff "$result" "$@"
echo "dpo4j: wrote $result on $(sed -n 's/model name.*: //p' /proc/cpuinfo | head -1), $(nproc) threads"
