"""Writes tokenizer_ids.json: small tokenizer.json files, 500 texts, and their ids by Python's tokenizers library.

    python tokenizer_ids.py

Each tokenizer has one or two traits of published ones. `ids` holds, for every text, the CRC-32 of the library's ids with the
post-processor. It is 0 for a text that the library refuses, because its vocabulary is closed and has no unknown token. `rows`
holds the CRC-32 of each row with text i as the prompt and texts i + 4 and i + 8 as answers: ids as in TRL 1.16, but with one BOS
if the text spells BOS out, and one EOS if only white space follows EOS. It is 0 for a row without anything to learn. A CRC-32
covers little-endian int32, the length of each part before its ids. `examples` holds the ids of some texts, for readers.
"""

import base64
import json
import random
import struct
import unicodedata
import zlib
from pathlib import Path

from tokenizers import Tokenizer

HERE = Path(__file__).resolve().parent
TEXTS = 500
SEED = 7
CORPUS = """\
A preference pair has a prompt and two answers. People read both answers and choose the one that they like better; the model
learns from the difference of the log-probabilities. It's simple, isn't it? We'd say so: they've trained 12 models on 4096 pairs.
The quick brown fox jumps over the lazy dog. Once upon a time there was a little girl who lived in a house near the forest. She
was happy. Every day she would go out and play with her friends, and in the evening she came home and told her mother about it.
def add(a, b):
    return a + b  # the sum of two numbers
for (int i = 0; i < 10; i++) { printf("%d", i); }
Der M\u00fcller mahlt das Korn. O\u00f9 est la biblioth\u00e8que ? Le gar\u00e7on a d\u00e9j\u00e0 mang\u00e9.
\u041f\u0440\u0438\u0432\u0435\u0442 \u043c\u0438\u0440, \u043a\u0430\u043a \u0434\u0435\u043b\u0430? \u4f60\u597d\u4e16\u754c\u3002\u4eca\u65e5\u306f\u3044\u3044\u5929\u6c17\u3067\u3059\u306d\u3002
"""
SPELLED = ["<s>", "</s>", "<unk>", "<|im_start|>", "<|im_end|>", "<|endoftext|>", "[CLS]", "[SEP]", "[MASK]", "<a>", "<b>", "<c>"]
MARKS = ["\u0301", "\u0308", "\u0327", "\u200d", "\ufe0f", "\u00ad", "\u200b"]
ODD = (
    "| |  |\n|\t|\r\n|\u00a0|\u3000|\u2003|\0|\x7f|\u2028|a|A|1|\u2581|\u0120|##|</w>|\U0001f600|"
    "\U0001f469\u200d\U0001f469\u200d\U0001f467|\U0001f1e9\U0001f1ea|\U0001f44d\U0001f3fd|e\u0301|\ufb01|\u00bd|\u2460|"
    "\uff21\uff22|\u1e9b\u0323|\u0130|\u0131|\u00df|\ufffd|\ufeff|\ud55c\uae00|\u1112\u1161\u11ab|"
    "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35|\u0645\u0631\u062d\u0628\u0627|\u05e9\u05dc\u05d5\u05dd|"
    "\u0928\u092e\u0938\u094d\u0924\u0947|\U00020000|\U0001d54f|ACGT|ACGTNACGT|0123456789|3.14159"
).split("|") + ["x" * 300]
EXAMPLES = 4


def texts():
    """Odd texts, then random mixtures of words, code, digits, marks and special tokens."""
    chance = random.Random(SEED)
    words = CORPUS.split()
    pieces = [
        lambda: chance.choice(words),
        lambda: chance.choice(words),
        lambda: chance.choice(words).upper(),
        lambda: str(chance.randrange(10 ** chance.randrange(1, 7))),
        lambda: chance.choice(words) + chance.choice(MARKS),
        lambda: chance.choice(SPELLED),
        lambda: chance.choice(ODD[:-1]),
        lambda: "".join(chance.choice("ACGT") for _ in range(chance.randrange(1, 9))),
        lambda: "".join(chr(chance.randrange(32, 127)) for _ in range(chance.randrange(1, 6))),
        lambda: chr(chance.choice([chance.randrange(0xA0, 0x250), chance.randrange(0x3040, 0x3100), chance.randrange(0x1F300, 0x1F600)])),
    ]
    spaces = ["", " ", " ", " ", "  ", "\n", "\n\n", "\t", " \n", "\r\n"]
    made = list(ODD)
    made += SPELLED
    made += ["<s>" + line for line in CORPUS.split("\n")[:3]]
    while len(made) < TEXTS:
        length = chance.randrange(1, 12)
        if len(made) % 4 == 0:  # words of closed vocabularies
            made.append("".join(" " + chance.choice(words) for _ in range(length)))
            continue
        parts = [chance.choice(pieces)() + chance.choice(spaces) for _ in range(length)]
        made.append("".join(parts) if chance.randrange(2) else "".join(parts).strip())
    return made[:TEXTS]


