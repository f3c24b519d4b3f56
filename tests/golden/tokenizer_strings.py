"""Writes tokenizer_strings.json: ids of 10,000 generated strings by Python's tokenizers library, as sums.

    python tokenizer_strings.py DATA       DATA: a directory with tokenizers/gpt2/tokenizer.json and the other published ones

The strings are not stored: GeneratedStringsTest makes the same ones from the pieces with the same generator of random numbers. A sum is the
CRC-32 of 100 strings: for each the number of its ids and the ids, or -1 if the library refuses the string. `ids` holds the sums without
special tokens of the post-processor, `texts` those of the UTF-8 bytes of the decoded ids, without special tokens. The small tokenizers are
those of tokenizer_ids.json. The published ones are named with the SHA-256 of their file. There are no `texts` of a tokenizer that gives a
normalized special token another name, because this version of the library then decodes the token although special tokens are left out.
"""

import hashlib
import json
import struct
import sys
import zlib
from pathlib import Path

from tokenizer_ids import CORPUS, HERE, MARKS, ODD, SPELLED, files, packed, reader

COUNT, BLOCK = 10_000, 100
SPACES = ["", " ", " ", "  ", "\n", "\n\n", "\t", " \n", "\r\n", "   "]
WORDS = sorted(set(CORPUS.split()))
#: Code points from the first to the one before the last.
RANGES = [
    (32, 127), (0xA0, 0x250), (0x300, 0x370), (0x370, 0x530), (0x590, 0x700), (0x900, 0x980), (0x2000, 0x2070), (0x3040, 0x3100),
    (0x4E00, 0x9FA5), (0xAC00, 0xD7A0), (0x1D400, 0x1D7FF), (0x1F300, 0x1F600), (0x20000, 0x2A6D0),
]  # fmt: skip
PUBLISHED = {
    "gpt2": "gpt2/tokenizer.json", "qwen2.5": "qwen2.5/tokenizer.json", "smollm2": "smollm2/tokenizer.json",
    "gpt-neox": "gpt-neox/20B_tokenizer.json",
}  # fmt: skip


class Chance:
    """Knuth's 64-bit linear congruential generator; a number is the upper 31 bits, modulo a bound."""

    def __init__(self, seed):
        self.state = seed
        self.below(1)

    def below(self, bound):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) % 2**64
        return (self.state >> 33) % bound

    def choice(self, values):
        return values[self.below(len(values))]


def piece(chance):
    kind = chance.below(8)
    if kind < 3:
        return chance.choice(WORDS)
    if kind == 3:
        return chance.choice(WORDS) + chance.choice(MARKS)
    if kind == 4:
        return chance.choice(SPELLED)
    if kind == 5:
        return chance.choice(ODD)
    if kind == 6:
        return str(chance.below(10 ** (1 + chance.below(6))))
    first, last = chance.choice(RANGES)
    return "".join(chr(first + chance.below(last - first)) for _ in range(1 + chance.below(4)))


def string(number):
    chance = Chance(number)
    return "".join(piece(chance) + chance.choice(SPACES) for _ in range(1 + chance.below(10)))


def sums(tokenizer, strings):
    ids, texts = [], []
    for begin in range(0, len(strings), BLOCK):
        numbers, text = [], b""
        for each in strings[begin : begin + BLOCK]:
            try:
                found = tokenizer.encode(each, add_special_tokens=False).ids
            except Exception:  # the library raises no narrower type
                numbers.append(-1)
                continue
            numbers += [len(found), *found]
            decoded = tokenizer.decode(found, skip_special_tokens=True).encode()
            text += struct.pack("<i", len(decoded)) + decoded
        ids.append(zlib.crc32(struct.pack(f"<{len(numbers)}i", *numbers)))
        texts.append(zlib.crc32(text))
    special = [(id, token.content) for id, token in tokenizer.get_added_tokens_decoder().items() if token.special]
    known = all(tokenizer.id_to_token(id) == content for id, content in special)
    return {"ids": packed(ids), **({"texts": packed(texts)} if known else {})}


def main(data):
    strings = [string(number) for number in range(COUNT)]
    tokenizers = [{"name": name, **sums(reader(whole), strings)} for name, whole in files().items()]
    for name, path in PUBLISHED.items():
        file = (Path(data) / "tokenizers" / path).read_bytes()
        found = sums(reader(json.loads(file)), strings)
        tokenizers.append({"name": name, "path": path, "sha256": hashlib.sha256(file).hexdigest(), **found})
    whole = {
        "count": COUNT, "block": BLOCK, "words": WORDS, "marks": MARKS, "spelled": SPELLED, "odd": ODD, "spaces": SPACES, "ranges": RANGES,
        "examples": strings[:3],
    }  # fmt: skip
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in whole.items()]
    lines.append('"tokenizers": [\n' + ",\n".join(json.dumps(each) for each in tokenizers) + "\n]")
    (HERE / "tokenizer_strings.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    main(sys.argv[1])
