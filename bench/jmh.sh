#!/usr/bin/env bash
# Runs the JMH benchmarks of calls from Java and of the LM head's groups: bench/jmh.sh [JMH arguments, such as the name of a benchmark].
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
./mvnw -q -B -Dspotless.check.skip=true -DskipTests -pl java/kernels,java/trainer,bench package
exec "${JAVA_HOME:+$JAVA_HOME/bin/}java" -Dorg.bytedeco.javacpp.maxPhysicalBytes=0 -Dorg.bytedeco.javacpp.maxBytes=0 \
  --enable-native-access=ALL-UNNAMED -cp "bench/target/classes:bench/target/lib/*" org.openjdk.jmh.Main "$@"