# Vocabularies


def letters_of_bytes():
    """GPT-2's letter of each byte."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return {**{byte: chr(byte) for byte in printable}, **{byte: chr(256 + i) for i, byte in enumerate(others)}}


BYTES = letters_of_bytes()


def words(space):
    """The words of the corpus. A space before a word is its first letter."""
    return [word for line in CORPUS.split("\n") for word in line.replace(" ", "\0" + space).split("\0")]


def byte_words():
    return ["".join(BYTES[byte] for byte in word.encode()) for word in words(" ")]


def merges(words, count):
    """Pairs to merge, by frequency, then by code point."""
    words = [list(word) for word in words]
    learnt = []
    for _ in range(count):
        pairs = {}
        for word in words:
            for pair in zip(word, word[1:]):
                pairs[pair] = pairs.get(pair, 0) + 1
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        learnt.append(best)
        words = [merged(word, best) for word in words]
    return learnt


def merged(word, pair):
    joined = []
    for symbol in word:
        if joined and (joined[-1], symbol) == pair:
            joined[-1] += symbol
        else:
            joined.append(symbol)
    return joined


def numbered(tokens):
    return {token: i for i, token in enumerate(dict.fromkeys(tokens))}


# Parts of a tokenizer.json


def bpe(first, letters, pairs, **more):
    plain = {"dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": False}
    vocabulary = numbered([*first, *letters, *("".join(pair) for pair in pairs)])
    model = {"type": "BPE", **plain, "byte_fallback": False, "ignore_merges": False, "vocab": vocabulary}
    return {**model, "merges": [list(pair) for pair in pairs], **more}


def byte_bpe(first, count=120, **more):
    return bpe(first, sorted(BYTES.values()), merges(byte_words(), count), **more)


def llama_bpe(**more):
    words_ = words("\u2581")
    fallback = [f"<0x{byte:02X}>" for byte in range(256)]
    first = ["<unk>", "<s>", "</s>", *fallback]
    return bpe(first, sorted(set("".join(words_))), merges(words_, 100), unk_token="<unk>", fuse_unk=True, byte_fallback=True, **more)


def unigram(first, unk_id, byte_fallback=False, space="\u2581"):
    """Letters and pieces of the words of the corpus. A score approximates the log of a frequency, to two places."""
    pieces = {}
    for word in words(space):
        for length in range(1, min(len(word), 6) + 1):
            for begin in range(len(word) - length + 1):
                piece = word[begin : begin + length]
                pieces[piece] = pieces.get(piece, 0) + length
    kept = sorted(piece for piece, weight in pieces.items() if len(piece) == 1 or weight >= 12)
    fallback = [[f"<0x{byte:02X}>", 0.0] for byte in range(256)] if byte_fallback else []
    scores = [[piece, round(-12.0 + pieces[piece].bit_length() - 0.01 * (i % 7), 2)] for i, piece in enumerate(kept)]
    return {
        "type": "Unigram",
        "unk_id": unk_id,
        "vocab": [*([token, 0.0] for token in first), *fallback, *scores],
        "byte_fallback": byte_fallback,
    }


def word_level(first, unk="[UNK]"):
    return {"type": "WordLevel", "vocab": numbered([*first, *sorted(set(CORPUS.split()))]), "unk_token": unk}


def word_piece(first, lower):
    text = CORPUS.lower() if lower else CORPUS
    letters = sorted(set(text) - set(" \n"))
    ends = [word[i:] for word in sorted(set(text.split())) for i in (1, 2) if len(word) > i + 1]
    tokens = [*first, *letters, *("##" + letter for letter in letters), *sorted(set(text.split()))[:80], *("##" + end for end in ends[:80])]
    return {
        "type": "WordPiece",
        "unk_token": "[UNK]",
        "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100,
        "vocab": numbered(tokens),
    }


def token(content, id_, **more):
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {"id": id_, "content": content, **plain, **more}


def template(single, ids):
    pieces = [
        {"Sequence": {"id": piece[1:], "type_id": 0}} if piece[0] == "$" else {"SpecialToken": {"id": piece, "type_id": 0}}
        for piece in single
    ]
    pair = [*pieces, {"Sequence": {"id": "B", "type_id": 1}}]
    specials = {name: {"id": name, "ids": each, "tokens": [f"{name}{i}" for i in range(len(each))]} for name, each in ids.items()}
    return {"type": "TemplateProcessing", "single": pieces, "pair": pair, "special_tokens": specials}


def sequence(kind, *parts):
    return {
        "type": "Sequence",
        {"normalizer": "normalizers", "pre_tokenizer": "pretokenizers", "post_processor": "processors"}[kind]: list(parts),
    }


def byte_level(prefix=False, regex=True):
    return {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": True, "use_regex": regex}


def metaspace(scheme, split):
    return {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": scheme, "split": split}


def split(pattern, behavior, invert=False):
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": behavior, "invert": invert}


def file(model, added=(), **parts):
    whole = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": list(added), "normalizer": None}
    return {**whole, "pre_tokenizer": None, "post_processor": None, "decoder": None, "model": model, **parts}


LLAMA = [token("<unk>", 0), token("<s>", 1), token("</s>", 2)]
CHATML = [token("<|endoftext|>", 0), token("<|im_start|>", 1), token("<|im_end|>", 2)]
BERT = [token("[UNK]", 0), token("[CLS]", 1), token("[SEP]", 2), token("[MASK]", 3, lstrip=True)]
BERT_NAMES = [each["content"] for each in BERT]
CHATML_NAMES = [each["content"] for each in CHATML]
LLAMA_NAMES = [each["content"] for each in LLAMA]
PREPEND = {"type": "Prepend", "prepend": "\u2581"}
SPACES = {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}
LLAMA_3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
BOS = template(["<s>", "$A"], {"<s>": [1]})
BOTH = template(["<s>", "$A", "</s>"], {"<s>": [1], "</s>": [2]})
BERT_ENDS = {"type": "BertProcessing", "sep": ["[SEP]", 2], "cls": ["[CLS]", 1]}
ROBERTA_ENDS = {"type": "RobertaProcessing", "sep": ["</s>", 2], "cls": ["<s>", 1], "trim_offsets": True, "add_prefix_space": True}


def files():
    """name -> tokenizer.json"""
    dna = bpe(LLAMA_NAMES, "ACGT", [("A", "C"), ("G", "T")])
    digits = bpe(["<unk>", "<s>"], "0123456789", [("1", "2")], unk_token="<unk>", fuse_unk=True)
    clip = bpe(["<unk>"], [], [], unk_token="<unk>", end_of_word_suffix="</w>")
    letters = sorted(set(CORPUS) - set(" \n"))
    clip["vocab"] = numbered(["<unk>", *letters, *(letter + "</w>" for letter in letters), "th", "the</w>", "an", "and</w>"])
    clip["merges"] = [["t", "h"], ["th", "e</w>"], ["a", "n"], ["an", "d</w>"]]
    prefixed = bpe(["<unk>"], [], [], unk_token="<unk>", continuing_subword_prefix="##")
    prefixed["vocab"] = numbered(["<unk>", *letters, *("##" + letter for letter in letters), "th", "the", "an", "##er"])
    prefixed["merges"] = [["t", "##h"], ["th", "##e"], ["a", "##n"], ["##e", "##r"]]
    return {
        "byte_level_chatml": file(
            byte_bpe(CHATML_NAMES), CHATML, pre_tokenizer=byte_level(), post_processor=byte_level(), decoder=byte_level()
        ),
        "byte_level_roberta": file(byte_bpe(LLAMA_NAMES), LLAMA, pre_tokenizer=byte_level(prefix=True), post_processor=ROBERTA_ENDS),
        "llama_2": file(llama_bpe(), LLAMA, normalizer=sequence("normalizer", PREPEND, SPACES), post_processor=BOS),
        "llama_metaspace_first": file(llama_bpe(), LLAMA, pre_tokenizer=metaspace("first", False), post_processor=BOS),
        "llama_normalized_eos": file(
            llama_bpe(),
            [{**each, "normalized": True} for each in LLAMA],
            normalizer=sequence("normalizer", PREPEND, SPACES),
            post_processor=BOS,
        ),
        "llama_3": file(
            byte_bpe(LLAMA_NAMES, ignore_merges=True),
            LLAMA,
            pre_tokenizer=sequence("pre_tokenizer", split(LLAMA_3, "Isolated"), byte_level(regex=False)),
            post_processor=sequence("post_processor", byte_level(), BOS),
        ),
        "qwen": file(
            byte_bpe(CHATML_NAMES),
            CHATML,
            normalizer={"type": "NFC"},
            pre_tokenizer=sequence("pre_tokenizer", split(LLAMA_3, "Isolated"), byte_level(regex=False)),
        ),
        "digits_one_by_one": file(
            byte_bpe(CHATML_NAMES),
            CHATML,
            pre_tokenizer=sequence("pre_tokenizer", {"type": "Digits", "individual_digits": True}, byte_level()),
        ),
        "digits_together": file(
            byte_bpe(CHATML_NAMES),
            CHATML,
            pre_tokenizer=sequence("pre_tokenizer", {"type": "Digits", "individual_digits": False}, byte_level()),
        ),
        "unigram_t5": file(
            unigram(LLAMA_NAMES, 0), LLAMA, pre_tokenizer=metaspace("always", True), post_processor=template(["$A", "</s>"], {"</s>": [2]})
        ),
        "unigram_bytes": file(
            unigram(LLAMA_NAMES, 0, byte_fallback=True), LLAMA, pre_tokenizer=metaspace("never", False), post_processor=BOTH
        ),
        "unigram_closed": file(unigram(["<s>"], None), [token("<s>", 0)], pre_tokenizer=metaspace("first", True)),
        "word_level": file(word_level(["[UNK]"]), [token("[UNK]", 0)], pre_tokenizer={"type": "Whitespace"}),
        "word_level_closed": file(
            word_level(["<s>"]),
            [token("<s>", 0)],
            pre_tokenizer={"type": "WhitespaceSplit"},
            post_processor=template(["<s>", "$A"], {"<s>": [0]}),
        ),
        "bert": file(
            word_piece(BERT_NAMES, True),
            BERT,
            normalizer={
                "type": "BertNormalizer",
                "clean_text": True,
                "handle_chinese_chars": True,
                "strip_accents": None,
                "lowercase": True,
            },
            pre_tokenizer={"type": "BertPreTokenizer"},
            post_processor=BERT_ENDS,
        ),
        "word_piece_closed": file(word_piece(["[CLS]"], False), [token("[CLS]", 0)], pre_tokenizer={"type": "WhitespaceSplit"}),
        "dna_closed": file(dna, LLAMA, post_processor=BOS),
        "digits_only": file(digits, [token("<unk>", 0), token("<s>", 1)], post_processor=BOS),
        "dropout": file(llama_bpe(dropout=0.5), LLAMA, normalizer=sequence("normalizer", PREPEND, SPACES), post_processor=BOS),
        "several_beginnings": file(
            llama_bpe(),
            LLAMA,
            pre_tokenizer=metaspace("first", False),
            post_processor=template(["<s>", "<lang>", "<s>", "$A"], {"<s>": [1], "<lang>": [5, 6]}),
        ),
        "beginning_and_ending": file(llama_bpe(), LLAMA, normalizer=sequence("normalizer", PREPEND, SPACES), post_processor=BOTH),
        "processors_in_sequence": file(
            word_piece(BERT_NAMES, False),
            BERT,
            pre_tokenizer={"type": "BertPreTokenizer"},
            post_processor=sequence("post_processor", template(["[MASK]", "$A"], {"[MASK]": [3]}), BERT_ENDS),
        ),
        "roberta_in_sequence": file(
            byte_bpe(LLAMA_NAMES),
            LLAMA,
            pre_tokenizer=byte_level(),
            post_processor=sequence(
                "post_processor", sequence("post_processor", byte_level(), template(["<unk>", "$A"], {"<unk>": [0]})), ROBERTA_ENDS
            ),
        ),
        "normalizers": file(
            byte_bpe(CHATML_NAMES),
            [*CHATML, token("Caf\u00e9", 379, normalized=True, special=False)],
            normalizer=sequence(
                "normalizer",
                {"type": "NFKD"},
                {"type": "StripAccents"},
                {"type": "Lowercase"},
                {"type": "Strip", "strip_left": True, "strip_right": True},
                {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "},
            ),
            pre_tokenizer=byte_level(),
        ),
        "nfkc_nmt": file(
            unigram(["<unk>"], 0),
            [token("<unk>", 0)],
            normalizer=sequence("normalizer", {"type": "Nmt"}, {"type": "NFKC"}),
            pre_tokenizer=metaspace("always", True),
        ),
        "added_tokens": file(
            byte_bpe(CHATML_NAMES),
            [
                *CHATML,
                token("<a>", 379, lstrip=True),
                token("<b>", 380, rstrip=True, normalized=True),
                token("<c>", 381, lstrip=True, rstrip=True, special=False),
                token("one", 382, single_word=True, normalized=True, special=False),
                token("  ", 383, normalized=True, special=False),
            ],
            pre_tokenizer=byte_level(),
        ),
        "added_tokens_with_other_ids": file(
            dna, [*LLAMA, token("<|im_end|>", 90), token("<a>", 70), token("<s>", 50), token("", 51)], post_processor=BOS
        ),
        "padding_and_truncation": file(
            llama_bpe(),
            LLAMA,
            pre_tokenizer=metaspace("first", False),
            post_processor=BOS,
            truncation={"direction": "Right", "max_length": 5, "strategy": "LongestFirst", "stride": 1},
            padding={
                "strategy": {"Fixed": 16},
                "direction": "Left",
                "pad_to_multiple_of": 8,
                "pad_id": 0,
                "pad_type_id": 0,
                "pad_token": "<unk>",
            },
        ),
        "word_ends": file(clip, [token("<unk>", 0)], normalizer={"type": "Lowercase"}, pre_tokenizer={"type": "WhitespaceSplit"}),
        "word_continuations": file(prefixed, [token("<unk>", 0)], pre_tokenizer={"type": "Whitespace"}),
        "scripts_and_punctuation": file(
            llama_bpe(),
            LLAMA,
            pre_tokenizer=sequence(
                "pre_tokenizer",
                {"type": "UnicodeScripts"},
                {"type": "Punctuation", "behavior": "MergedWithNext"},
                split(r"\d{3}", "MergedWithPrevious"),
                split(r"\n+", "Contiguous"),
                {"type": "CharDelimiterSplit", "delimiter": ";"},
            ),
        ),
        "split_removed": file(
            llama_bpe(),
            LLAMA,
            pre_tokenizer=sequence("pre_tokenizer", split(r"\w+|[^\w\s]+", "Removed", invert=True), split("the", "MergedWithNext")),
        ),
    }


def reader(whole):
    """Python's tokenizer without truncation, padding and dropout, which dpo4j turns off too."""
    tokenizer = Tokenizer.from_str(json.dumps({**whole, "truncation": None, "padding": None}))
    if whole["model"]["type"] == "BPE":
        tokenizer.model.dropout = None
    return tokenizer


