"""Writes four_bit_models.json, and the checkpoints in four-bit/: small models that transformers loads with bitsandbytes in 4 bits, on the CPU.

The JSON has the first digits of the SHA-256 of the values of each quantised weight, as float32, in the shape that bitsandbytes quantises. The values are those of
its code in Python: with rows of 32 elements, half a block, its library for the CPU takes the absmax of other blocks (0.50.2). Fails unless the
modules that are quantised are all linear layers but the head.
"""

import hashlib
import json
import os
import shutil

import bitsandbytes as bnb
import torch
from bitsandbytes.backends.default.ops import _dequantize_4bit_compute
from bitsandbytes.backends.utils import _get_4bit_code
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

HERE = os.path.dirname(os.path.abspath(__file__))
FAMILIES = "mistral qwen2 qwen3 smollm3 granite olmo2 gemma2 gemma3 phi3 gpt2 even-gpt2 gpt-neox starcoder2 olmo3"
QUANTISED = ["llama-tiny"] + ["families/" + family for family in FAMILIES.split()]
DIGITS = 16  # of a hash
SAVED = [("llama", "llama-tiny", "nf4", True, torch.bfloat16), ("gpt2", "families/gpt2", "fp4", False, torch.float32)]


def load(model, quant_type, is_nested, dtype):
    config = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type=quant_type, bnb_4bit_use_double_quant=is_nested, bnb_4bit_compute_dtype=dtype
    )
    return AutoModelForCausalLM.from_pretrained(os.path.join(HERE, model), quantization_config=config, dtype=dtype, device_map="cpu")


def decoded(codes, state):
    absmax = state.absmax
    if state.nested:
        absmax = bnb.functional.dequantize_blockwise(absmax, state.state2) + state.offset
    code = _get_4bit_code(state.quant_type, codes.device)
    return _dequantize_4bit_compute(codes.reshape(-1), absmax.float(), code, state.blocksize, state.shape, state.dtype).float()


def hashes(model):
    result = {}
    for name, module in model.named_modules():
        if isinstance(module, bnb.nn.Linear4bit):
            values = decoded(module.weight.data, module.weight.quant_state) + 0.0
            result[name + ".weight"] = hashlib.sha256(values.contiguous().numpy().tobytes()).hexdigest()[:DIGITS]
        else:
            assert not isinstance(module, torch.nn.Linear) or "lm_head" in name or "embed_out" in name, name
    return result


def main():
    cases = []
    for model in QUANTISED:
        for quant_type in ("nf4", "fp4") if model == "llama-tiny" else ("nf4",):
            loaded = load(model, quant_type, False, torch.float32)
            cases.append({"model": model, "quant_type": quant_type, "values": hashes(loaded)})
    saved = []
    for name, model, quant_type, is_nested, dtype in SAVED:
        directory = os.path.join(HERE, "four-bit", name)
        shutil.rmtree(directory, ignore_errors=True)
        loaded = load(model, quant_type, is_nested, dtype)
        loaded.save_pretrained(directory)
        saved.append({"directory": "four-bit/" + name, "values": hashes(loaded)})
    with open(os.path.join(HERE, "four_bit_models.json"), "w") as file:
        json.dump({"quantised": cases, "saved": saved}, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
