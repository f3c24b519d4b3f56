"""Writes gguf_files.json: small models, and what llama.cpp's converter writes for them.

    python gguf_files.py llama_cpp_python-0.3.36/vendor/llama.cpp

requirements-gguf.txt says where that directory comes from. A case has the files of a model directory; its weights follow from their
names (`weights`), so they are not stored. `files` holds, for each type of matrices, the keys of the GGUF file with their types, and for
each tensor its shape in ggml's order, its type and the begin of the SHA-256 of its bytes. Long lists are stored as the SHA-256 of their
JSON.

`greedy` has the ids of a prompt, and the text that llama.cpp adds to it by greedy decoding, from the file with f32 matrices and with f32 keys
and values. llama.cpp is that of xllamacpp.

The converter knows a byte-level tokenizer by a hash of the ids of a text, so it knows published vocabularies only. Here it is told the
name.
"""

import base64
import contextlib
import hashlib
import io
import json
import logging
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

import numpy as np
import sentencepiece
import torch
from safetensors.torch import save_file
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

HERE = Path(__file__).resolve().parent
TEXT = """\
A preference pair has a prompt and two answers. People read both answers and choose the one that they like better; the model
learns from the difference of the log-probabilities. It's simple, isn't it? We'd say so: they've trained 12 models on 4096 pairs.
The quick brown fox jumps over the lazy dog. Once upon a time there was a little girl who lived in a house near the forest. She
was happy. Every day she would go out and play with her friends, and in the evening she came home and told her mother about it.
"""
BEGIN, END, TURN = "<s>", "</s>", "<|turn|>"
END_OF_TEXT = "<|endoftext|>"  # transformers adds it to a tokenizer of Qwen2 that lacks it
LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
TEMPLATE = "{% for m in messages %}<|turn|>{{ m['role'] }}\n{{ m['content'] }}\n{% endfor %}"
SHORT = 24
PROMPT = "The 12 girls aren't in  the house; once 4096 dogs were"
TOKENS = 40
GREEDY = """
import json, os, sys
import xllamacpp

file, ids, tokens = sys.argv[1:]
params = xllamacpp.CommonParams()
params.model.path = file
params.n_ctx = 128
params.warmup = False
params.verbosity = 0
params.hostnames = ["127.0.0.1"]
params.port = 0
params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
server = xllamacpp.Server(params)
answer = server.handle_completions(
    {"prompt": json.loads(ids), "max_tokens": int(tokens), "temperature": 0, "top_k": 1, "repeat_penalty": 1.0, "ignore_eos": True}
)
print(json.dumps(answer["choices"][0]["text"]), flush=True)
os._exit(0)
"""


# Weights


def weights(name, shape, is_gemma, silent):
    """Numbers that every dtype holds exactly: -128 to 127 by a hash, times a power of two. Rows below `silent` of a vocabulary are 0."""
    count = int(np.prod(shape))
    h = (np.arange(count, dtype=np.uint64) * 2654435761 + zlib.crc32(name.encode())) % 2**32
    h ^= h >> np.uint64(15)
    h = h * 2246822519 % 2**32
    h ^= h >> np.uint64(13)
    v = (h & np.uint64(255)).astype(np.int64) - 128
    if name.endswith("norm.weight"):
        return ((v >> 3) / 64 + (0 if is_gemma else 1)).reshape(shape)
    if "embed_tokens" in name or "lm_head" in name:
        values = (v / (1024 if "embed_tokens" in name else 128)).reshape(shape)
        values[:silent] = 0
        return values
    return (v / 512).reshape(shape)


