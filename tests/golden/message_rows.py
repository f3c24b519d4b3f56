"""Writes message_rows.json: rows with messages, and their ids and masks by TRL's DPOTrainer, SFTTrainer and KTOTrainer.

    python message_rows.py

The tokenizers are those of tokenizer_ids.json; the templates are our own. Each row is prepared alone, so that no column of another
row is added to it.
"""

import json
import os
from pathlib import Path
from types import SimpleNamespace

os.environ["HF_HUB_OFFLINE"] = "1"
import datasets  # noqa: E402
from chat_rows import load  # noqa: E402
from trl import DPOTrainer, KTOTrainer, SFTTrainer  # noqa: E402

HERE = Path(__file__).resolve().parent
datasets.disable_progress_bars()

CHATML = """\
{%- if tools %}<|im_start|>system
{% for tool in tools %}{{ tool | tojson }}
{% endfor %}<|im_end|>
{% endif %}
{%- for m in messages %}<|im_start|>{{ m.role }}
{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{% for call in m.tool_calls or [] %}
<call>{{ call.function.name }}{{ call.function.arguments | tojson }}</call>{% endfor %}<|im_end|>{% endgeneration %}
{%- else %}{{ m.content }}<|im_end|>{% endif %}

{% endfor %}
{%- if add_generation_prompt %}<|im_start|>assistant
{% endif %}"""
# BOS once, EOS behind each answer, nothing between the header and the answer: tokens merge there
BOS = """\
{{ bos_token }}{% for m in messages %}{% if m.role == 'assistant' %}answer: {% generation %}{{ m.content }}{{ eos_token }}{% endgeneration %}
{%- else %}{{ m.role }}: {{ m.content }}
{% endif %}{% endfor %}{% if add_generation_prompt %}answer:{% endif %}"""
# The header of an answer begins to think, but a finished answer has no thoughts
THINKING = """\
{% for m in messages %}<|im_start|>{{ m.role }}
{% if m.role == 'assistant' and not loop.last %}{{ m.content.split('</think>')[-1] }}{% else %}{{ m.content }}{% endif %}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
<think>
{% endif %}"""
KWARGS = "{% if polite %}<|im_start|>system\npolite: {{ polite }}<|im_end|>\n{% endif %}" + CHATML


def m(role, content, **others):
    return {"role": role, "content": content, **others}


ASK = [m("user", "Who lived near the forest?")]
TURNS = [m("system", "Be brief."), *ASK, m("assistant", "A girl. 😀"), m("user", "Where? Isn't it 12 km away?")]
CALL = [{"type": "function", "function": {"name": "walk", "arguments": {"to": "the forest", "km": 12}}}]
TOOL = {"type": "function", "function": {"name": "walk", "parameters": {"type": "object", "properties": {"km": {"type": "number"}}}}}
CALLED = [*ASK, m("assistant", "", tool_calls=CALL), m("tool", "12 km")]
GIRL, NOBODY, FOX = ([m("assistant", text)] for text in ("A little girl.", "Nobody 中 did.\n", "The fox"))

