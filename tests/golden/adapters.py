"""Writes LoRA adapters of the models in families/, and PEFT's results for them.

    python adapters.py [CASE ...]    writes adapters/<case>/ beside this file, and removes it first; without names, all of adapters/

Each directory is an adapter as PEFT saves it (adapter_config.json, adapter_model.safetensors, float32) with base_model_name_or_path
"families/<case>", plus
    golden.json            the loss
    logits.safetensors     f32[length, vocabulary] of sequence i of families/<case>/golden.json under the name i
    gradients.safetensors  d loss / d (matrix) under the matrix's name in adapter_model.safetensors

The loss is that of families.py. A and B are random, so that the adapter changes every logit, but by less than the model. Everything is computed by PEFT from the files, in
float64, and only then rounded to float32. The script stops if the adapter changes the logits by less than a tenth of the largest, if merging it
changes them by more than rounding, or if the base model has changed.
"""

import json
import os
import shutil
import sys

os.environ["TRANSFORMERS_VERBOSITY"] = "error"
os.environ["ATEN_CPU_CAPABILITY"] = "default"  # as in rotary.py

import families  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from peft import LoraConfig, PeftModel, get_peft_model  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "adapters")
ALL = {"r": 4, "lora_alpha": 6, "target_modules": "all-linear"}
PATTERNS = {
    "r": 4,
    "lora_alpha": 6,
    "target_modules": ["q_proj", "k_proj", "v_proj", "up_proj"],
    "use_rslora": True,
    "rank_pattern": {"q_proj": 2, "layers.0.self_attn.v_proj": 9},
    "alpha_pattern": {r"layers\.\d\.mlp\.up_proj": 3},
}
CASES = {
    "llama-bias": {"r": 3, "lora_alpha": 5, "target_modules": ["q_proj", "v_proj"]},
    "even-llama-llama3": ALL,
    "mistral": ALL,
    "qwen2": PATTERNS,
    "qwen3": ALL,
    "smollm3": {"r": 4, "lora_alpha": 6, "target_modules": r"model\.layers\.[01]\..*(k_proj|down_proj)"},
    "granite": ALL,
    "olmo2": ALL,
    "gemma2": ALL,
    "gemma3": ALL,
    "phi3": ALL,
    "gpt2": ALL,
    "gpt-neox": ALL,
    "gpt-neox-serial": {"r": 4, "lora_alpha": 6, "target_modules": ["query_key_value"]},
    "starcoder2": ALL,
    "olmo3": ALL,
}
CHANGES, ROUNDING = 1e-1, 1e-12


def base(name):
    directory = os.path.join(families.ROOT, name)
    return families.load(directory, families.read_json(directory, "config.json"), torch.float32)


def write_adapter(name, options, directory):
    model = get_peft_model(base(name), LoraConfig(task_type="CAUSAL_LM", **options))
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if "lora_" in key:
                parameter.copy_((0.3 if "lora_A" in key else 0.1) * torch.randn(parameter.shape, generator=generator))
    model.peft_config["default"].base_model_name_or_path = f"families/{name}"
    model.save_pretrained(directory)
    os.remove(os.path.join(directory, "README.md"))


def gradients(model, sequences):
    """As families.gradients, of the trained parameters."""
    loss = torch.zeros((), dtype=torch.float64)
    for sequence in sequences:
        ids = torch.tensor(sequence["ids"])
        families.forget_lengths(model.get_base_model())
        logits = model(input_ids=ids[None], use_cache=False).logits[0]
        logps = logits.log_softmax(-1)[:-1].gather(1, ids[1:, None])[:, 0]
        loss = loss + sequence["weight"] * logps[sequence["prompt"] - 1 :].sum()
    loss.backward()
    grads = {key.replace(".default", ""): parameter.grad for key, parameter in model.named_parameters() if parameter.requires_grad}
    return loss.item(), grads


def all_logits(model, sequences):
    with torch.no_grad():
        return [model(input_ids=torch.tensor([sequence["ids"]]), use_cache=False).logits[0] for sequence in sequences]


def write(name, options):
    directory = os.path.join(ROOT, name)
    shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(directory)
    write_adapter(name, options, directory)
    sequences = families.read_json(os.path.join(families.ROOT, name), "golden.json")["sequences"]
    plain = torch.cat(all_logits(base(name).double(), sequences))
    model = PeftModel.from_pretrained(base(name), directory, is_trainable=True).double()
    expected = all_logits(model, sequences)
    change = families.difference(torch.cat(expected), plain)
    if change < CHANGES:
        raise SystemExit(f"{name}: the adapter changes the logits by {change:.1e} only")
    loss, grads = gradients(model, sequences)
    with model.disable_adapter():
        if not torch.equal(torch.cat(all_logits(model, sequences)), plain):
            raise SystemExit(f"{name}: without the adapter the model is another")
    merged = families.difference(torch.cat(all_logits(model.merge_and_unload(), sequences)), torch.cat(expected))
    if merged > ROUNDING:
        raise SystemExit(f"{name}: merging changes the logits by {merged:.1e}")
    save_file({str(i): part.float().contiguous() for i, part in enumerate(expected)}, os.path.join(directory, "logits.safetensors"))
    save_file({key: value.float().contiguous() for key, value in grads.items()}, os.path.join(directory, "gradients.safetensors"))
    with open(os.path.join(directory, "golden.json"), "w") as file:
        file.write(f'{{"loss": {json.dumps(loss)}}}\n')
    print(f"{name}: {sum(value.numel() for value in grads.values())} parameters, logits changed by {change:.2f}")


def main():
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(1)
    names = sys.argv[1:]
    unknown = set(names) - set(CASES)
    if unknown:
        raise SystemExit(f"there is no case {', '.join(sorted(unknown))}")
    if not names:
        shutil.rmtree(ROOT, ignore_errors=True)
    for name, options in CASES.items():
        if not names or name in names:
            write(name, options)


if __name__ == "__main__":
    main()
