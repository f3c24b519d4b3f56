"""Writes truncation.json: rows of ids that are cut, by the peers' own code.

    python truncation.py TRL-0.28.0 PROCESSOR_UTILS

TRL's keep_start and keep_end are those of its data collators and of the filters in _prepare_dataset. max_prompt_length and
max_completion_length are those of DPOTrainer.tokenize_row of TRL 0.28.0, the last version that has them; TRL-0.28.0 is the directory
that peers.py reads too. PROCESSOR_UTILS is LLaMA-Factory's src/llamafactory/data/processor/processor_utils.py, whose infer_seqlen is
what cuts its rows.

A case has the lengths of prompt and completions. "kept" has for each completion which tokens of the prompt and of the completion are
in its sequence, [prompt from, to, completion from, to], and how many tokens at its end are targets; the first token of a sequence never is.
"kept" is null if the row is left out.
"""

import ast
import importlib.util
import itertools
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

from datasets import Dataset
from trl import DPOTrainer, KTOTrainer, SFTTrainer
from trl.trainer.dpo_trainer import DataCollatorForPreference
from trl.trainer.kto_trainer import DataCollatorForUnpairedPreference

HERE = Path(__file__).resolve().parent
LENGTHS = [1, 2, 4, 5, 6, 9]
MAX_LENGTHS = [2, 3, 5, 6, 10]


PART = 100_000


def ids(lengths):
    """The prompt begins with id 0, the first completion with PART, the second with 2 PART."""
    return [list(range(PART * part, PART * part + length)) for part, length in enumerate(lengths)]


def sequence(input_ids, mask):
    """Ids and number of targets; a target needs a token before it. Targets are the end of every sequence."""
    targets = sum(mask[1:])
    assert mask[len(mask) - targets :] == [1] * targets
    kept = []
    for part in ([each for each in input_ids if each < PART], [each % PART for each in input_ids if each >= PART]):
        assert part == list(range(part[0], part[-1] + 1)) if part else True
        kept += [part[0], part[-1] + 1] if part else [0, 0]
    return [*kept, targets]


def unpadded(batch):
    keys = ("input_ids", "completion_mask", "attention_mask")
    for tokens, mask, attention in zip(*(batch[key].tolist() for key in keys), strict=True):
        assert attention == sorted(attention, reverse=True)
        yield sequence(tokens[: sum(attention)], mask[: sum(attention)])


def last_filter(trainer, **options):
    """The function by which the trainer's _prepare_dataset leaves rows out after it has tokenised them."""
    found = []
    self = SimpleNamespace(_tokenizer=SimpleNamespace(eos_token=None), calculate_KL=False)
    with (
        mock.patch.object(Dataset, "map", lambda dataset, *_, **__: dataset),
        mock.patch.object(Dataset, "filter", lambda dataset, function, **_: found.append(function) or dataset),
    ):
        row = {"prompt": "", "chosen": "", "rejected": "", "completion": "", "label": True}
        trainer._prepare_dataset(self, Dataset.from_list([row]), None, SimpleNamespace(dataset_num_proc=None, **options), "eval")
    assert len(found) <= 1
    return found[0] if found else lambda row: True


def collated(row, filtered, collator):
    return list(unpadded(collator([row]))) if filtered(row) else None


def dpo(longest, mode):
    filtered = last_filter(DPOTrainer, max_length=longest, truncation_mode=mode)
    return lambda row: collated(row, filtered, DataCollatorForPreference(0, longest, mode))


def kto(longest):
    filtered = last_filter(KTOTrainer, max_length=longest)
    return lambda row: collated({**row, "label": True}, filtered, DataCollatorForUnpairedPreference(0, longest))


def sft(all_lengths, longest, mode):
    rows = []
    for number, (prompt, completion) in enumerate(map(ids, all_lengths)):
        mask = [0] * len(prompt) + [1] * len(completion)
        rows.append({"input_ids": prompt + completion, "completion_mask": mask, "number": number})
    options = SimpleNamespace(max_length=longest, truncation_mode=mode, dataset_num_proc=None, shuffle_dataset=False)
    self = SimpleNamespace(completion_only_loss=True)
    kept = [None] * len(rows)
    for each in SFTTrainer._prepare_dataset(self, Dataset.from_list(rows), None, options, False, None, "train"):
        kept[each["number"]] = [sequence(each["input_ids"], [int(label != -100) for label in each["labels"]])]
    return kept


