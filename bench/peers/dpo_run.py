"""One whole run of TRL's DPOTrainer on pairs of token ids, as dpo_runs.py starts it:
    python dpo_run.py MODEL PAIRS.jsonl OUTPUT '{"per_device_train_batch_size": 8, ...}'
The options are DPOConfig's. Its last line is JSON: pairs a second of the steps alone, the losses of the lines of metrics, and the versions of what ran.

The rows are ids already, so that TRL trains on the very tokens that dpo4j trains on; its own tokenisation is left out, and costs it nothing here.
"""

import importlib.metadata
import json
import sys
import time

import torch
from datasets import Dataset
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast, PrinterCallback, TrainerCallback
from trl import DPOConfig, DPOTrainer


class StepTimes(TrainerCallback):
    """When each step ended; the first begins where training does."""

    def __init__(self):
        self.ends = []

    def on_train_begin(self, args, state, control, **kwargs):
        self.ends.append(time.perf_counter())

    def on_step_end(self, args, state, control, **kwargs):
        self.ends.append(time.perf_counter())


class Trainer(DPOTrainer):
    def _prepare_dataset(self, dataset, processing_class, args, dataset_name):
        return dataset


def padding(vocabulary):
    """The trainer asks a tokenizer for its padding id alone."""
    words = Tokenizer(WordLevel({str(i): i for i in range(vocabulary)}, unk_token="0"))
    return PreTrainedTokenizerFast(tokenizer_object=words, pad_token="0", eos_token="2")


def main(directory, pairs, output, options):
    with open(pairs) as file:
        rows = [json.loads(line) for line in file]
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32)
    args = DPOConfig(**{
        "output_dir": output, "bf16": False, "use_cpu": True, "gradient_checkpointing": False, "report_to": "none", "save_strategy": "no",
        "disable_tqdm": True, "logging_steps": 1, **json.loads(options),
    })  # fmt: skip
    times = StepTimes()
    trainer = Trainer(
        model=model, args=args, processing_class=padding(model.config.vocab_size), train_dataset=Dataset.from_list(rows), callbacks=[times]
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    trainer.save_model(output)
    read = (len(times.ends) - 1) * args.per_device_train_batch_size * args.gradient_accumulation_steps
    print(json.dumps({
        "steps_pairs_per_second": read / (times.ends[-1] - times.ends[0]),
        "losses": [line["loss"] for line in trainer.state.log_history if "loss" in line],
        "versions": {
            **{name: importlib.metadata.version(name) for name in ("trl", "transformers", "torch")},
            "instructions": f"PyTorch {torch.backends.cpu.get_cpu_capability()}",
        },
    }))  # fmt: skip


if __name__ == "__main__":
    main(*sys.argv[1:])
