"""Writes rotary_scaling.json: frequencies of transformers' scaled rotary embeddings, and the factor of cosine and sine, float32.

"parameters" are the rope_parameters of a config.json with a head width of "width". longrope has two lists: for sequences of up to
original_max_position_embeddings tokens, and for longer ones.
"""

import json
import os

os.environ["ATEN_CPU_CAPABILITY"] = "default"  # as in rotary.py

from rotary import short  # noqa: E402
from transformers import LlamaConfig  # noqa: E402
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
MAX_POSITIONS = 131072
LLAMA3 = {"rope_type": "llama3", "rope_theta": 5e5, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}
YARN = {"rope_type": "yarn", "rope_theta": 1e6, "factor": 4.0, "original_max_position_embeddings": 32768}
CASES = [
    (128, {"rope_type": "linear", "rope_theta": 1e4, "factor": 4.0}),
    (8, {"rope_type": "linear", "rope_theta": 100.0, "factor": 2.5}),
    (128, {"rope_type": "dynamic", "rope_theta": 1e4, "factor": 2.0}),
    (128, {**LLAMA3, "factor": 8.0}),  # Llama 3.1
    (64, {**LLAMA3, "factor": 32.0}),  # Llama 3.2
    (128, {**LLAMA3, "factor": 8.0, "low_freq_factor": 1.5, "high_freq_factor": 7.0}),
    (128, YARN),  # Qwen2.5, from its model card
    (64, YARN),
    (128, {**YARN, "factor": None}),
    (128, {**YARN, "factor": 1.0}),
    (128, {**YARN, "truncate": False}),
    (128, {**YARN, "attention_factor": 0.75}),
    (64, {**YARN, "factor": 40.0, "mscale": 1.0, "mscale_all_dim": 0.707, "original_max_position_embeddings": 4096, "rope_theta": 1e4}),
    (64, {**YARN, "mscale": 2.0, "mscale_all_dim": 0.0}),
    (64, {**YARN, "mscale": 2.0}),
    (128, {**YARN, "beta_fast": 8.0, "beta_slow": 2.0}),
    (128, {**YARN, "beta_fast": 0, "beta_slow": None}),
    # Both ends of the range on one index, and a range that ends beyond the last.
    (16, {**YARN, "beta_fast": 1.0, "beta_slow": 1.0, "truncate": False}),
    (16, {**YARN, "rope_theta": 50.0, "beta_fast": 6000.0}),
    (
        16,
        {
            "rope_type": "longrope", "rope_theta": 1e4, "short_factor": [1.0, 1.02, 1.05, 1.1, 1.2, 1.3, 1.5, 2.0],
            "long_factor": [1.08, 1.3, 2.0, 4.0, 9.0, 20.0, 40.0, 64.0], "original_max_position_embeddings": 4096,
        },
    ),
    (
        8,
        {
            "rope_type": "longrope", "rope_theta": 1e4, "short_factor": [1.0, 1.0, 1.0, 1.5], "long_factor": [1.0, 2.0, 3.0, 4.0],
            "original_max_position_embeddings": 4096, "factor": 16.0, "attention_factor": 1.25,
        },
    ),
]  # fmt: skip


def main():
    cases = []
    for width, parameters in CASES:
        config = LlamaConfig(
            hidden_size=width, num_attention_heads=1, max_position_embeddings=MAX_POSITIONS, rope_parameters=dict(parameters)
        )
        compute = ROPE_INIT_FUNCTIONS[parameters["rope_type"]]
        frequencies, factor = compute(config, seq_len=1)
        case = {"width": width, "max_positions": MAX_POSITIONS, "parameters": parameters, "factor": float(f"{factor:.17g}")}
        case["frequencies"] = short(frequencies)
        if parameters["rope_type"] == "longrope":
            case["long_frequencies"] = short(compute(config, seq_len=MAX_POSITIONS)[0])
        cases.append(case)
    with open(os.path.join(HERE, "rotary_scaling.json"), "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases) + "\n]\n")


if __name__ == "__main__":
    main()
