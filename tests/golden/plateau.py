"""Learning rates of torch.optim.lr_scheduler.ReduceLROnPlateau after each of a sequence of metrics: plateau.json."""

import json
import random
from pathlib import Path

import torch

CASES = [
    {},
    {"patience": 1},
    {"patience": 0, "factor": 0.5, "threshold": 0.05},
    {"patience": 1, "factor": 0.3, "threshold": 0.02, "threshold_mode": "abs", "cooldown": 2},
    {"mode": "max", "patience": 1, "factor": 0.5, "threshold": 0.03},
    {"mode": "max", "patience": 0, "factor": 0.5, "threshold": 0.03, "threshold_mode": "abs", "min_lr": 1e-4},
    {"patience": 0, "factor": 0.5, "eps": 2e-4},
]


def rates(scheduler_class, metrics, kwargs):
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1e-3)
    scheduler = scheduler_class(optimizer, **kwargs)
    found = []
    for metric in metrics:
        scheduler.step(metric)
        found.append(optimizer.param_groups[0]["lr"])
    return found


def main():
    draw = random.Random(5)
    falling = [round(0.7 * 0.97**i + draw.uniform(-0.05, 0.05), 4) for i in range(40)]
    cases = []
    for kwargs in CASES:
        metrics = [1 - m for m in falling] if kwargs.get("mode") == "max" else falling
        metrics = metrics[:20] + [float("nan")] + metrics[20:]
        cases.append({"kwargs": kwargs, "metrics": [str(m) for m in metrics], "rates": rates(torch.optim.lr_scheduler.ReduceLROnPlateau, metrics, kwargs)})
    Path(__file__).with_suffix(".json").write_text(json.dumps({"lr": 1e-3, "cases": cases}) + "\n")


if __name__ == "__main__":
    main()