def packed(sums):
    return base64.b64encode(struct.pack(f"<{len(sums)}I", *sums)).decode()


def crc(*parts):
    """CRC-32 of the length of each part and its ids."""
    numbers = [number for part in parts for number in [len(part), *part]]
    return zlib.crc32(struct.pack(f"<{len(numbers)}i", *numbers))


class Ids:
    """Ids of the texts by one tokenizer; None for a text that it refuses."""

    def __init__(self, whole):
        self.tokenizer = reader(whole)
        vocabulary = self.tokenizer.get_vocab()
        self.added = {each["content"]: vocabulary[each["content"]] for each in whole["added_tokens"] if each["content"]}
        self.size = max(vocabulary.values()) + 1
        self.end = whole["added_tokens"][-1 if len(whole["added_tokens"]) < 3 else 2]["content"]
        self.beginning = None

    def processed(self, text):
        return self.encode(text, True)

    def encode(self, text, special):
        try:
            return self.tokenizer.encode(text, add_special_tokens=special).ids
        except Exception:
            return None

    def start(self, text):
        """Ids of the text, with the tokens that the post-processor puts before it once."""
        plain = self.encode(text, False)
        if plain is None:
            return None
        begin = self.find_beginning()
        return plain if plain[: len(begin)] == begin else begin + plain

    def find_beginning(self):
        if self.beginning is None:
            text = next(text for text in ("the", "ACGT1") if self.encode(text, False))
            plain, processed = self.encode(text, False), self.encode(text, True)
            places = [i for i in range(len(processed)) if processed[i : i + len(plain)] == plain]
            self.beginning = processed[: places[-1]]
        return self.beginning

    def row(self, prompt, answers):
        """Ids of prompt and answers; None if there is nothing to learn."""
        alone, *joint = (self.start(text) for text in (prompt, *(prompt + answer for answer in answers)))
        if alone is None or None in joint:
            return None
        border = min(common_prefix_length(alone, ids) for ids in joint)
        parts = [self.ended(prompt + answer, ids[border:]) for answer, ids in zip(answers, joint)]
        empty = any(is_blank(answer) or len(ids) == border for answer, ids in zip(answers, joint))
        return None if border == 0 or empty else [alone[:border], *parts]

    def ended(self, text, ids):
        end = self.added[self.end]
        stripped = self.start(text.rstrip())
        has_ended = ids[-1:] == [end] or (end in ids and stripped[-1:] == [end])
        return ids if has_ended else [*ids, end]


