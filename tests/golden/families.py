"""Writes tiny random models of every family as Hugging Face directories, and transformers' results for them.

    python families.py [CASE ...]    writes families/<case>/ beside this file, and removes it first; without names, all of families/
    python families.py --seed CASE   names the first seed from the case's own on with which the script does not stop; writes nothing

Each directory is a model as transformers saves it (config.json, model.safetensors, float32) plus
    config-4.json          the same config as transformers 4 spells it, without the keys whose values are the family's defaults
    golden.json            token sequences with the log-prob of each token after the first; the loss; greedy continuations
    logits.safetensors     f32[length, vocabulary] of sequence i under the name i
    gradients.safetensors  d loss / d (tensor) under the tensor's name in model.safetensors; a tied head has none of its own

The loss is the sum over sequences of weight * (sum of the log-probs of the tokens from index prompt on), so weight is d loss / d sum. The
first two sequences have the same prompt. The third is one token, and adds nothing to the loss. Greedy continuations are 8 tokens and do not
end at EOS.

Everything is computed by transformers from the files, every sequence on its own, in float64, and only then rounded to float32. transformers
computes some things in float32 whatever it is asked: RMSNorm (LayerNorm is float64), rotary frequencies, cosines and
sines, and Gemma 2's softmax. The scale of Gemma's embedding is a float32 number.

The script stops if
    a model in float32 differs from these values by more than 2e-5 of the largest logit, or of the largest element of a gradient
    a change of a mechanism (family_cases.py) changes the logits by less than 1e-2 of the largest logit, or 2e-4 where gelu by tanh and by
    erf are exchanged
    config-4.json gives other logits than config.json
    a greedy token is chosen by less than 1e-3 of the largest logit, or generation without a key cache chooses another
"""

import json
import os
import shutil
import sys
import tempfile

os.environ["TRANSFORMERS_VERBOSITY"] = "error"  # configs of family_cases.py cause warnings
os.environ["ATEN_CPU_CAPABILITY"] = "default"  # as in rotary.py: PyTorch's float32 power depends on the processor

import torch  # noqa: E402
import transformers  # noqa: E402
from family_cases import CASES, is_norm, version_4  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402
from transformers import CONFIG_MAPPING, AutoModelForCausalLM  # noqa: E402

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "families")
PROMPT, COMPLETIONS, WEIGHTS = 7, (6, 4), (-1.0, 0.6)
NEW_TOKENS = 8
SEEDS = 40
# Ids below are padding (whose embedding has no gradient in PyTorch), BOS and EOS.
FIRST_ID = 3
ROUNDING, MATTERS, MARGIN = 2e-5, 1e-2, 1e-3


