"""Writes dataset_files.json: which files of a directory Hugging Face's datasets reads for each split.

    python dataset_files.py

Each case is a directory of empty files; its README.md is written if the case has one.
"""

import json
import tempfile
from pathlib import Path

from datasets.data_files import DataFilesDict, get_data_patterns, sanitize_patterns
from datasets.utils.metadata import MetadataConfigs
from huggingface_hub import DatasetCard

CASES = {
    "shards": ["data/train-00000-of-00002.parquet", "data/train-00001-of-00002.parquet", "data/test-00000-of-00001.parquet",
               "README.md", ".gitattributes", "data/extra.jsonl"],
    "shards of other splits": ["data/train_prefs-00000-of-00001-0ab1.parquet", "data/test_prefs-00000-of-00001-9.parquet",
                               "data/train_sft-00000-of-00001.parquet"],
    "shards outside data": ["train-00000-of-00001.parquet", "validation-00000-of-00001.parquet"],
    "files": ["train.jsonl", "test.jsonl", "notes.jsonl"],
    "other words": ["training.jsonl", "dev.jsonl", "evaluation.jsonl"],
    "words in names": ["hh-train.jsonl", "hh_test.jsonl", "my.val.json", "retrain.jsonl", "testing1.jsonl", "train2.jsonl", "eval 3.jsonl"],
    "directories": ["train/a.jsonl", "train/b.jsonl", "test/a.jsonl", "c.jsonl"],
    "directories inside": ["en/train/a.jsonl", "en/val/a.jsonl", "de/train-1/a.jsonl"],
    "no splits": ["part-00000.json", "part-00001.json", "more/part-2.json"],
    "hidden": ["a.jsonl", ".b.jsonl", ".cache/c.jsonl", "__pycache__/d.jsonl", "dataset_info.json", "config.json"],
    "upper case": ["Train.jsonl", "TEST.jsonl"],
    "one split": ["test.jsonl"],
}

CARDS = {
    "one config": ("configs:\n- config_name: default\n  data_files:\n  - split: train\n    path: data/train-*\n  - split: test_prefs\n    path:\n"
                   "    - a/*.jsonl\n    - b/**\n", ["data/train-0.jsonl", "data/train-1.jsonl", "a/1.jsonl", "a/x/2.jsonl", "b/3.jsonl", "b/c/4.jsonl"]),
    "two configs": ("configs:\n- config_name: en\n  data_files: en/*.jsonl\n- config_name: de\n  default: true\n  data_files:\n  - split: train\n"
                    "    path: de/[a-b].jsonl\n", ["en/a.jsonl", "de/a.jsonl", "de/b.jsonl", "de/c.jsonl"]),
}


def relative(files, directory):
    return {str(split): sorted(str(Path(f).relative_to(directory)) for f in found) for split, found in files.items()}


def write(directory, names):
    for name in names:
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")


def main():
    out = {"patterns": {}, "cards": {}}
    for name, files in CASES.items():
        with tempfile.TemporaryDirectory() as temporary:
            directory = Path(temporary).resolve()
            write(directory, files)
            found = DataFilesDict.from_patterns(get_data_patterns(str(directory)), base_path=str(directory))
            out["patterns"][name] = {"files": files, "splits": relative(found, directory)}
    for name, (card, files) in CARDS.items():
        with tempfile.TemporaryDirectory() as temporary:
            directory = Path(temporary).resolve()
            write(directory, files)
            (directory / "README.md").write_text(f"---\n{card}---\n# A data set\n")
            configs = MetadataConfigs.from_dataset_card_data(DatasetCard.load(directory / "README.md").data)
            splits = {config: relative(DataFilesDict.from_patterns(sanitize_patterns(values["data_files"]), base_path=str(directory)), directory)
                      for config, values in configs.items()}
            out["cards"][name] = {"card": card, "files": files, "default": configs.get_default_config_name(), "configs": splits}
    Path(__file__).with_suffix(".json").write_text(json.dumps(out) + "\n")


if __name__ == "__main__":
    main()
