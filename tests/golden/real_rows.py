"""Writes real_rows.json: hashes of the ids of real conversations by TRL's DPOTrainer, SFTTrainer and KTOTrainer.

    DPO4J_DATA=... python real_rows.py

The tokenizer is Qwen2.5's, the template TRL's for training with it. Rows of LLaMA-Factory and Alpaca are first written as TRL's rows.
"""

import hashlib
import json
import os
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
from message_rows import judgments, m, pairs, singles  # noqa: E402
from transformers import PreTrainedTokenizerFast  # noqa: E402

HERE = Path(__file__).resolve().parent
DATA = Path(os.environ["DPO4J_DATA"])
ROLES = {"human": "user", "gpt": "assistant", "system": "system"}


def messages(turns):
    return [m(ROLES[turn["from"]], turn["value"]) for turn in turns]


def sharegpt(row):
    return {"prompt": messages(row["conversations"]), "chosen": messages([row["chosen"]]), "rejected": messages([row["rejected"]])}


def alpaca(row):
    question = "\n".join(filter(None, (row["instruction"], row["input"])))
    answers = {key: [m("assistant", row[key])] for key in ("chosen", "rejected")}
    return {"prompt": [m("user", question)], **answers}


def last_judged(row):
    return {"prompt": row["messages"][:-1], "completion": row["messages"][-1:], "label": row["label"]}


def learnt(tokenizer, rows):
    return singles(tokenizer, rows, True)


CASES = [
    ("preference/hh-rlhf/conversational.test.jsonl", "PAIR", 100, dict, pairs),
    ("preference/llama-factory/dpo_en_demo.json", "PAIR", 100, sharegpt, pairs),
    ("preference/llms-from-scratch/instruction-data-with-preference.json", "PAIR", 100, alpaca, pairs),
    ("preference/llama-factory/kto_en_demo.json", "JUDGED", 100, last_judged, judgments),
    ("preference/llama-factory/kto_en_demo.json", "SINGLE", 50, lambda row: {"messages": row["messages"]}, learnt),
]


def main():
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(DATA / "tokenizers/qwen2.5/tokenizer.json"), eos_token="<|im_end|>", pad_token="<|endoftext|>"
    )
    tokenizer.chat_template = (DATA / "chat-templates/trl/qwen2_5_training.jinja").read_text()
    lines = []
    for name, kind, count, convert, prepare in CASES:
        text = (DATA / name).read_text()
        rows = json.loads(text) if name.endswith(".json") else [json.loads(line) for line in text.splitlines()]
        sha = hashlib.sha256()
        for row in prepare(tokenizer, [convert(row) for row in rows[:count]]):
            sha.update((json.dumps(list(row.values()), separators=(",", ":")) + "\n").encode())
        lines.append(json.dumps({"file": name, "kind": kind, "rows": count, "sha256": sha.hexdigest()}))
    (HERE / "real_rows.json").write_text("[\n" + ",\n".join(lines) + "\n]\n")


if __name__ == "__main__":
    main()
