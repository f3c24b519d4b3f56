"""Implicit rewards of llama-tiny against the reference llama-tiny-untied, in float64, and their calibration, by numpy's histograms.

    python rewards.py     # writes rewards.json
"""

import json
import random

import numpy
import torch
from transformers import AutoModelForCausalLM

BETA = 0.3
BINS = 5


def load(name):
    return AutoModelForCausalLM.from_pretrained(name, dtype=torch.float64).eval()


def token_logps(model, prompt, completion):
    ids = torch.tensor([prompt + completion])
    with torch.no_grad():
        logps = model(input_ids=ids).logits[0, :-1].log_softmax(-1)
    return logps.gather(1, ids[0, 1:, None])[len(prompt) - 1 :, 0]


def main():
    policy, reference = load("llama-tiny"), load("llama-tiny-untied")
    draw = random.Random(14)
    rows, margins = [], []
    for _ in range(24):
        ids = [[draw.randrange(3, 37) for _ in range(draw.randint(1, 8))] for _ in range(3)]
        row = dict(zip(("prompt_ids", "chosen_ids", "rejected_ids"), ids))
        for side in ("chosen", "rejected"):
            pi = token_logps(policy, ids[0], row[side + "_ids"])
            ref = token_logps(reference, ids[0], row[side + "_ids"])
            row[side + "_logps"] = pi.sum().item()
            row["ref_" + side + "_logps"] = ref.sum().item()
            row[side + "_token_rewards"] = (BETA * (pi - ref)).tolist()
        rows.append(row)
        margins.append(sum(row["chosen_token_rewards"]) - sum(row["rejected_token_rewards"]))
    margins = numpy.array(margins)
    confidence = 1 / (1 + numpy.exp(-abs(margins)))
    edges = numpy.linspace(0.5, 1, BINS + 1)
    count, _ = numpy.histogram(confidence, edges)
    sure, _ = numpy.histogram(confidence, edges, weights=confidence)
    right, _ = numpy.histogram(confidence, edges, weights=(margins > 0).astype(float))
    with open("rewards.json", "w") as file:
        json.dump({
            "beta": BETA,
            "bins": BINS,
            "accuracy": float((margins > 0).mean()),
            "loss": float(numpy.logaddexp(0, -margins).mean()),
            "calibration_error": float((abs(right - sure)).sum() / len(margins)),
            "counts": count.tolist(),
            "rows": rows,
        }, file)
        file.write("\n")


if __name__ == "__main__":
    main()
