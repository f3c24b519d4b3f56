"""Writes length_groups.json: orders of get_length_grouped_indices of transformers (requirements.txt), for given shuffled rows."""

import json
import random
from pathlib import Path

import torch
from transformers.trainer_pt_utils import get_length_grouped_indices

CASES = [(1, 8), (5, 8), (31, 8), (32, 8), (100, 8), (1000, 4), (1003, 4), (700, 16), (64, 1)]

cases = []
for rows, step_rows in CASES:
    generator = random.Random(rows * 100 + step_rows)
    lengths = [generator.randint(1, 30) for _ in range(rows)]
    shuffled = generator.sample(range(rows), rows)
    torch.randperm = lambda count, generator=None: torch.tensor(shuffled)
    order = get_length_grouped_indices(lengths, step_rows)
    cases.append({"step_rows": step_rows, "lengths": lengths, "shuffled": shuffled, "order": [int(i) for i in order]})
Path(__file__).with_suffix(".json").write_text(json.dumps(cases, separators=(",", ":")) + "\n")