def shapes(config):
    hidden, inner, heads, keys = (config[k] for k in ("hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads"))
    width = config.get("head_dim", hidden // heads)
    kind = config["model_type"]
    named = {"model.embed_tokens.weight": (config["vocab_size"], hidden), "model.norm.weight": (hidden,)}
    if not config.get("tie_word_embeddings"):
        named["lm_head.weight"] = (config["vocab_size"], hidden)
    for layer in range(config["num_hidden_layers"]):
        p = f"model.layers.{layer}."
        for part, rows, columns in (
            ("self_attn.q_proj", heads * width, hidden),
            ("self_attn.k_proj", keys * width, hidden),
            ("self_attn.v_proj", keys * width, hidden),
            ("self_attn.o_proj", hidden, heads * width),
            ("mlp.gate_proj", inner, hidden),
            ("mlp.up_proj", inner, hidden),
            ("mlp.down_proj", hidden, inner),
        ):
            named[f"{p}{part}.weight"] = (rows, columns)
            is_qkv = part[-6:] in ("q_proj", "k_proj", "v_proj")
            if config.get("attention_bias") and "self_attn" in part or kind == "qwen2" and is_qkv or config.get("mlp_bias") and "mlp" in part:
                named[f"{p}{part}.bias"] = (rows,)
        norms = ["input_layernorm", "post_attention_layernorm"]
        norms += ["pre_feedforward_layernorm", "post_feedforward_layernorm"] if kind.startswith("gemma") else []
        named |= {f"{p}{norm}.weight": (hidden,) for norm in norms}
        if kind in ("qwen3", "gemma3_text"):
            named |= {f"{p}self_attn.{norm}.weight": (width,) for norm in ("q_norm", "k_norm")}
    return named


# Tokenizers


def byte_level(pre, normalizer=None, ignore_merges=False, pad=0):
    """A tokenizer of the characters of TEXT, with BEGIN, END_OF_TEXT and TURN first. Returns the files and the size of the vocabulary."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    tokenizer.pre_tokenizer = pre
    tokenizer.decoder = decoders.ByteLevel()
    if normalizer:
        tokenizer.normalizer = normalizer
    trainer = trainers.BpeTrainer(vocab_size=120, special_tokens=[BEGIN, END_OF_TEXT, TURN], show_progress=False)
    tokenizer.train_from_iterator([TEXT], trainer)
    tokenizer.add_tokens(["<note>"])
    return tokenizer, tokenizer.get_vocab_size() + pad


def split(pattern):
    return pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )


def with_beginning(tokenizer):
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BEGIN} $A", pair=f"{BEGIN} $A {BEGIN} $B", special_tokens=[(BEGIN, tokenizer.token_to_id(BEGIN))]
    )
    return tokenizer


def pieces():
    """A SentencePiece model of TEXT."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXT.splitlines()),
        model_writer=model,
        model_type="bpe",
        vocab_size=400,
        byte_fallback=True,
        user_defined_symbols=[TURN],
        normalization_rule_name="identity",
        num_threads=1,
        minloglevel=2,
    )
    return model.getvalue()


def from_pieces(model, is_gemma):
    """tokenizer.json of a SentencePiece model, as transformers converts it: a merge for every split of a piece into two pieces."""
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    scores = {processor.id_to_piece(i): processor.get_score(i) for i in range(processor.vocab_size())}
    vocab = {piece: i for i, piece in enumerate(scores)}
    merges = []
    for piece, score in scores.items():
        local = [(piece[:i], piece[i:]) for i in range(1, len(piece)) if piece[:i] in vocab and piece[i:] in vocab]
        merges += [(left, right, score) for left, right in sorted(local, key=lambda m: (vocab[m[0]], vocab[m[1]]))]
    merges.sort(key=lambda m: m[2], reverse=True)
    merges = [(left, right) for left, right, _ in merges if TURN not in left + right]
    tokenizer = Tokenizer(models.BPE(vocab, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    space = normalizers.Replace(" ", "\u2581")
    tokenizer.normalizer = space if is_gemma else normalizers.Sequence([normalizers.Prepend("\u2581"), space])
    ends = [] if is_gemma else [decoders.Strip(" ", 1, 0)]
    tokenizer.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), *ends])
    tokenizer.add_special_tokens(["<unk>", BEGIN, END, TURN])
    return with_beginning(tokenizer), len(vocab)


def added_tokens_decoder(tokenizer):
    return {
        str(i): {"content": t.content, "special": t.special, "normalized": t.normalized, "lstrip": False, "rstrip": False, "single_word": False}
        for i, t in sorted(tokenizer.get_added_tokens_decoder().items())
    }


# Cases


SMALL = {
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "rms_norm_eps": 1e-5,
}
CARD = """\
---
license: apache-2.0
base_model: some-org/base-model
datasets:
- some-org/pairs
model_name: "A Model"
pipeline_tag: text-generation
tags:
- dpo
language: en
---
"""


