# Sourced: how programs are compiled and run under a sanitizer. Modes: none, address (with undefined behaviour), thread.

# Options that make a report end the program at once, with a status of its own. The JVM keeps its signals and its leaks.
export ASAN_OPTIONS=handle_segv=0:handle_sigfpe=0:handle_sigill=0:detect_leaks=0:exitcode=66
export UBSAN_OPTIONS=print_stacktrace=1
export TSAN_OPTIONS=handle_segv=0:handle_sigfpe=0:ignore_noninstrumented_modules=1:report_signal_unsafe=0:halt_on_error=1:exitcode=66

# What a report looks like.
sanitizer_report='ERROR: AddressSanitizer|WARNING: ThreadSanitizer|FATAL: ThreadSanitizer|runtime error: |CUDA emulation: |CUDA stand-in: '

sanitizer_library() { # NAME: the compiler's shared runtime
  local path
  path=$("${CXX:-c++}" -print-file-name="lib$1.so")
  [ -e "$path" ] || { echo "dpo4j: lib$1.so is missing: install the sanitizer libraries of ${CXX:-c++}" >&2; return 1; }
  readlink -f "$path"
}

# A command runs as under_sanitizer MODE COMMAND...; the runtimes are preloaded for programs that were built without them, such as java.
under_sanitizer() {
  local mode=$1 still=()
  shift
  case $mode in
    none) "$@" ;;
    address) env LD_PRELOAD="$(sanitizer_library asan):$(sanitizer_library ubsan)" "$@" ;;
    thread)
      # Its memory layout has no room for everything that address randomisation may do.
      setarch "$(uname -m)" -R true 2>/dev/null && still=(setarch "$(uname -m)" -R)
      "${still[@]}" env LD_PRELOAD="$(sanitizer_library tsan)" "$@"
      ;;
    *) echo "dpo4j: no sanitizer mode $mode: say none, address or thread" >&2; return 2 ;;
  esac
}

need_verify() { # ROOT: fails if the jars or the test classes that junit_emulated uses are missing
  local needed
  for needed in "$1"/java/trainer/target/lib "$1"/tests/target/{test-classes,bundle}; do
    [ -d "$needed" ] || { echo "dpo4j: $needed is missing: run ./mvnw -B verify first" >&2; return 1; }
  done
}

# The JUnit console on the emulated device, as junit_emulated MODE BUILD LIBRARY OPTION...; BUILD is a directory of native/build.sh. Uses the jars and
# test classes of `./mvnw -B verify`.
junit_emulated() {
  local mode=$1 built=$2 library=$3 root
  shift 3
  root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
  local libraries=$root/java/trainer/target/lib classes=$root/tests/target/test-classes console=$root/tests/target/bundle
  DPO4J_ROOT=$root under_sanitizer "$mode" "${JAVA_HOME:+$JAVA_HOME/bin/}java" -Xmx2g \
    -Dorg.bytedeco.javacpp.maxPhysicalBytes=0 -Dorg.bytedeco.javacpp.maxBytes=0 -Dorg.bytedeco.javacpp.cachedir="$root/tests/target/javacpp" \
    --enable-native-access=ALL-UNNAMED -Ddpo4j.test.devices=emulated -Ddpo4j.native.path="$library" -Ddpo4j.cuda.path="$built/standin" \
    -cp "$classes:$libraries/*:$console/*" org.junit.platform.console.ConsoleLauncher execute --disable-banner --disable-ansi-colors \
    --fail-if-no-tests --details=summary "$@"
}
