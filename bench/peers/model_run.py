"""Trains or generates with transformers, as model_runs.py asks:
    python model_run.py '{"model": DIR, "rows": FILE, "threads": 2, "train": steps, "batch": 8}'
    python model_run.py '{"model": DIR, "rows": FILE, "threads": 2, "train": steps, "batch": 8, "lora": rank}'
    python model_run.py '{"model": DIR, "rows": FILE, "threads": 2, "generate": sequences, "prompt": 16, "new": 128}'
The last line is JSON: the seconds of each step, or of the second of two equal calls of generate, and versions.

Training is PyTorch's loop: forward with the loss of transformers, backward, clipping of the gradient, AdamW, in float32. Rows are equally long and
nothing is padded. With a rank, the model has LoRA adapters of PEFT at all linear layers, and only these are trained. Generation is greedy with a key cache, and does not end at EOS.
"""

import importlib.metadata
import json
import sys
import time

import torch
from transformers import AutoModelForCausalLM


def train(model, rows, steps, batch):
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-6)
    model.train()
    seconds = []
    for step in range(steps):
        began = time.perf_counter()
        ids = torch.tensor([rows[(step * batch + i) % len(rows)] for i in range(batch)])
        model(input_ids=ids, labels=ids, use_cache=False).loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        seconds.append(time.perf_counter() - began)
    return seconds


def generate(model, rows, sequences, prompt, new):
    ids = torch.tensor([rows[i % len(rows)][:prompt] for i in range(sequences)])
    mask = torch.ones_like(ids)
    for _ in range(2):
        began = time.perf_counter()
        with torch.no_grad():
            made = model.generate(ids, attention_mask=mask, min_new_tokens=new, max_new_tokens=new, do_sample=False, pad_token_id=0)
        seconds = time.perf_counter() - began
    assert made.shape[1] == prompt + new
    return seconds


def main(asked):
    torch.set_num_threads(asked["threads"])
    model = AutoModelForCausalLM.from_pretrained(asked["model"], dtype=torch.float32)
    versions = {name: importlib.metadata.version(name) for name in ("transformers", "torch")}
    if "lora" in asked:
        from peft import LoraConfig, get_peft_model

        config = LoraConfig(r=asked["lora"], lora_alpha=2 * asked["lora"], target_modules="all-linear", task_type="CAUSAL_LM")
        model = get_peft_model(model, config)
        versions["peft"] = importlib.metadata.version("peft")
    with open(asked["rows"]) as lines:
        rows = [row["prompt_ids"] + row["completion_ids"] for row in map(json.loads, lines)]
    versions["instructions"] = f"PyTorch {torch.backends.cpu.get_cpu_capability()}"
    if "train" in asked:
        result = {"steps": train(model, rows, asked["train"], asked["batch"])}
    else:
        result = {"seconds": generate(model, rows, asked["generate"], asked["prompt"], asked["new"])}
    print(json.dumps({**result, "versions": versions}))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
