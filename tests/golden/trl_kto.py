"""Writes trl_kto.json: training runs of TRL's KTOTrainer, step by step.

    python trl_kto.py      needs requirements-peers.txt

As trl_training.py, whose first lines say what float64, "noise" and "instead" are. TRL's trainer is unchanged, its preparation of the
rows included: they are text here, of one word per token, which the tokenizer splits at spaces. dpo4j reads the ids of these words. Both read the
rows in the order of the file.

TRL averages rewards, log-probs and logits over the micro-batches of a step, dpo4j over the completions or tokens of the step. In a step whose last
micro-batch is smaller, TRL weighs its completions more than the others; "instead" makes TRL weigh all completions of a step alike.
"""

import json
import os
import tempfile

import numpy
import torch
from datasets import Dataset
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast, PrinterCallback
from trl import KTOConfig, KTOTrainer

import trl_training
from trl_training import BASE, HERE, SEED, VOCABULARY, WEIGHTS_STRIDE

EOS = 2
WORDS = ["<pad>", "<unk>", "<eos>", *(f"w{i}" for i in range(3, VOCABULARY))]
ROWS, EVAL_ROWS = 13, 7
MICRO_BATCH_MEANS = [f"{what}/{side}" for what in ("rewards", "logps", "logits") for side in ("chosen", "rejected")]
MICRO_BATCH_MEANS += ["rewards/margins", "entropy"]


def case(name, model="llama-tiny-untied", dataset="rows", without=(), instead=None, differs=(), **options):
    return {
        "name": name, "command": "kto", "model": model, "dataset": dataset, "options": {**BASE, **options}, "without": list(without),
        "instead": instead, "differs": list(differs),
    }  # fmt: skip


def cases():
    yield case("kto, the last batch has one row")
    yield case("kto, unequal weights", desirable_weight=1.33, undesirable_weight=0.8, beta=0.3, per_device_train_batch_size=5, learning_rate=3e-3)
    yield case(
        "kto, accumulation, decay, clipping", model="llama-tiny", without=MICRO_BATCH_MEANS, per_device_train_batch_size=2, gradient_accumulation_steps=3,
        rows=12, undesirable_weight=1.5, weight_decay=0.1, max_grad_norm=0.2, warmup_steps=2,
    )  # fmt: skip
    yield case("apo_zero_unpaired", loss_type="apo_zero_unpaired", desirable_weight=0.5)
    yield case("apo_zero_unpaired, batches of one row", loss_type="apo_zero_unpaired", per_device_train_batch_size=1)
    yield case("kto, evaluation", eval_strategy="steps", eval_steps=4, per_device_eval_batch_size=EVAL_ROWS)
    yield case("kto of pairs", dataset="pairs", per_device_train_batch_size=3)
    yield case("kto, keep_start", max_length=8)
    yield case(
        "kto differs: a ragged step weighs every completion alike", gradient_accumulation_steps=2, max_steps=6, without=MICRO_BATCH_MEANS + ["kl"],
        instead={"weigh_rows_alike": True}, differs=["loss", "grad_norm"],
    )  # fmt: skip


def rows(count, seed):
    """Completions of random ids that end in EOS: prompts of 1 to 8 tokens, completions of 2 to 9. Two of three are desirable."""
    random = numpy.random.RandomState(seed)
    return [
        {
            "prompt_ids": random.randint(3, VOCABULARY, random.randint(1, 9)).tolist(),
            "completion_ids": [*random.randint(3, VOCABULARY, random.randint(1, 9)).tolist(), EOS],
            "label": bool(random.randint(3) > 0),
        }
        for _ in range(count)
    ]


def pairs_of(judged):
    """Each row with the completion of the row after it."""
    return [
        {"prompt_ids": row["prompt_ids"], "chosen_ids": row["completion_ids"], "rejected_ids": after["completion_ids"]}
        for row, after in zip(judged, judged[1:])
    ]


def as_text(row):
    return {
        key.removesuffix("_ids"): value if key == "label" else ("" if key == "prompt_ids" else " ") + " ".join(WORDS[i] for i in value)
        for key, value in row.items()
    }


def tokenizer():
    words = Tokenizer(WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    words.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=words, pad_token=WORDS[0], eos_token=WORDS[EOS])