def case(name, kind, tokenizer, size, silent, *, pre="default", dtypes=("f16",), stored="F32", model=None, files=None, **config):
    classes = {
        "llama": "LlamaForCausalLM",
        "mistral": "MistralForCausalLM",
        "qwen2": "Qwen2ForCausalLM",
        "qwen3": "Qwen3ForCausalLM",
        "gemma2": "Gemma2ForCausalLM",
        "gemma3_text": "Gemma3ForCausalLM",
    }
    whole = {"model_type": kind, "architectures": [classes[kind]], **SMALL, "vocab_size": size, "tie_word_embeddings": False}
    end = END if tokenizer.token_to_id(END) is not None else END_OF_TEXT
    whole |= {"bos_token_id": tokenizer.token_to_id(BEGIN), "eos_token_id": tokenizer.token_to_id(end), **config}
    settings = {"bos_token": BEGIN, "eos_token": end, "tokenizer_class": "PreTrainedTokenizerFast"}
    if tokenizer.token_to_id("<unk>") is not None:
        settings |= {"unk_token": "<unk>", "additional_special_tokens": [TURN]}
    if model:
        settings["added_tokens_decoder"] = added_tokens_decoder(tokenizer)
    if (files or {}).get("chat"):
        settings["chat_template"] = TEMPLATE
    texts = {
        "config.json": json.dumps(whole),
        "tokenizer.json": tokenizer.to_str(),
        "tokenizer_config.json": json.dumps(settings),
    } | {key: text for key, text in (files or {}).items() if key != "chat"}
    return {
        "name": name,
        "pre": pre,
        "dtypes": dtypes,
        "stored": stored,
        "silent": silent,
        "texts": texts,
        "model": base64.b64encode(model).decode() if model else None,
    }


def cases():
    model = pieces()
    llama2, llama2_size = from_pieces(model, False)
    gemma, gemma_size = from_pieces(model, True)
    llama3, llama3_size = byte_level(split(LLAMA3), ignore_merges=True, pad=4)
    with_beginning(llama3)
    qwen, qwen_size = byte_level(split(QWEN2), normalizers.NFC())
    gpt2, gpt2_size = byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False))
    smollm, smollm_size = byte_level(
        pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    )
    pieces_silent = 260  # <unk>, <s>, </s>, <|turn|> and 256 bytes
    return [
        case("llama", "llama", llama2, llama2_size, pieces_silent, files={"README.md": CARD}),
        case("mistral", "mistral", llama2, llama2_size, pieces_silent, model=model, sliding_window=None, files={"chat": True}),
        case(
            "llama3",
            "llama",
            llama3,
            llama3_size,
            3,
            pre="llama-bpe",
            dtypes=("f16", "bf16", "f32", "q8_0"),
            attention_bias=True,
            mlp_bias=True,
            tie_word_embeddings=True,
            original_max_position_embeddings=64,
            rope_theta=500.0,
            rope_scaling={
                "rope_type": "llama3",
                "factor": 8.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 64,
            },
            files={"chat": True, "generation_config.json": json.dumps({"top_k": 20, "top_p": 0.75, "temperature": 0.5, "do_sample": True})},
        ),
        case("linear", "llama", gpt2, gpt2_size, 3, pre="gpt-2", head_dim=32, rope_scaling={"rope_type": "linear", "factor": 4.0}),
        case(
            "yarn",
            "llama",
            smollm,
            smollm_size,
            3,
            pre="smollm",
            rope_scaling={"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32, "beta_fast": 32.0, "beta_slow": 1.0},
        ),
        case("qwen2", "qwen2", qwen, qwen_size, 3, pre="qwen2", dtypes=("q8_0",), intermediate_size=80),
        case("qwen3", "qwen3", qwen, qwen_size, 3, pre="qwen2", stored="BF16", head_dim=16, tie_word_embeddings=True),
        case(
            "gemma2",
            "gemma2",
            gemma,
            gemma_size,
            pieces_silent,
            model=model,
            num_hidden_layers=26,
            hidden_size=32,
            intermediate_size=32,
            head_dim=16,
            query_pre_attn_scalar=16,
            sliding_window=8,
            attn_logit_softcapping=50.0,
            final_logit_softcapping=30.0,
            hidden_activation="gelu_pytorch_tanh",
            tie_word_embeddings=True,
        ),
        case(
            "gemma3",
            "gemma3_text",
            gemma,
            gemma_size,
            pieces_silent,
            model=model,
            stored="BF16",
            num_hidden_layers=7,
            head_dim=16,
            query_pre_attn_scalar=16,
            sliding_window=8,
            sliding_window_pattern=6,
            rope_theta=1000000.0,
            rope_local_base_freq=10000.0,
            hidden_activation="gelu_pytorch_tanh",
            tie_word_embeddings=True,
        ),
    ]


# The converter


def write_model(case, directory):
    for file, text in case["texts"].items():
        (directory / file).write_text(text)
    if case["model"]:
        (directory / "tokenizer.model").write_bytes(base64.b64decode(case["model"]))
    config = json.loads(case["texts"]["config.json"])
    dtype = {"F32": torch.float32, "BF16": torch.bfloat16}[case["stored"]]
    is_gemma = config["model_type"].startswith("gemma")
    tensors = {
        name: torch.from_numpy(weights(name, shape, is_gemma, case["silent"])).to(dtype).contiguous() for name, shape in shapes(config).items()
    }
    save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})


