"""Shows that TRL and dpo4j train on each other's adapters: ./dpo4j must be built. Writes adapter_exchange.json.

    python adapter_exchange.py      needs requirements-peers.txt

Each of the two trains a new adapter of families/qwen2 for five steps. Then both train on from both adapters for five steps, on the same rows in
the same order. The losses and the largest difference of a weight are written. The script stops if the first loss of a continued run is not
ln 2, or if losses differ by more than 1e-5, ten times the float32 noise of these cases in trl_training.json.
"""

import json
import math
import os
import subprocess
import sys
import tempfile

import torch
import trl_training as golden
from datasets import Dataset
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, PrinterCallback, set_seed
from trl import DPOConfig

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BASE = os.path.join(HERE, "families", "qwen2")
OPTIONS = {"learning_rate": 1e-3, "per_device_train_batch_size": 4, "max_steps": 5}
LORA = {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj", "down_proj"]}
WEIGHTS = "adapter_model.safetensors"
MAX_DIFFERENCE = 1e-5


def by_trl(start, output, rows):
    set_seed(golden.SEED)
    model = AutoModelForCausalLM.from_pretrained(BASE, dtype=torch.float32)
    model = PeftModel.from_pretrained(model, start, is_trainable=True) if start else get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **LORA))
    args = DPOConfig(
        output_dir=output, seed=golden.SEED, bf16=False, use_cpu=True, gradient_checkpointing=False, report_to="none", save_strategy="no",
        disable_tqdm=True, optim="adamw_torch", logging_steps=1, max_length=None, **OPTIONS,
    )  # fmt: skip
    trainer = golden.Trainer(model=model, args=args, processing_class=golden.tokenizer(), train_dataset=Dataset.from_list(rows))
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    model.peft_config["default"].base_model_name_or_path = BASE
    model.save_pretrained(output, selected_adapters=["default"])
    return [line["loss"] for line in trainer.state.log_history if "loss" in line]


def by_dpo4j(start, output, rows):
    path = output + ".jsonl"
    with open(path, "w") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    options = {"model_name_or_path": start or BASE, "dataset_name": path, "output_dir": output, "seed": golden.SEED, "logging_steps": 1, **OPTIONS}
    if not start:
        modules = ",".join(LORA["target_modules"])
        options.update(use_peft="true", lora_r=LORA["r"], lora_alpha=LORA["lora_alpha"], lora_target_modules=modules)
    command = [os.path.join(ROOT, "dpo4j"), "dpo", "--device=cpu", *(f"--{name}={value}" for name, value in options.items())]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with open(os.path.join(output, "metrics.jsonl")) as lines:
        return [json.loads(line)["loss"] for line in lines]


def distance(one, other):
    left, right = (load_file(os.path.join(directory, WEIGHTS)) for directory in (one, other))
    assert left.keys() == right.keys(), (sorted(left), sorted(right))
    return max((left[name] - right[name]).abs().max().item() for name in left)


def main():
    torch.set_num_threads(1)
    rows = golden.rows(golden.ROWS, 7)
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for name, train in (("TRL", by_trl), ("dpo4j", by_dpo4j)):
            first = os.path.join(folder, name)
            began = train(None, first, rows)
            losses = {"TRL": by_trl(first, first + "-TRL", rows), "dpo4j": by_dpo4j(first, first + "-dpo4j", rows)}
            difference = max(abs(a - b) for a, b in zip(*losses.values(), strict=True))
            results.append({
                "began": name, "first_losses": began, "continued_by": losses, "max_loss_difference": difference,
                "max_weight_difference": distance(first + "-TRL", first + "-dpo4j"),
            })  # fmt: skip
            print(json.dumps(results[-1]), flush=True)
            if difference > MAX_DIFFERENCE or any(abs(each[0] - math.log(2)) > 1e-6 for each in losses.values()):
                sys.exit(f"an adapter of {name} is not trained on alike")
    with open(os.path.join(HERE, "adapter_exchange.json"), "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(result) for result in results) + "\n]\n")


if __name__ == "__main__":
    main()
