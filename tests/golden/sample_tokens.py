"""Writes sample_tokens.json: probabilities of the next token after transformers' own logits processors.

The processors, and their order, are those that `generate` makes from a GenerationConfig. Run with the packages of requirements.txt.
"""

import json
import os

import torch
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

VOCABULARY = 24
IDS = [3, 7, 7, 0, 19]  # prompt and generated tokens

# Logits are multiples of 1/4 where `ties` is set, so that many are equal.
CASES = {
    "plain": {},
    "temperature": {"temperature": 0.6},
    "hot": {"temperature": 3.0},
    "top_k": {"top_k": 5},
    "top_k-ties": {"top_k": 5, "ties": True},
    "top_k-all": {"top_k": 24},
    "top_p": {"top_p": 0.8},
    "top_p-ties": {"top_p": 0.55, "ties": True},
    "top_p-one": {"top_p": 0.01},
    "top_p-zero-ties": {"top_p": 0.0, "ties": True},
    "min_p": {"min_p": 0.2},
    "min_p-one-ties": {"min_p": 1.0, "ties": True},
    "penalty": {"repetition_penalty": 1.7},
    "bonus": {"repetition_penalty": 0.6},
    "min_new_tokens": {"min_new_tokens": 6, "eos_token_id": [4, 11]},
    "top_k-top_p": {"top_k": 9, "top_p": 0.7, "temperature": 1.5},
    "all": {
        "temperature": 1.4,
        "top_k": 12,
        "top_p": 0.93,
        "min_p": 0.12,
        "repetition_penalty": 1.3,
        "min_new_tokens": 6,
        "eos_token_id": [2],
    },
    "all-ties": {"temperature": 0.9, "top_k": 8, "top_p": 0.9, "min_p": 0.05, "repetition_penalty": 2.0, "ties": True},
}


def processors(model, options):
    config = GenerationConfig(do_sample=True, **{"top_k": 0, "top_p": 1.0, "temperature": 1.0, **options})
    config, _ = model._prepare_generation_config(config)
    model._prepare_special_tokens(config, device="cpu")
    return model._get_logits_processor(config, input_ids_seq_length=2, prefix_allowed_tokens_fn=None, device="cpu")


def main():
    model = LlamaForCausalLM(
        LlamaConfig(vocab_size=VOCABULARY, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1)
    )
    random = torch.Generator().manual_seed(5)
    cases = []
    for name, given in CASES.items():
        options = {key: value for key, value in given.items() if key != "ties"}
        logits = 2 * torch.randn(1, VOCABULARY, generator=random)
        if given.get("ties"):
            logits = torch.round(logits * 0.7 * 4) / 4
            logits[0, 9:14] = logits.max()
        scores = processors(model, options)(torch.tensor([IDS]), logits.clone())
        cases.append(
            {
                "name": name,
                "logits": logits[0].tolist(),
                "options": options,
                "probabilities": torch.softmax(scores, -1)[0].tolist(),
            }
        )
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "sample_tokens.json")
    with open(path, "w") as file:
        lines = ",\n".join(json.dumps(case) for case in cases)
        file.write(f'{{"ids": {IDS}, "prompt": 2, "cases": [\n{lines}\n]}}\n')


if __name__ == "__main__":
    main()