def convert(case, directory, dtype, output):
    import convert_hf_to_gguf
    from conversion.base import TextModel

    TextModel.get_vocab_base_pre = lambda self, tokenizer: case["pre"]
    sys.argv = ["convert_hf_to_gguf.py", str(directory), "--outfile", str(output), "--outtype", dtype]
    with contextlib.redirect_stderr(io.StringIO()):
        convert_hf_to_gguf.main()


def sha(data):
    return hashlib.sha256(data).hexdigest()[:16]


def listing(file):
    from gguf import GGUFReader

    reader = GGUFReader(file)
    keys = {}
    for key, field in reader.fields.items():
        if not key.startswith("GGUF."):
            kind = " ".join(t.name for t in field.types)
            value = field.contents()
            if isinstance(value, list) and len(value) > SHORT:
                value = sha(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())
            keys[key] = [kind, value]
    tensors = {}
    for tensor in reader.tensors:
        if tensor.name == "rope_freqs.weight":
            tensors[tensor.name] = [[int(n) for n in tensor.shape], tensor.tensor_type.name, [float(x) for x in tensor.data]]
        else:
            tensors[tensor.name] = [[int(n) for n in tensor.shape], tensor.tensor_type.name, sha(tensor.data.tobytes())]
    return {"keys": keys, "tensors": tensors}


def greedy(case, directory):
    """Runs llama.cpp on the converter's f32 file, in a process of its own because a server of xllamacpp does not end."""
    tokenizer = Tokenizer.from_str(case["texts"]["tokenizer.json"])
    ids = tokenizer.encode(PROMPT).ids
    with tempfile.TemporaryDirectory() as temporary:
        file = Path(temporary) / "model.gguf"
        convert(case, directory, "f32", file)
        run = subprocess.run(
            [sys.executable, "-c", GREEDY, str(file), json.dumps(ids), str(TOKENS)], capture_output=True, text=True, check=True
        )
    return {"prompt": ids, "text": json.loads(run.stdout.splitlines()[-1])}


def main():
    llama_cpp = Path(sys.argv[1]).resolve()
    sys.path[:0] = [str(llama_cpp), str(llama_cpp / "gguf-py")]
    logging.disable(logging.CRITICAL)
    made = []
    for each in cases():
        each["files"] = {}
        for dtype in each["dtypes"]:
            with tempfile.TemporaryDirectory() as temporary:
                directory = Path(temporary) / "small-model"
                directory.mkdir()
                write_model(each, directory)
                output = Path(temporary) / "out.gguf"
                convert(each, directory, dtype, output)
                each["files"][dtype] = listing(output)
        with tempfile.TemporaryDirectory() as temporary:
            directory = Path(temporary) / "small-model"
            directory.mkdir()
            write_model(each, directory)
            each["greedy"] = greedy(each, directory)
        del each["dtypes"]
        made.append(each)
    (HERE / "gguf_files.json").write_text(json.dumps({"cases": made}, ensure_ascii=False, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
