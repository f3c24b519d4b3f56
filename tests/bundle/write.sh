#!/usr/bin/env bash
# Writes standard input to FILE: a regular file whole or not at all, at the end of its links; a pipe or a device in place; - is standard output.
#   write.sh FILE [check]
# With `check` it writes nothing and says whether FILE can be written.
set -euo pipefail
file=$1
fail() { echo "dpo4j: $1" >&2; exit 1; }

target=$file
in_place=
case $file in
  - | /dev/stdout | /dev/fd/* | /proc/*) in_place=1 ;;
  *)
    [ ! -d "$file" ] || fail "$file is a directory; name a file in it"
    if [ -e "$file" ] && [ ! -f "$file" ]; then
      in_place=1
    else
      target=$(realpath -m -- "$file")
      [ -d "$(dirname -- "$target")" ] || fail "$file cannot be written: the directory $(dirname -- "$target") does not exist; make it"
      [ ! -e "$target" ] || [ -w "$target" ] || fail "$file is read-only; make it writable (chmod u+w), or choose another path"
    fi
    ;;
esac
[ "${2:-}" != check ] || exit 0

if [ "$target" = - ] || [ "$target" = /dev/stdout ]; then
  exec cat
elif [ -n "$in_place" ]; then
  exec cat >>"$target" # a descriptor may stand for a file that others have begun
fi
part=$(mktemp "$target.XXXXXX")
trap 'rm -f "$part"' EXIT
chmod "$(printf '%o' $((0666 & ~$(umask))))" "$part"
[ ! -e "$target" ] || chmod --reference="$target" "$part"
cat >"$part"
mv -f -- "$part" "$target"
