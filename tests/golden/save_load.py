"""Compares a model directory that dpo4j wrote with what dpo4j says of it, by loading it with transformers.

    ./dpo4j logps --model_name_or_path DIR --dataset_name pairs.jsonl --per_token > logps.jsonl
    python save_load.py DIR pairs.jsonl logps.jsonl

pairs.jsonl has rows of prompt_ids, chosen_ids, rejected_ids; logps.jsonl what dpo4j printed for them. Exits 1 when a sum differs by more than
2e-3 (fp32 on both sides), or when transformers misses or does not know a tensor.
"""

import json
import sys

import torch
from transformers import AutoModelForCausalLM

TOLERANCE = 2e-3


def rows(path):
    with open(path) as file:
        return [json.loads(line) for line in file if line.strip()]


def completion_logps(model, prompt, completion):
    ids = torch.tensor([prompt + completion])
    with torch.no_grad():
        logps = model(input_ids=ids).logits[0, :-1].double().log_softmax(-1)
    return logps.gather(1, ids[0, 1:, None])[len(prompt) - 1 :, 0].sum().item()


def main():
    directory, pairs, printed = sys.argv[1:]
    model, report = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32, output_loading_info=True)
    wrong = {key: sorted(value) for key, value in report.items() if value}
    if wrong:
        sys.exit(f"save_load: {directory} does not load cleanly: {wrong}")
    worst = 0.0
    for pair, row in zip(rows(pairs), rows(printed), strict=True):
        for side in ("chosen", "rejected"):
            expected = completion_logps(model.eval(), pair["prompt_ids"], pair[side + "_ids"])
            worst = max(worst, abs(row[side + "_logps"] - expected))
    print(f"save_load: {directory}: largest difference of a sum {worst:.2e}, allowed {TOLERANCE}")
    sys.exit(worst > TOLERANCE)


if __name__ == "__main__":
    main()
