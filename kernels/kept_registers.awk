# Counts the registers used by warps that have released some. Reads the output of nvdisasm -c and follows the code from USETMAXREG.DEALLOC on,
# through branches and calls. For each kernel with that instruction, prints how many registers it keeps, how many it uses from there on, and its name.
# An operand of several registers is named by its first one, which is a multiple of the operand's size, as is the number of registers kept. So it is
# enough to look at the first one.
function report(   stack, top, at, seen, used) {
  used = 0
  for (stack[top++] = start; top > 0;) {
    at = stack[--top]
    if (at in seen || at >= count) continue
    seen[at] = 1
    if (registers[at] > used) used = registers[at]
    if (at in target && target[at] in label) stack[top++] = label[target[at]]
    if (!(at in ends)) stack[top++] = at + 1
  }
  print kept, used, kernel
}
function number(hexadecimal,   i, value) {
  for (i = 3; i <= length(hexadecimal); i++) value = 16 * value + index("0123456789abcdef", substr(hexadecimal, i, 1)) - 1
  return value
}
function next_kernel() {
  if (kept > 0) report()
  count = kept = 0
  split("", label); split("", target); split("", registers); split("", ends)
}
/^\.text\./ { next_kernel(); kernel = substr($1, 7); sub(/:$/, "", kernel); next }
/^[.$].*:$/ { sub(/:$/, ""); label[$1] = count; next }
match($0, /\/\*[0-9a-f]+\*\/ */) {
  code = substr($0, RSTART + RLENGTH)
  if (match(code, /`\([^)]*\)/)) target[count] = substr(code, RSTART + 2, RLENGTH - 3)
  if (code ~ /^(BRA `|EXIT ;|RET\.)/) ends[count] = 1
  for (rest = code; match(rest, /(^|[^A-Z_a-z0-9.])R[0-9]+/); rest = substr(rest, RSTART + RLENGTH)) {
    name = substr(rest, RSTART, RLENGTH)
    sub(/.*R/, "", name)
    if (name + 1 > registers[count]) registers[count] = name + 1
  }
  if (match(code, /USETMAXREG\.DEALLOC[^ ]* 0x[0-9a-f]+/)) {
    start = count
    kept = substr(code, RSTART, RLENGTH)
    sub(/.* /, "", kept)
    kept = number(kept)
  }
  count++
}
END { next_kernel() }