def write_model(case, directory):
    """Weights so large that no softmax is flat, no norm weight is neutral and no bias is 0."""
    model = AutoModelForCausalLM.from_config(case.config)
    generator = torch.Generator().manual_seed(case.seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(case.neutral_norm + 0.2 * noise if is_norm(name) else 0.3 * noise)
    model.save_pretrained(directory)
    os.remove(os.path.join(directory, "generation_config.json"))
    path = os.path.join(directory, "model.safetensors")
    tensors = {case.rename(name): tensor for name, tensor in load_file(path).items()}
    save_file({**tensors, **case.extra(case.config)}, path, metadata={"format": "pt"})


def read_json(directory, name):
    with open(os.path.join(directory, name)) as file:
        return json.load(file)


def write_config_4(case, directory):
    values = version_4(read_json(directory, "config.json"), case.spell)
    with open(os.path.join(directory, "config-4.json"), "w") as file:
        json.dump(values, file, indent=2, sort_keys=True)
        file.write("\n")


def load(directory, values, dtype=torch.float64):
    config = CONFIG_MAPPING[values["model_type"]].from_dict(values)
    model, report = AutoModelForCausalLM.from_pretrained(directory, config=config, dtype=torch.float32, output_loading_info=True)
    wrong = {key: sorted(value) for key, value in report.items() if value}
    if wrong:
        raise SystemExit(f"{directory} does not load cleanly: {wrong}")
    return model.to(dtype).eval()


def forget_lengths(model):
    """A dynamic rotary embedding keeps the frequencies of the longest sequence so far. Every sequence begins with a new one."""
    decoder = model.base_model
    if getattr(decoder, "rotary_emb", None) is not None and decoder.rotary_emb.rope_type == "dynamic":
        decoder.rotary_emb = type(decoder.rotary_emb)(config=model.config)


def logits(model, ids):
    forget_lengths(model)
    return model(input_ids=torch.tensor([ids]), use_cache=False).logits[0]


def all_logits(model, sequences):
    with torch.no_grad():
        return torch.cat([logits(model, sequence["ids"]) for sequence in sequences])


def difference(actual, expected):
    return ((actual.double() - expected).abs().max() / expected.abs().max()).item()


def random_sequences(case):
    generator = torch.Generator().manual_seed(case.seed + 1)

    def random_ids(count):
        return torch.randint(FIRST_ID, case.config.vocab_size, (count,), generator=generator).tolist()

    prompt = random_ids(PROMPT)
    sequences = [{"ids": prompt + random_ids(c), "prompt": PROMPT, "weight": w} for c, w in zip(COMPLETIONS, WEIGHTS, strict=True)]
    return [*sequences, {"ids": random_ids(1), "prompt": 1, "weight": 0.0}]


def gradients(model, sequences):
    """Adds results to the sequences. Returns the loss and its gradients."""
    loss = torch.zeros((), dtype=next(model.parameters()).dtype)
    for sequence in sequences:
        ids = torch.tensor(sequence["ids"])
        logps = logits(model, sequence["ids"]).log_softmax(-1)[:-1].gather(1, ids[1:, None])[:, 0]
        completion = logps[sequence["prompt"] - 1 :].sum()
        loss = loss + sequence["weight"] * completion
        sequence["token_logps"] = logps.tolist()
        sequence["completion_logps"] = completion.item()
    model.zero_grad()
    loss.backward()
    return loss.item(), {name: parameter.grad.clone() for name, parameter in model.named_parameters()}


def greedy(case, model, sequences):
    """Continuations of the first sequence, of its prompt, and of the single token."""
    model.generation_config.eos_token_id = None
    continuations = []
    for prompt in (sequences[0]["ids"], sequences[0]["ids"][:PROMPT], sequences[2]["ids"]):
        forget_lengths(model)
        ids = torch.tensor([prompt])
        mask = torch.ones_like(ids)
        text = model.generate(ids, attention_mask=mask, max_new_tokens=NEW_TOKENS, do_sample=False, use_cache=case.is_cacheable)
        new = text[0, len(prompt) :].tolist()
        check_greedy(case, model, prompt, new)
        continuations.append({"prompt_ids": prompt, "ids": new})
    return continuations


def check_greedy(case, model, prompt, new):
    for i, token in enumerate(new):
        with torch.no_grad():
            last = logits(model, prompt + new[:i])[-1]
        best = last.topk(2)
        if token != best.indices[0]:
            raise SystemExit(f"{case.name}: greedy token {i} after {prompt} is {token}, but without a cache {best.indices[0]}")
        margin = ((best.values[0] - best.values[1]) / last.abs().max()).item()
        if margin < MARGIN:
            raise SystemExit(f"{case.name}: greedy token {i} after {prompt} has a margin of {margin:.1e}; choose another seed")
    if len(new) != NEW_TOKENS or case.config.eos_token_id in new:
        raise SystemExit(f"{case.name}: the continuation {new} has EOS or ends early; choose another seed")


def check_rounding(case, directory, values, sequences, expected, expected_gradients):
    model = load(directory, values, torch.float32)
    error = difference(all_logits(model, sequences), expected)
    _, actual = gradients(model, [dict(sequence) for sequence in sequences])
    for name, gradient in expected_gradients.items():
        error = max(error, difference(actual[name], gradient))
    if error > ROUNDING:
        raise SystemExit(f"{case.name}: float32 differs from float64 by {error:.1e}; choose smaller weights")
    return error


def check_mechanisms(case, directory, values, sequences, expected):
    """Returns the mechanism whose change is nearest to the threshold, and that change divided by its share."""
    changes = {}
    for name, change in case.mechanisms.items():
        changed = change.config(json.loads(json.dumps(values)))
        model = load(directory, changed)
        with torch.no_grad():
            change.model(model)
        changes[name] = difference(all_logits(model, sequences), expected) / change.share
    name = min(changes, key=changes.get)
    if not changes[name] > MATTERS:
        raise SystemExit(f"{case.name}: {name} changes the logits by {changes[name]:.1e} only")
    return name, changes[name]


def write_results(case, directory, loss, sequences, continuations, expected, expected_gradients):
    with open(os.path.join(directory, "golden.json"), "w") as file:
        lines = {"sequences": sequences, "greedy": continuations}
        file.write(f'{{"loss": {json.dumps(loss)}')
        for name, rows in lines.items():
            file.write(f',\n"{name}": [\n' + ",\n".join(json.dumps(row) for row in rows) + "]")
        file.write("}\n")
    parts = expected.split([len(sequence["ids"]) for sequence in sequences])
    save_file({str(i): part.float().contiguous() for i, part in enumerate(parts)}, os.path.join(directory, "logits.safetensors"))
    rounded = {case.rename(name): gradient.float().contiguous() for name, gradient in expected_gradients.items()}
    save_file(rounded, os.path.join(directory, "gradients.safetensors"))


def write(case, root):
    """Leaves no directory behind if it stops, so that no other script reads half a case."""
    directory = os.path.join(root, case.name)
    shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(directory)
    try:
        write_files(case, directory)
    except BaseException:
        shutil.rmtree(directory)
        raise


def write_files(case, directory):
    write_model(case, directory)
    write_config_4(case, directory)
    values = read_json(directory, "config.json")
    model = load(directory, values)
    sequences = random_sequences(case)
    expected = all_logits(model, sequences)
    if not torch.equal(all_logits(load(directory, read_json(directory, "config-4.json")), sequences), expected):
        raise SystemExit(f"{case.name}: config-4.json gives other logits than config.json")
    loss, expected_gradients = gradients(model, sequences)
    error = check_rounding(case, directory, values, sequences, expected, expected_gradients)
    weakest, change = check_mechanisms(case, directory, values, sequences, expected)
    continuations = greedy(case, model, sequences)
    write_results(case, directory, loss, sequences, continuations, expected, expected_gradients)
    count = sum(gradient.numel() for gradient in expected_gradients.values())
    print(f"{case.name}: {count} parameters, float32 error {error:.0e}, {len(case.mechanisms)} mechanisms, weakest {weakest} {change:.2f}")


def find_seed(case):
    with tempfile.TemporaryDirectory() as root:
        for seed in range(case.seed, case.seed + SEEDS):
            case.seed = seed
            try:
                write(case, root)
            except SystemExit as stop:
                print(f"seed {seed}: {stop}", flush=True)
                continue
            print(f"{case.name}: seed {seed} is good")
            return
    raise SystemExit(f"{case.name}: none of {SEEDS} seeds is good; choose larger weights for the part that changes too little")


def main():
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(1)
    seeks_seed = "--seed" in sys.argv
    names = [word for word in sys.argv[1:] if word != "--seed"]
    unknown = set(names) - {case.name for case in CASES}
    if unknown:
        raise SystemExit(f"family_cases.py has no case {', '.join(sorted(unknown))}")
    if seeks_seed and not names:
        raise SystemExit("--seed needs the name of a case")
    if not names:
        shutil.rmtree(ROOT, ignore_errors=True)
    for case in CASES:
        if not names or case.name in names:
            if seeks_seed:
                find_seed(case)
            else:
                write(case, ROOT)


if __name__ == "__main__":
    main()
