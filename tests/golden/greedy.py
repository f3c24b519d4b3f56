"""Learning rates of transformers.optimization.GreedyLR after each of a sequence of metrics: greedy.json."""

import json
import random
from pathlib import Path

from transformers.optimization import GreedyLR

from plateau import rates

CASES = [
    {},
    {"patience": 1, "min_lr": 1e-5},
    {"patience": 0, "factor": 0.5, "threshold": 0.05, "threshold_mode": "rel", "min_lr": 0},
    {"patience": 1, "factor": 0.3, "threshold": 0.02, "cooldown": 2, "warmup": 1, "min_lr": 1e-6},
    {"mode": "max", "patience": 1, "factor": 0.5, "threshold": 0.03, "threshold_mode": "rel", "min_lr": 1e-6, "max_lr": 2e-3},
    {"mode": "max", "patience": 0, "factor": 0.5, "min_lr": 2.5e-4, "reset_start": 3, "cooldown": 1},
    {"patience": 0, "factor": 0.7, "min_lr": 3e-4, "reset_start": 2, "smooth": True, "window_size": 4},
    {"patience": 0, "factor": 0.5, "eps": 2e-4, "min_lr": 0},
]


def main():
    draw = random.Random(5)
    falling = [round(0.7 * 0.97**i + draw.uniform(-0.05, 0.05), 4) for i in range(20)]
    metrics = falling + [falling[-1] - 0.01 * i for i in range(10)] + [0.9 + 0.01 * i for i in range(20)]
    cases = []
    for kwargs in CASES:
        given = [1 - m for m in metrics] if kwargs.get("mode") == "max" else metrics
        if not kwargs.get("smooth"):
            given = given[:25] + [float("nan")] + given[25:]
        cases.append({"kwargs": kwargs, "metrics": [str(m) for m in given], "rates": rates(GreedyLR, given, kwargs)})
    Path(__file__).with_suffix(".json").write_text(json.dumps({"lr": 1e-3, "cases": cases}) + "\n")


if __name__ == "__main__":
    main()
