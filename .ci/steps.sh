# Steps of .ci/run and .ci/nightly. Sourced in the project's root.
export DPO4J_DATA=${DPO4J_DATA:-$PWD/../shared/data}
started=$SECONDS
mkdir -p target
step() { printf '\n== %s (%d s)\n' "$1" $((SECONDS - started)); }

# Runs two functions at the same time: most of their steps keep one core busy. The output of the second follows that of the first.
side_by_side() {
  "$2" >target/second.log 2>&1 &
  local second=$!
  # shellcheck disable=SC2064 # the process of now
  trap "kill $second 2>/dev/null || true" EXIT
  "$1"
  wait "$second" || { cat target/second.log; exit 1; }
  trap - EXIT
  cat target/second.log
}

# Installs Debian's chromium and its driver, for tests of pages, unless they are there.
install_chromium() {
  if [ -x /usr/bin/chromium ] && [ -x /usr/bin/chromedriver ]; then return; fi
  local root=(env)
  [ "$(id -u)" = 0 ] || root=(sudo)
  "${root[@]}" apt-get update
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium chromium-driver
}

# The directory of a JDK of this version or newer: JAVA_HOME, or one that Debian's or Adoptium's packages install.
newer_jdk() {
  local jdk version
  for jdk in "${JAVA_HOME:-/none}" /usr/lib/jvm/*; do
    version=$(sed -n 's/^JAVA_VERSION="\([0-9]*\).*/\1/p' "$jdk/release" 2>/dev/null || true)
    if [ -x "$jdk/bin/javac" ] && [ "${version:-0}" -ge "$1" ]; then echo "$jdk"; return; fi
  done
  echo "no JDK $1 or newer in JAVA_HOME or /usr/lib/jvm: install one" >&2
  return 1
}
