"""Writes chat_rows.json: rows as text, and their ids by TRL's DPOTrainer.

    python chat_rows.py

Conversations are rendered by a template to text, which is what dpo4j reads; TRL's ids are those of the conversation itself. Plain
rows are the same text on both sides; TRL then appends EOS. The tokenizers are those of tokenizer_ids.json.
"""

import json
import os
from pathlib import Path
from types import SimpleNamespace

os.environ["HF_HUB_OFFLINE"] = "1"
from datasets import Dataset  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402
from transformers import PreTrainedTokenizerFast  # noqa: E402
from trl import DPOTrainer  # noqa: E402

HERE = Path(__file__).resolve().parent

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
ENDS = "{% for m in messages %}{{ m.role }}:\n{{ m.content }}</s>{{ end }}{% endfor %}{% if add_generation_prompt %}assistant:\n{% endif %}"
BOS_FIRST = "<s>" + ENDS.replace("{{ end }}", "\n\n")
# name, tokenizer of tokenizer_ids.json, BOS, EOS, template
CHATS = [
    ("line break behind EOS", "byte_level_chatml", None, "<|im_end|>", CHATML),
    ("line break behind EOS, digits apart", "digits_one_by_one", None, "<|im_end|>", CHATML),
    ("two line breaks behind EOS, BOS in the template", "llama_3", "<s>", "</s>", BOS_FIRST),
    ("spaces behind EOS, BOS in the template", "llama_3", "<s>", "</s>", BOS_FIRST.replace("\n\n{% endfor", " \t {% endfor")),
    ("nothing behind EOS", "llama_3", "<s>", "</s>", BOS_FIRST.replace("\n\n{% endfor", "{% endfor")),
    (
        "another token ends a turn, EOS the text",
        "byte_level_chatml",
        None,
        "<|endoftext|>",
        CHATML + "{% if not add_generation_prompt %}<|endoftext|>{% endif %}",
    ),
]
PLAIN = [("byte_level_chatml", None, "<|im_end|>"), ("llama_3", "<s>", "</s>"), ("llama_metaspace_first", "<s>", "</s>")]
QUESTIONS = ["Who lived near the forest?", "1 + 1 =", "Write a loop.\n\nIn C, please."]
ANSWERS = [("A little girl.", "I don't know <|im_end|> that"), ("2", "It's 3, isn't it?\n"), ("for (;;) {}\n\n", " ")]
TEXTS = [
    ("Who lived near the forest?", " A little girl.", " Nobody"),
    ("The quick brown f", "ox jumps", "ool"),
    ("Question: 12 +", " 4 = 16</s>", " 4 = 17<|im_end|>"),
    ("def add(a, b):\n", "    return a + b\n", "    pass"),
]


def files():
    golden = json.loads((HERE / "tokenizer_ids.json").read_text())
    tables = golden["tables"]
    for each in golden["tokenizers"]:
        model = each["file"]["model"]
        for key in ("vocab", "merges"):
            if key in model:
                model[key] = tables[int(model[key][1:])]
    return {each["name"]: json.dumps(each["file"]) for each in golden["tokenizers"]}


FILES = files()


def load(name, bos, eos, template=None):
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(FILES[name]), bos_token=bos, eos_token=eos)
    tokenizer.chat_template = template
    return tokenizer


def prepare(tokenizer, rows):
    """Ids by DPOTrainer, without a model."""
    trainer = SimpleNamespace(_tokenizer=tokenizer)
    options = SimpleNamespace(dataset_num_proc=None, max_length=None, truncation_mode="keep_start")
    return DPOTrainer._prepare_dataset(trainer, Dataset.from_list(rows), tokenizer, options, "train")


def with_ids(texts, prepared):
    ids = ({key: row[key] for key in ("prompt_ids", "chosen_ids", "rejected_ids")} for row in prepared)
    return [{**text, **each} for text, each in zip(texts, ids, strict=True)]


def chat(template, tokenizer):
    conversations, texts = [], []
    for question, answers in zip(QUESTIONS, ANSWERS, strict=True):
        prompt = [{"role": "user", "content": question}]
        sides = [[{"role": "assistant", "content": answer}] for answer in answers]
        conversations.append({"prompt": prompt, "chosen": sides[0], "rejected": sides[1]})
        begin = tokenizer.apply_chat_template(prompt, tokenize=False, add_generation_prompt=True)
        whole = [tokenizer.apply_chat_template(prompt + side, tokenize=False) for side in sides]
        assert all(text.startswith(begin) for text in whole), template
        texts.append({"prompt": begin, "chosen": whole[0][len(begin) :], "rejected": whole[1][len(begin) :]})
    return with_ids(texts, prepare(tokenizer, conversations))


def main():
    groups = []
    for name, file, bos, eos, template in CHATS:
        groups.append({"name": name, "tokenizer": file, "eos": eos, "rows": chat(template, load(file, bos, eos, template))})
    for file, bos, eos in PLAIN:
        texts = [dict(zip(("prompt", "chosen", "rejected"), row, strict=True)) for row in TEXTS]
        rows = with_ids(texts, prepare(load(file, bos, eos), texts))
        groups.append({"name": f"plain text, {file}", "tokenizer": file, "eos": eos, "rows": rows})
    lines = ",\n".join(json.dumps(group, separators=(",", ":")) for group in groups)
    (HERE / "chat_rows.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
