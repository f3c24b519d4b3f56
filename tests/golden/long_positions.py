"""Writes long_positions.json: log-probs of tokens at positions up to 6,000, at which a rotary angle in float32 differs from the exact angle.

The model is llama-tiny with other positions: max_position_embeddings and rope_theta are changed here and in the test. It computes in float64,
but for RMSNorm and the rotary angles, which transformers takes in float32 whatever it is asked. Token ids come from a generator that the test
repeats. "exact" are the log-probs with the angles in float64, so that the test can say that they differ from those by more than it allows.
"""

import json
import os

import torch
from transformers import LlamaConfig, LlamaForCausalLM

HERE = os.path.dirname(os.path.abspath(__file__))
TOKENS, VOCABULARY = 6000, 37
THETA = 10000.0
# Positions whose log-prob, that of the next token, is written.
PLACES = [*range(0, TOKENS - 1, 500), *range(TOKENS - 33, TOKENS - 1)]


def token_ids():
    ids, state = [], 1
    for _ in range(TOKENS):
        state = (1103515245 * state + 12345) % 2**31
        ids.append((state >> 16) % VOCABULARY)
    return ids


def angles_in_float64(rotary, theta):
    width = 2 * len(rotary.inv_freq)
    frequencies = theta ** (-torch.arange(0, width, 2, dtype=torch.float64) / width)

    def forward(x, position_ids):
        angles = (position_ids[..., None].double() * frequencies).repeat(1, 1, 2)
        return angles.cos().to(x.dtype), angles.sin().to(x.dtype)

    rotary.forward = forward


def log_probs(model, ids):
    with torch.no_grad():
        logps = model(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
    return [logps[place, ids[place + 1]].item() for place in PLACES]


def main():
    ids, directory = token_ids(), os.path.join(HERE, "llama-tiny")
    config = LlamaConfig.from_pretrained(directory)
    config.max_position_embeddings = 8192
    config.rope_parameters = {"rope_type": "default", "rope_theta": THETA}
    model = LlamaForCausalLM.from_pretrained(directory, config=config, dtype=torch.float64, attn_implementation="sdpa").eval()
    result = {"theta": THETA, "places": PLACES, "log_probs": log_probs(model, ids)}
    angles_in_float64(model.model.rotary_emb, THETA)
    result["exact"] = log_probs(model, ids)
    with open(os.path.join(HERE, "long_positions.json"), "w") as file:
        json.dump(result, file, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main()
