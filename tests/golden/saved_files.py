"""Writes the sha256 of the files that transformers' save_pretrained writes for the models of families/, in three dtypes and in shards.

    python saved_files.py [FAMILY ...]    writes saved_files.json beside this file; with names, replaces only these families

    files    family -> dtype and max_shard_size -> file -> sha256, of weights and index
    sizes    max_shard_size as text -> bytes
"""

import hashlib
import json
import os
import sys
import tempfile

import torch
import transformers
from huggingface_hub.serialization._base import parse_size_to_int
from transformers import AutoModelForCausalLM

HERE = os.path.dirname(os.path.abspath(__file__))
FAMILIES = os.path.join(HERE, "families")
FORMATS = [("float32", "50GB"), ("bfloat16", "50GB"), ("float16", "50GB"), ("float32", "4KB"), ("bfloat16", "7.5KB")]
SIZES = ["50GB", "5GB", "500MB", " 1.5 kb ", "2TB", "0.0005mb", "7.0009KB"]


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def saved(source, dtype, size):
    model = AutoModelForCausalLM.from_pretrained(source, dtype=getattr(torch, dtype))
    with tempfile.TemporaryDirectory() as directory:
        model.save_pretrained(directory, max_shard_size=size)
        names = sorted(name for name in os.listdir(directory) if name.startswith("model"))
        return {name: sha256(os.path.join(directory, name)) for name in names}


def main():
    transformers.logging.disable_progress_bar()
    path, names, files = os.path.join(HERE, "saved_files.json"), sys.argv[1:], {}
    if names:
        with open(path) as file:
            files = json.load(file)["files"]
    for family in names or os.listdir(FAMILIES):
        source = os.path.join(FAMILIES, family)
        files[family] = {f"{dtype} {size}": saved(source, dtype, size) for dtype, size in FORMATS}
    files = dict(sorted(files.items()))
    with open(path, "w") as file:
        json.dump({"files": files, "sizes": {size: parse_size_to_int(size) for size in SIZES}}, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    sys.exit(main())
