"""Shows that transformers loads what dpo4j saves, and gets the same logits and texts: ./dpo4j must be built. Writes saved_models.json.

    python saved_models.py [FAMILY ...]     with names, replaces only these

Each model of families/, but one of 8 positions, gets a tokenizer with a chat template, and a generation_config.json. dpo4j trains it for two steps
and saves it in shards. Then, of the saved directory:
    AutoTokenizer           the ids of a text, and of a conversation by the chat template, are those that dpo4j generates from
    AutoModelForCausalLM    no tensor is missing, unexpected or of another shape; the log-probs of all tokens after three prompts are those of dpo4j
    pipeline                the greedy texts, of the length in generation_config.json, are those of dpo4j

    family -> difference of a log-prob, relative to the max logit; the texts after the text and the conversation
The script stops if anything else differs, or that difference is above 1e-4: twice the tolerance of one logit in FamilyTest.
"""

import json
import os
import shutil
import string
import subprocess
import sys
import tempfile

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast, pipeline

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
FAMILIES = os.path.join(HERE, "families")
SPECIAL = ["<pad>", "<s>", "</s>"]  # the ids 0, 1 and 2 in every config
TEMPLATE = "{% for m in messages %}{{ m.role[0] }}:{{ m.content }}{% if m.role == 'assistant' %}</s>{% endif %}{% endfor %}{% if add_generation_prompt %}a:{% endif %}"
TEXT = "a bad day"
CONVERSATION = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes"}, {"role": "user", "content": "why"}]
PROMPTS = [[1], [1, 7, 9, 4], [5, 6, 7, 8, 9, 10, 3, 2, 11]]
MAX_DIFFERENCE = 1e-4
TOO_SHORT = "llama-dynamic"  # 8 positions


def write_tokenizer(directory, size):
    """One token for each letter, byte-level: transformers reads the directories of a qwen2 with its own class, which is."""
    letters = string.ascii_lowercase + "Ġ.:" + string.digits + string.ascii_uppercase
    tokens = (SPECIAL + list(letters))[:size]
    assert len(tokens) == size, (len(tokens), size)
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, []))
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<s>", eos_token="</s>", chat_template=TEMPLATE)
    fast.save_pretrained(directory)


def write_model(family, directory):
    os.makedirs(directory)
    for name in ("config.json", "model.safetensors"):
        shutil.copy(os.path.join(FAMILIES, family, name), directory)
    with open(os.path.join(directory, "config.json")) as file:
        size = json.load(file)["vocab_size"]
    write_tokenizer(directory, size)
    with open(os.path.join(directory, "generation_config.json"), "w") as file:
        json.dump({"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "max_new_tokens": 7}, file)
    return size


def write_rows(path, rows):
    with open(path, "w") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    return path


def dpo4j(command, **options):
    arguments = [f"--{name}={value}" for name, value in options.items()]
    result = subprocess.run([os.path.join(ROOT, "dpo4j"), command, "--device=cpu", *arguments], capture_output=True, text=True)
    if result.returncode:
        sys.exit(result.stderr)
    return [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]


def log_probs_of_dpo4j(saved, folder, size):
    """One row for each pair of tokens after a prompt."""
    rows = [
        {"prompt_ids": prompt, "chosen_ids": [token], "rejected_ids": [(token + 1) % size]} for prompt in PROMPTS for token in range(0, size, 2)
    ]
    printed = dpo4j("logps", model_name_or_path=saved, dataset_name=write_rows(os.path.join(folder, "logps.jsonl"), rows))
    assert len(printed) == len(rows), (len(printed), len(rows))
    log_probs = torch.zeros(len(PROMPTS), size, dtype=torch.float64)
    for row, values in zip(rows, printed, strict=True):
        for side in ("chosen", "rejected"):
            log_probs[PROMPTS.index(row["prompt_ids"]), row[side + "_ids"][0]] = values[side + "_logps"]
    return log_probs


def difference(saved, log_probs):
    model, report = AutoModelForCausalLM.from_pretrained(saved, dtype=torch.float32, output_loading_info=True)
    wrong = {key: sorted(value) for key, value in report.items() if value}
    if wrong:
        sys.exit(f"{saved} does not load cleanly: {wrong}")
    worst = 0.0
    for prompt, actual in zip(PROMPTS, log_probs, strict=True):
        with torch.no_grad():
            logits = model.eval()(input_ids=torch.tensor([prompt])).logits[0, -1].double()
        worst = max(worst, ((logits.log_softmax(-1) - actual).abs().max() / logits.abs().max()).item())
    return worst


def compare(family, folder):
    source, saved = os.path.join(folder, family), os.path.join(folder, family + "-saved")
    size = write_model(family, source)
    rows = write_rows(os.path.join(folder, "rows.jsonl"), [{"prompt": "a b", "completion": " c d"}, {"prompt": "e", "completion": "fgh"}] * 2)
    dpo4j(
        "sft", model_name_or_path=source, dataset_name=rows, output_dir=saved, max_steps=2, per_device_train_batch_size=2, learning_rate=1e-3,
        max_shard_size="8KB", dtype="float32", save_strategy="no",
    )  # fmt: skip
    worst = difference(saved, log_probs_of_dpo4j(saved, folder, size))
    prompts = write_rows(os.path.join(folder, "prompts.jsonl"), [{"prompt": TEXT}, {"prompt": CONVERSATION}])
    generated = dpo4j("generate", model_name_or_path=saved, prompts=prompts, dtype="float32", json="true")

    tokenizer = AutoTokenizer.from_pretrained(saved)
    ids = [tokenizer(TEXT)["input_ids"], tokenizer.apply_chat_template(CONVERSATION, add_generation_prompt=True)["input_ids"]]
    assert ids == [row["prompt_ids"] for row in generated], (family, ids, generated)
    pipe = pipeline("text-generation", model=saved, device="cpu", dtype=torch.float32)
    greedy = {"do_sample": False}  # the pipeline's own default is sampling
    texts = [pipe(TEXT, return_full_text=False, **greedy)[0]["generated_text"], pipe(CONVERSATION, **greedy)[0]["generated_text"][-1]["content"]]
    assert texts == [row["completion"] for row in generated], (family, texts, generated)
    if not worst < MAX_DIFFERENCE:
        sys.exit(f"{family}: log-probs differ by {worst} of the max logit")
    return {"difference": float(f"{worst:.1e}"), "texts": texts}


def main():
    transformers.logging.disable_progress_bar()
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    path, names, results = os.path.join(HERE, "saved_models.json"), sys.argv[1:], {}
    if names:
        with open(path) as file:
            results = json.load(file)
    for family in names or sorted(set(os.listdir(FAMILIES)) - {TOO_SHORT}):
        with tempfile.TemporaryDirectory() as folder:
            results[family] = compare(family, folder)
        print(family, results[family], flush=True)
    with open(path, "w") as file:
        file.write("{\n" + ",\n".join(f'"{name}": {json.dumps(result)}' for name, result in sorted(results.items())) + "\n}\n")


if __name__ == "__main__":
    main()