class Trainer(KTOTrainer):
    """KTOTrainer, with two additions: it can weigh the rows of a step alike, and it keeps the rows that it read."""

    weigh_rows_alike = False

    def get_batch_samples(self, *args, **kwargs):
        samples, items = super().get_batch_samples(*args, **kwargs)
        self.mean_rows = sum(len(sample["label"]) for sample in samples) / len(samples)
        return samples, items

    def compute_loss(self, model, inputs, **kwargs):
        loss = super().compute_loss(model, inputs, **kwargs)
        return loss * len(inputs["label"]) / self.mean_rows if self.weigh_rows_alike and model.training else loss


def run(directory, dtype, options, data, eval_rows):
    """Lines of training, lines of evaluation, weights before, weights after."""
    options = dict(options)
    alike = options.pop("weigh_rows_alike", False)
    data = data[: options.pop("rows", len(data))]
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=dtype)
    before = trl_training.weights_of(model)
    evaluates = "eval_strategy" in options
    with tempfile.TemporaryDirectory() as output:
        args = KTOConfig(**{
            "output_dir": output, "seed": SEED, "bf16": False, "use_cpu": True, "gradient_checkpointing": False, "report_to": "none",
            "save_strategy": "no", "disable_tqdm": True, "optim": "adamw_torch", "logging_steps": 1, "max_length": None, **options,
        })  # fmt: skip
        trainer = Trainer(
            model=model, ref_model=AutoModelForCausalLM.from_pretrained(directory, dtype=dtype), args=args, processing_class=tokenizer(),
            train_dataset=Dataset.from_list([as_text(row) for row in data]),
            eval_dataset=Dataset.from_list([as_text(row) for row in eval_rows]) if evaluates else None,
        )  # fmt: skip
        trainer.weigh_rows_alike = alike
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    history = trainer.state.log_history
    lines = [line for line in history if "loss" in line]
    return lines, [line for line in history if "eval_loss" in line], before, trl_training.weights_of(model)


def columns(lines, digits=10):
    """The numbers of the lines that have them, by name. A line lacks metrics of a label that no row of its step has."""
    names = dict.fromkeys(name for line in lines for name in line if not name.endswith(("_runtime", "_per_second", "eval_num_tokens")))
    exact = trl_training.EXACT
    return {
        name: [line[name] if name in exact else float(f"{line[name]:.{digits}g}") for line in lines if name in line] for name in names
    }  # fmt: skip


def computed(data, eval_rows):
    with tempfile.TemporaryDirectory() as folder:
        variants = {}
        for model in {each["model"] for each in cases()}:
            source = os.path.join(HERE, model)
            moved = [trl_training.neighbours(source, seed, os.path.join(folder, f"{model}-{seed}")) for seed in (1, 2)]
            variants[model] = [source, *moved]

        def of(each, path, dtype, options):
            return run(path, dtype, options, data[each["dataset"]], eval_rows)

        def meant(each):
            return {**each["options"], **(each["instead"] or {})}

        narrow = [[of(each, path, torch.float32, meant(each)) for path in variants[each["model"]]] for each in cases()]
        trl_training.widen()
        for each, noisy in zip(cases(), narrow):
            path = variants[each["model"]][0]
            exact = of(each, path, torch.float64, meant(each))
            as_given = of(each, path, torch.float64, each["options"]) if each["differs"] else None
            result = trl_training.finished(each, exact, noisy, as_given)
            print(each["name"], result["expected"]["loss"], flush=True)
            result["expected"] = {name: values for name, values in result["expected"].items() if name not in each["without"]}
            yield {"command": each["command"], "dataset": each["dataset"], **result, "without": []}


def main():
    torch.set_num_threads(1)
    trl_training.columns = columns
    judged, eval_rows = rows(ROWS, 7), rows(EVAL_ROWS, 8)
    data = {"rows": judged, "pairs": pairs_of(judged)}
    results = list(computed(data, eval_rows))
    with open(os.path.join(HERE, "trl_kto.json"), "w") as file:
        file.write(json.dumps({"weights_stride": WEIGHTS_STRIDE, **data, "eval_rows": eval_rows, "cases": results}))
        file.write("\n")


if __name__ == "__main__":
    main()
