"""Writes family_defaults.json: the config of each family's class in transformers, without arguments."""

import json
import os

from transformers import CONFIG_MAPPING

HERE = os.path.dirname(os.path.abspath(__file__))
FAMILIES = (
    "llama", "mistral", "qwen2", "qwen3", "smollm3", "granite", "olmo2", "olmo3", "phi3", "gemma2", "gemma3_text", "gpt2", "gpt_neox",
    "starcoder2",
)  # fmt: skip


def main():
    configs = [json.dumps(CONFIG_MAPPING[family]().to_dict(), separators=(",", ":"), sort_keys=True) for family in FAMILIES]
    with open(os.path.join(HERE, "family_defaults.json"), "w") as file:
        file.write("[\n" + ",\n".join(configs) + "\n]\n")


if __name__ == "__main__":
    main()
