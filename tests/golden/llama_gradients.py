"""Writes tiny random Llamas as Hugging Face directories, and PyTorch's results for a few preference pairs with them.

    python llama_gradients.py            writes llama-tiny/, llama-tiny-untied/ and llama-odd/ beside this file

Each directory is a model (config.json, model.safetensors) plus
    golden.json            pairs as token ids; per completion its token log-probs and their sum; the DPO loss of each pair and their mean
    gradients.safetensors  d (mean loss) / d (parameter), under the parameter's own name

Everything is computed by transformers' LlamaForCausalLM from the weights as stored, every completion on its own behind its prompt, in
float64 (but for RMSNorm and the rotary angles, which it computes in float32 whatever it is asked), and only then rounded to what the
files hold. The reference model is not stored: its sums are inputs of the loss, as float32.

They differ in all that a reader of such files can get wrong:
    llama-tiny          float32, tied embeddings (no lm_head.weight in the file), 4 heads over 2 kv heads; config.json with rope_theta
    llama-tiny-untied   bfloat16, lm_head of its own, 2 heads over 1 kv head, another theta; config.json with rope_parameters
    llama-odd           bfloat16, sizes that are no multiples of 4, 7 heads over 1 kv head, heads wider than hidden size / heads
"""

import copy
import json
import os

import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

HERE = os.path.dirname(os.path.abspath(__file__))
BETA = 0.1
# prompt, chosen and rejected lengths: ordinary, a completion of one token, a prompt of one token
LENGTHS = [(7, 5, 9), (4, 1, 3), (1, 6, 2)]


def random_model(config, seed, dtype, deviation):
    """Weights so large that no softmax is flat and no norm weight is 1. They are representable in dtype; computation is in float64."""
    model = LlamaForCausalLM(config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(1 + 0.2 * noise if "norm" in name else deviation * noise)
            parameter.copy_(parameter.to(dtype))
    return model.double().eval()


def token_logps(model, prompt, completion):
    ids = torch.tensor([prompt + completion])
    logps = model(input_ids=ids).logits[0, :-1].log_softmax(-1)
    return logps.gather(1, ids[0, 1:, None])[len(prompt) - 1 :, 0]


def random_pairs(vocabulary, seed):
    generator = torch.Generator().manual_seed(seed)
    def draw(count):
        return torch.randint(0, vocabulary, (count,), generator=generator).tolist()

    return [{"prompt_ids": draw(p), "chosen_ids": draw(c), "rejected_ids": draw(r)} for p, c, r in LENGTHS]


def golden(model, reference, pairs):
    """Adds results to the pairs, and leaves the gradient of the mean loss in the model."""
    losses = []
    for pair in pairs:
        logratios = {}
        for side in ("chosen", "rejected"):
            logps = token_logps(model, pair["prompt_ids"], pair[side + "_ids"])
            with torch.no_grad():
                reference_sum = token_logps(reference, pair["prompt_ids"], pair[side + "_ids"]).sum().float().double()
            logratios[side] = logps.sum() - reference_sum
            pair[side + "_token_logps"] = logps.tolist()
            pair[side + "_logps"] = logps.sum().item()
            pair["reference_" + side + "_logps"] = reference_sum.item()
        loss = -torch.nn.functional.logsigmoid(BETA * (logratios["chosen"] - logratios["rejected"]))
        pair["loss"] = loss.item()
        losses.append(loss)
    mean = torch.stack(losses).mean()
    mean.backward()
    return {"beta": BETA, "loss": mean.item(), "pairs": pairs}


def write(name, config, dtype, seed, classic_config, deviation=0.3):
    directory = os.path.join(HERE, name)
    os.makedirs(directory, exist_ok=True)
    model = random_model(config, seed, dtype, deviation)
    result = golden(model, random_model(copy.deepcopy(config), seed + 1, dtype, deviation), random_pairs(config.vocab_size, seed + 2))
    gradients = {key: parameter.grad.float().contiguous() for key, parameter in model.named_parameters()}
    save_file(gradients, os.path.join(directory, "gradients.safetensors"))
    with open(os.path.join(directory, "golden.json"), "w") as file:
        json.dump(result, file, indent=1)
        file.write("\n")
    model.to(dtype).save_pretrained(directory)
    os.remove(os.path.join(directory, "generation_config.json"))
    if classic_config:
        rewrite_as_before_version_5(os.path.join(directory, "config.json"), config.rope_parameters["rope_theta"])
    print(name, "loss", result["loss"], "parameters", sum(g.numel() for g in gradients.values()))


def rewrite_as_before_version_5(path, theta):
    """Most published models still have rope_theta and torch_dtype at the top level."""
    with open(path) as file:
        config = json.load(file)
    del config["rope_parameters"]
    config["rope_theta"] = theta
    config["rope_scaling"] = None
    config["torch_dtype"] = config.pop("dtype")
    with open(path, "w") as file:
        json.dump(config, file, indent=2, sort_keys=True)
        file.write("\n")


def main():
    tied = LlamaConfig(
        vocab_size=37, hidden_size=32, intermediate_size=24, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        max_position_embeddings=64, rms_norm_eps=1e-5, tie_word_embeddings=True,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
    )  # fmt: skip
    untied = LlamaConfig(
        vocab_size=37, hidden_size=16, intermediate_size=40, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
        max_position_embeddings=64, rms_norm_eps=1e-6, tie_word_embeddings=False,
        rope_parameters={"rope_type": "default", "rope_theta": 500.0},
    )  # fmt: skip
    odd = LlamaConfig(
        vocab_size=53, hidden_size=35, intermediate_size=21, num_hidden_layers=2, num_attention_heads=7, num_key_value_heads=1,
        head_dim=6, max_position_embeddings=64, rms_norm_eps=1e-5, tie_word_embeddings=False,
        rope_parameters={"rope_type": "default", "rope_theta": 100.0},
    )  # fmt: skip
    write("llama-tiny", tied, torch.float32, 1, classic_config=True)
    write("llama-tiny-untied", untied, torch.bfloat16, 11, classic_config=False)
    # Smaller weights: one key head receives the gradients of 7 heads, which cancel in part. With 0.3, bf16 arithmetic (PyTorch's too) is off
    # by 0.1 of them.
    write("llama-odd", odd, torch.bfloat16, 21, classic_config=False, deviation=0.2)


if __name__ == "__main__":
    main()