PAIRS = [
    {"prompt": ASK, "chosen": GIRL, "rejected": NOBODY},
    {"chosen": ASK + GIRL, "rejected": ASK + NOBODY},
    {"prompt": TURNS, "chosen": GIRL, "rejected": FOX},
    {"chosen": TURNS + GIRL, "rejected": TURNS + FOX},
    {"prompt": ASK, "chosen": GIRL + TURNS[3:] + FOX, "rejected": NOBODY},
    {"prompt": [*ASK, *GIRL], "chosen": FOX, "rejected": NOBODY},
    {"prompt": ASK, "chosen": GIRL, "rejected": [m("assistant", "")]},
]
WITH_TOOLS = [
    {"prompt": CALLED, "chosen": GIRL, "rejected": NOBODY, "tools": [TOOL]},
    {"prompt": ASK, "chosen": CALLED[1:] + GIRL, "rejected": NOBODY, "tools": json.dumps([TOOL])},
    {"prompt": ASK, "chosen": GIRL, "rejected": NOBODY, "tools": []},
]
WITH_KWARGS = [
    {**PAIRS[0], "chat_template_kwargs": {"polite": True}},
    {**PAIRS[1], "chat_template_kwargs": {"polite": "very"}},
    {**PAIRS[0], "chat_template_kwargs": {"polite": False}},
]
SINGLES = [
    {"prompt": ASK, "completion": GIRL},
    {"prompt": TURNS, "completion": NOBODY},
    {"messages": TURNS + GIRL},
    {"messages": ASK + NOBODY + TURNS[3:] + FOX},
    {"conversations": [{"from": "user", "value": "Who?"}, {"from": "assistant", "value": "A fox, it's 3."}]},
]
JUDGED = [
    {"prompt": ASK, "completion": GIRL, "label": True},
    {"prompt": TURNS, "completion": NOBODY, "label": False},
]
CHATML_TOKENS = ("byte_level_chatml", None, "<|im_end|>")
# name, tokenizer of tokenizer_ids.json, BOS, EOS, template, pairs
GROUPS = [
    ("ChatML", *CHATML_TOKENS, CHATML, PAIRS + WITH_TOOLS),
    ("ChatML, digits apart", "digits_one_by_one", None, "<|im_end|>", CHATML, PAIRS + WITH_TOOLS),
    ("BOS in the template", "llama_3", "<s>", "</s>", BOS, PAIRS),
    ("BOS in the template, Metaspace", "llama_metaspace_first", "<s>", "</s>", BOS, PAIRS),
    ("BOS nowhere in the template", "llama_3", "<s>", "</s>", BOS.replace("{{ bos_token }}", ""), PAIRS),
    ("a header that no answer has", *CHATML_TOKENS, THINKING, PAIRS),
    ("variables of rows", *CHATML_TOKENS, KWARGS, WITH_KWARGS),
]


def data(rows):
    return datasets.Dataset.from_list(json.loads(json.dumps(rows)))


def pairs(tokenizer, rows):
    options = SimpleNamespace(dataset_num_proc=None, max_length=None, truncation_mode="keep_start")
    done = DPOTrainer._prepare_dataset(SimpleNamespace(_tokenizer=tokenizer), data(rows), tokenizer, options, "train")
    return [{key: row[key] for key in ("prompt_ids", "chosen_ids", "rejected_ids")} for row in done]


def singles(tokenizer, rows, assistant_only):
    trainer = SimpleNamespace(_tokenizer=tokenizer, chat_template=tokenizer.chat_template, completion_only_loss="prompt" in rows[0])
    options = SimpleNamespace(
        dataset_num_proc=None,
        dataset_text_field="text",
        assistant_only_loss=assistant_only,
        max_length=None,
        shuffle_dataset=False,
    )
    done = SFTTrainer._prepare_dataset(trainer, data(rows), tokenizer, options, False, None, "train")
    return [{"input_ids": row["input_ids"], "learnt": [int(label != -100) for label in row["labels"]]} for row in done]


def judgments(tokenizer, rows):
    trainer = SimpleNamespace(_tokenizer=tokenizer, calculate_KL=False, desirable_weight=1.0, undesirable_weight=1.0)
    options = SimpleNamespace(dataset_num_proc=None, max_length=None)
    done = KTOTrainer._prepare_dataset(trainer, data(rows), tokenizer, options, "eval")
    return [{key: row[key] for key in ("prompt_ids", "completion_ids", "label")} for row in done]


def main():
    groups = []
    for name, file, bos, eos, template, given in GROUPS:
        tokenizer = load(file, bos, eos, template)
        rows = [{"row": row, **pairs(tokenizer, [row])[0]} for row in given]
        if "{% generation" in template and given[: len(PAIRS)] == PAIRS:
            for row in SINGLES:
                for assistant_only in (False, True):
                    rows.append({"row": row, "assistant_only": assistant_only, **singles(tokenizer, [row], assistant_only)[0]})
            rows += [{"row": row, **judgments(tokenizer, [row])[0]} for row in JUDGED]
        groups.append({"name": name, "tokenizer": file, "bos": bos, "eos": eos, "template": template, "rows": rows})
    lines = ",\n".join(json.dumps(group, separators=(",", ":"), ensure_ascii=False) for group in groups)
    (HERE / "message_rows.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