def tokenize_row(trl):
    """The static method of TRL 0.28.0, without importing a second TRL."""
    source = (Path(trl) / "trl/trainer/dpo_trainer.py").read_text()
    methods = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef) and node.name == "tokenize_row")
    method = next(methods)
    method.decorator_list, method.returns = [], None
    for argument in method.args.args:
        argument.annotation = None
    names = {}
    exec(compile(ast.Module([method], []), "tokenize_row", "exec"), names)  # noqa: S102
    return names["tokenize_row"]


class IdTokenizer:
    """Its texts are lists of ids."""

    bos_token_id = eos_token_id = None

    def __call__(self, given, add_special_tokens):
        return {"input_ids": given}


def pair(lengths):
    return dict(zip(("prompt_ids", "chosen_ids", "rejected_ids"), ids(lengths), strict=True))


def limits(tokenize, lengths, prompt, completion):
    """max_prompt_length and max_completion_length of 0.28.0."""
    features = dict(zip(("prompt", "chosen", "rejected"), ids(lengths), strict=True))
    row = tokenize(features, IdTokenizer(), prompt, completion, add_special_tokens=False, is_chat=True)
    return {key.replace("_input", ""): value for key, value in row.items()}


def proportional(infer_seqlen, lengths, longest):
    """As pairwise.py of LLaMA-Factory uses infer_seqlen. It trains on rows without targets; here they are left out."""
    prompt, *completions = ids(lengths)
    source, target = infer_seqlen(len(prompt), max(map(len, completions)), longest)
    if not target:
        return None
    return [sequence(prompt[:source] + each[:target], [0] * source + [1] * len(each[:target])) for each in completions]


def main():
    tokenize = tokenize_row(sys.argv[1])
    spec = importlib.util.spec_from_file_location("processor_utils", sys.argv[2])
    processor_utils = sys.modules["processor_utils"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(processor_utils)
    cases = []

    def add(kind, lengths, kept, **options):
        cases.append({"kind": kind, "lengths": lengths, **{key: value for key, value in options.items() if value}, "kept": kept})

    pairs = [(prompt, chosen, rejected) for prompt, chosen, rejected in itertools.product(LENGTHS, LENGTHS, [1, 3, 6])]
    singles = list(itertools.product(LENGTHS, LENGTHS))
    modes = ("keep_start", "keep_end")
    for longest, mode in itertools.product(MAX_LENGTHS, modes):
        for lengths in pairs[::3]:
            add("pair", lengths, dpo(longest, mode)(pair(lengths)), max_length=longest, mode=mode)
        for lengths, kept in zip(singles, sft(singles, longest, mode), strict=True):
            add("sequence", lengths, kept, max_length=longest, mode=mode)
    for lengths, longest in itertools.product(singles, MAX_LENGTHS):
        row = dict(zip(("prompt_ids", "completion_ids"), ids(lengths), strict=True))
        add("unpaired", lengths, kto(longest)(row), max_length=longest, mode="keep_start")
    for prompt, completion, longest, mode in itertools.product([None, 1, 4], [None, 1, 3], [None, 3, 6], modes):
        if prompt or completion:
            for lengths in pairs[::7]:
                kept = dpo(longest, mode)(limits(tokenize, lengths, prompt, completion))
                add("pair", lengths, kept, max_length=longest, max_prompt_length=prompt, max_completion_length=completion, mode=mode)
    long = [(700, 900, 40), (3000, 511, 200), (100, 5000, 6000), (600, 600, 600), (511, 512, 513), (1, 4000, 3), (5000, 30, 20), (513, 511, 9)]
    for lengths, longest in [*itertools.product(pairs[::2], MAX_LENGTHS), *itertools.product(long, [1023, 1024])]:
        kept = proportional(processor_utils.infer_seqlen, lengths, longest)
        add("pair", lengths, kept, max_length=longest, mode="proportional")
    lines = ",\n".join(json.dumps(each, separators=(",", ":")) for each in cases)
    (HERE / "truncation.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
