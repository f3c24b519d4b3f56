"""Writes trl_options.json: every field of TRL's and transformers' option classes with its default, as a YAML file would carry it; the steps
that transformers makes of shares of a run; and what PyYAML and the parser of options read from lines of YAML.

The fields are read from the dataclasses themselves, so the list is complete for the versions in requirements-peers.txt.
"""

import dataclasses
import enum
import json
import pathlib
from importlib.metadata import version
from types import SimpleNamespace

import trl
import yaml
from transformers import TrainerState, TrainingArguments
from transformers.hf_argparser import string_to_bool


def plain(value):
    """The value as in YAML: an enum by its value, a tuple as a list."""
    if isinstance(value, enum.Enum):
        return plain(value.value)
    if isinstance(value, (list, tuple)):
        return [plain(element) for element in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(f"no YAML for {value!r}")


def defaults(options):
    fields = {}
    for field in dataclasses.fields(options):
        value = field.default_factory() if field.default is dataclasses.MISSING else field.default
        fields[field.name] = plain(value)
    return fields


def steps(value, total):
    """Steps between lines of metrics, between evaluations, and of the warm-up, in a run of `total` steps."""
    state = TrainerState()
    state.compute_steps(SimpleNamespace(logging_steps=value, eval_steps=value, save_steps=value), total)
    warmup = TrainingArguments.get_warmup_steps(SimpleNamespace(warmup_steps=value), total)
    return {"value": value, "total": total, "logging": state.logging_steps, "eval": state.eval_steps, "warmup": warmup}


TYPES = {"seed": int, "learning_rate": float, "weight_decay": float, "bf16": string_to_bool}

DOCUMENTS = [
    *(f"seed: {text}" for text in ("0x10", "010", "08", "1:30", "1_000", "0b11", "-0x1_0", "+5", "'12'", "0", "'007'", "!!int 7")),
    *(f"seed: {text}" for text in ("1_", "1__0", "0_7", "-0b_1", "0x_1f", "1_0:20")),
    *(f"learning_rate: {text}" for text in ("1_.5", "1._5", ".5_", "1_.e+5", "1:30.5", "-1:2:3.", "08.5", '"1\\x2e5"')),
    *(
        f"learning_rate: {text}"
        for text in ("1e-6", "1.0e-6", "1E-6", ".5", "5.", "1_0.5", "3", "0x10", "010", "'1e-6'", "1e+3", "+.5e1", "!!float 2")
    ),
    *(f"bf16: {text}" for text in ("yes", "No", "on", "OFF", "true", "False", "y", "n", "1", "0", "'yes'", "'f'", '"TRUE"')),
    *(f"seed:{text}" for text in ("", " ~", " null", " NULL", "  # nothing")),
    "weight_decay: &w 0.1\nlearning_rate: *w",
    "<<: {seed: 1, weight_decay: 0.5}\nseed: 2",
    "<<: [{seed: 1}, {weight_decay: 0.5}]",
    "<<: {<<: {seed: 1, weight_decay: 0.25}, seed: 3}",
    "---\nseed: 1\n...\n",
    "{seed: 1, bf16: no}",
    "\ufeffseed: 1\r\nbf16: on\r\n",
]


def options(document):
    """The options of a document. Text is converted to the type of the option, as argparse does."""
    return {key: TYPES[key](value) if isinstance(value, str) else value for key, value in yaml.safe_load(document).items()}


PINS = {"trl": "1.16.0", "transformers": "5.23.0"}
for package, pinned in PINS.items():
    if version(package) != pinned:
        raise SystemExit(f"{package} is {version(package)}; install {pinned}, see requirements-peers.txt")

tables = {name: defaults(getattr(trl, name)) for name in ("DPOConfig", "KTOConfig", "SFTConfig", "ModelConfig", "ScriptArguments")}
output = pathlib.Path(__file__).with_suffix(".json")
shares = [steps(value, total) for value in (0.1, 0.07, 0.25, 0.999, 0.001, 1, 1.0, 5) for total in (1, 3, 7, 10, 100, 1000)]
documents = [{"yaml": document, "options": options(document)} for document in DOCUMENTS]
output.write_text(json.dumps({"versions": PINS, **tables, "steps": shares, "documents": documents}, indent=1) + "\n")
