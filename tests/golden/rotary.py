"""Writes rotary.json: frequencies, cosines and sines of transformers' LlamaRotaryEmbedding, float32.

PyTorch's float32 power depends on the processor; the environment variable below takes glibc's everywhere.
"""

import json
import os

os.environ["ATEN_CPU_CAPABILITY"] = "default"

import torch  # noqa: E402
from transformers import LlamaConfig  # noqa: E402
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
THETAS = (10000.0, 500000.0, 1000000.0)
WIDTHS = (8, 16, 24, 40, 64, 72, 80, 96, 104, 112, 120, 128, 256)
# Widths and positions for which cosines and sines are written.
SHOWN, POSITIONS = (24, 128), (1, 511, 5999, 32768, 131071)


def short(tensor):
    """Nine digits identify a float32."""
    return [float(f"{x:.9g}") for x in tensor.tolist()]


def main():
    cases = []
    for theta in THETAS:
        for width in WIDTHS:
            config = LlamaConfig(
                hidden_size=width, num_attention_heads=1, max_position_embeddings=131072,
                rope_parameters={"rope_type": "default", "rope_theta": theta},
            )  # fmt: skip
            rotary = LlamaRotaryEmbedding(config)
            case = {"theta": theta, "width": width, "frequencies": short(rotary.inv_freq)}
            if width in SHOWN:
                cosine, sine = rotary(torch.zeros(1, dtype=torch.float32), torch.tensor([POSITIONS]))
                case["positions"] = POSITIONS
                case["cosine"] = [short(row[: width // 2]) for row in cosine[0]]
                case["sine"] = [short(row[: width // 2]) for row in sine[0]]
            cases.append(case)
    with open(os.path.join(HERE, "rotary.json"), "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases) + "\n]\n")


if __name__ == "__main__":
    main()