def common_prefix_length(ids, other_ids):
    """As in TRL 1.16's data_utils."""
    length = 0
    for one, other in zip(ids, other_ids):
        if one != other:
            break
        length += 1
    return length


def is_white_space(letter):
    """Java's Character.isWhitespace: no space that forbids a line break."""
    return letter in "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f" or (
        unicodedata.category(letter) in ("Zs", "Zl", "Zp") and letter not in "\u00a0\u2007\u202f"
    )


def is_blank(text):
    return all(map(is_white_space, text))


def expected(whole, texts_):
    ids = Ids(whole)
    processed = [ids.processed(text) for text in texts_]
    rows = [ids.row(texts_[i], [texts_[(i + 4) % TEXTS], texts_[(i + 8) % TEXTS]]) for i in range(TEXTS)]
    short = [i for i, each in enumerate(processed) if each and 4 <= len(each) <= 12]
    return {
        "eos": ids.end,
        "added": ids.added,
        "size": ids.size,
        "ids": packed([0 if each is None else crc(each) for each in processed]),
        "rows": packed([0 if row is None else crc(*row) for row in rows]),
        "examples": [{"text": i, "ids": processed[i]} for i in short[:EXAMPLES]],
    }


def line(value):
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"))


def shared(whole, tables):
    """The file with "@n" instead of vocabulary and merges, because several files share them."""
    model = dict(whole["model"])
    for key in ("vocab", "merges"):
        if key in model:
            text = line(model[key])
            if text not in tables:
                tables.append(text)
            model[key] = f"@{tables.index(text)}"
    return {**whole, "model": model}


def main():
    texts_ = texts()
    tables = []
    made = [line({"name": name, "file": shared(whole, tables), **expected(whole, texts_)}) for name, whole in files().items()]
    parts = {"texts": map(line, texts_), "tables": tables, "tokenizers": made}
    output = "{" + ",\n".join(f'"{name}":[\n' + ",\n".join(lines) + "]" for name, lines in parts.items()) + "}\n"
    (HERE / "tokenizer_ids.json").write_text(output)
    print(f"tokenizer_ids.json: {len(made)} tokenizers, {len(texts_)} texts, {len(output)} bytes")


if __name__ == "__main__":
    main()
