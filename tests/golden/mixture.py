"""Writes mixture.json: rows of mixtures of data sets, in order, by TRL's get_dataset.

    python mixture.py
"""

import json
import os
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
from trl import DatasetMixtureConfig, get_dataset  # noqa: E402

SIZES = {"a": 7, "b": 4, "c": 10}
CASES = {
    "no fractions": [{"path": "a"}, {"path": "b"}],
    "halves": [{"path": "a", "fraction": 0.5}, {"path": "b", "fraction": 0.5}],
    "parts": [{"path": "a", "fraction": 3}, {"path": "b", "fraction": 1}, {"path": "c", "fraction": 2}],
    "ties to even": [{"path": "c", "fraction": 5}, {"path": "b", "fraction": 3}, {"path": "a", "fraction": 1}],
    "columns": [{"path": "a", "columns": ["x"]}, {"path": "b", "columns": ["x"], "split": "train"}],
}


def main():
    out = {"sizes": SIZES, "cases": {}}
    with tempfile.TemporaryDirectory() as temporary:
        for name, size in SIZES.items():
            directory = Path(temporary, name)
            directory.mkdir()
            rows = [json.dumps({"x": f"{name}{i}", "y": i}) for i in range(size)]
            (directory / "train.jsonl").write_text("\n".join(rows) + "\n")
        for name, datasets in CASES.items():
            config = DatasetMixtureConfig(datasets=[{**one, "path": f"{temporary}/{one['path']}"} for one in datasets])
            rows = get_dataset(config)["train"]
            out["cases"][name] = {"datasets": datasets, "rows": rows["x"][:], "columns": rows.column_names}
    Path(__file__).with_suffix(".json").write_text(json.dumps(out) + "\n")


if __name__ == "__main__":
    main()
