"""Whole DPO runs of dpo4j and of TRL in turns, on the same pairs and on the processor alone:
    python bench/peers/dpo_runs.py RESULT.json COMMIT [--model DIR | llama-20m | llama-135m] [--only usual,default,plain,losses,checkpoints]
        [--pairs FILE] [--count 64] [--batch 8] [--epochs 2] [--rounds 5] [--loss_steps 50] [--checkpoint_steps 200]
Needs requirements.txt and DPO4J_DATA, whose TinyStories-656K and HH-RLHF pairs are the defaults. llama-20m and llama-135m are Llamas of random weights, with the
tokenizers of GPT-2 and of SmolLM2 in DPO4J_DATA. Run it on a machine that does nothing else: ratios of a loaded one are too large. A run is a process: its time
is from start to exit, imports and the loading of the model included, its memory the largest resident set the system saw. Pairs a second of the steps leave out
what comes before the first step and after the last. Medians are reported.

TRL runs in float32, as dpo4j does on a processor, and without gradient checkpointing, which would cost it time: that is faster than its defaults.

usual        the pairs as they are. TRL runs twice: with the reference in every step (its default), and with precompute_ref_log_probs, as dpo4j does by default;
             dpo4j too, the second time with the reference in every step.
default      of these, only those with the defaults of dpo4j and of TRL: for models whose runs take minutes.
plain        sequences of one length that share no prompt, made of the same tokens, with the reference in every step. dpo4j has no option that computes shared
             prompts twice or pads rows; on these pairs neither saves it anything, so both compute the same rows.
losses       the loss of every step of dpo4j and of TRL, on the same batches: they must not differ by more than 1e-3.
checkpoints  dpo4j with a checkpoint every 50 steps, and without: what a checkpoint costs of time and of processor time.
"""

import argparse
import datetime
import json
import math
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor

from tokenizers import Tokenizer

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
ASSISTANT = "\n\nAssistant:"
KINDS = ("usual", "plain", "losses", "checkpoints")
ALL_KINDS = (*KINDS, "default")
PLAIN_LENGTH = 256
SAVE_STEPS = 50
MAX_LOSS_DIFFERENCE = 1e-3
# The tokenizer, and the name of the shape in model_runs.
SHAPES = {"llama-20m": ("gpt2", "SMALL"), "llama-135m": ("smollm2", "LARGE")}
SEQUENTIAL = {"train_sampling_strategy": "sequential", "logging_steps": 1}


def write_model(name, data, folder):
    """A Llama of random weights with a published tokenizer. Its imports need much memory, which would count as that of the runs: call it in another process."""
    import torch
    from transformers import AutoModelForCausalLM, LlamaConfig

    import model_runs

    tokenizer, shape = SHAPES[name]
    source = os.path.join(data, "tokenizers", tokenizer)
    words = Tokenizer.from_file(os.path.join(source, "tokenizer.json"))
    end = words.token_to_id("<|endoftext|>")
    torch.manual_seed(1)
    config = LlamaConfig(
        vocab_size=words.get_vocab_size(), bos_token_id=end, eos_token_id=end, **getattr(model_runs, shape), **model_runs.COMMON
    )
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        if os.path.exists(os.path.join(source, file)):
            shutil.copy(os.path.join(source, file), folder)


def apart(function, *arguments):
    """Calls a function in a process of its own, so that its memory is not part of the peaks."""
    with ProcessPoolExecutor(1) as pool:
        return pool.submit(function, *arguments).result()


def pairs_of_ids(transcripts, model, count, longest):
    """The first pairs of a file of transcripts that fit, as ids: the prompt ends where the last answer begins, EOS ends a completion."""
    tokenizer = Tokenizer.from_file(os.path.join(model, "tokenizer.json"))
    with open(os.path.join(model, "config.json")) as file:
        end = json.load(file)["eos_token_id"]
    rows = []
    with open(transcripts) as file:
        for line in file:
            row = json.loads(line)
            cut = row["chosen"].rindex(ASSISTANT) + len(ASSISTANT)
            prompt = tokenizer.encode(row["chosen"][:cut]).ids
            sides = [tokenizer.encode(row[side][cut:], add_special_tokens=False).ids for side in ("chosen", "rejected")]
            is_pair = row["rejected"].startswith(row["chosen"][:cut]) and all(sides) and sides[0] != sides[1]
            if is_pair and len(prompt) + max(map(len, sides)) < longest:
                rows.append({"prompt_ids": prompt, "chosen_ids": sides[0] + [end], "rejected_ids": sides[1] + [end]})
            if len(rows) == count:
                return rows
    sys.exit(f"dpo_runs: {transcripts} has {len(rows)} pairs of at most {longest} tokens; ask for no more with --count")


def plain_pairs(rows):
    """Pairs of the same tokens as sequences of PLAIN_LENGTH, whose prompt is one token."""
    plain = []
    for row in rows:
        first, *prompt = row["prompt_ids"]
        sides = {}
        for side in ("chosen_ids", "rejected_ids"):
            tokens = row[side][:-1] + prompt
            repeats = -(-PLAIN_LENGTH // len(tokens))
            sides[side] = (tokens * repeats)[: PLAIN_LENGTH - 2] + row[side][-1:]
        plain.append({"prompt_ids": [first], **sides})
    return plain


def write_pairs(folder, name, rows):
    path = os.path.join(folder, name)
    with open(path, "w") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    return path


def started(command, log):
    """Runs a process to its end: seconds, seconds of processors, and MiB of its largest resident set."""
    began = time.perf_counter()
    with open(log, "w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, cwd=ROOT)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        with open(log) as text:
            sys.exit(f"dpo_runs: {command[0]} ended with {process.returncode}:\n{text.read()[-4000:]}")
    processors = usage.ru_utime + usage.ru_stime
    return {"run_seconds": time.perf_counter() - began, "processor_seconds": processors, "peak_mebibytes": usage.ru_maxrss / 1024}


def dpo4j_run(model, pairs, folder, options):
    """The last line of metrics, after the last step, tells the pairs a second of the steps since the line before."""
    output = os.path.join(folder, "out")
    # every round computes the reference's log-probs, instead of reading those of the round before
    paths = {"model_name_or_path": model, "dataset_name": pairs, "output_dir": output, "device": "cpu", "reference_cache": "false"}
    command = [os.path.join(ROOT, "dpo4j"), "dpo", *(f"--{name}={value}" for name, value in {**paths, **options}.items())]
    usage = started(command, os.path.join(folder, "log"))
    with open(os.path.join(output, "metrics.jsonl")) as file:
        losses = [json.loads(line) for line in file]
    return {**usage, "steps_pairs_per_second": losses[-1]["pairs_per_second"], "losses": [line["loss"] for line in losses]}


def trl_run(model, pairs, folder, options):
    command = [sys.executable, os.path.join(HERE, "dpo_run.py"), model, pairs, os.path.join(folder, "out"), json.dumps(options)]
    usage = started(command, os.path.join(folder, "log"))
    with open(os.path.join(folder, "log")) as file:
        return {**usage, **json.loads(file.read().splitlines()[-1])}


def in_turns(calls, rounds):
    """The runs of all rounds, by name. Every round begins with another of them."""
    names = list(calls)
    runs = {name: [] for name in names}
    for turn in range(rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            with tempfile.TemporaryDirectory() as folder:
                runs[name].append(calls[name](folder))
            print(f"round {turn + 1}: {name}: {runs[name][-1]}", flush=True)
    return runs


def usual_runs(model, pairs, rounds, options):
    precomputed, online = {**options, "precompute_ref_log_probs": True}, {**options, "precompute_ref_log_probs": "false"}
    return in_turns({
        "dpo4j": lambda folder: dpo4j_run(model, pairs, folder, options),
        "TRL": lambda folder: trl_run(model, pairs, folder, options),
        "TRL precomputed": lambda folder: trl_run(model, pairs, folder, precomputed),
        "dpo4j, reference in every step": lambda folder: dpo4j_run(model, pairs, folder, online),
    }, rounds)  # fmt: skip


def default_runs(model, pairs, rounds, options):
    return in_turns({
        "dpo4j": lambda folder: dpo4j_run(model, pairs, folder, options),
        "TRL": lambda folder: trl_run(model, pairs, folder, options),
    }, rounds)  # fmt: skip


def plain_runs(model, pairs, rounds, options):
    online = {**options, "precompute_ref_log_probs": "false"}
    return in_turns({
        "dpo4j": lambda folder: dpo4j_run(model, pairs, folder, online),
        "TRL": lambda folder: trl_run(model, pairs, folder, options),
    }, rounds)  # fmt: skip


def same_training(runs):
    """That all trained: the mean loss of a run's steps. Orders of rows differ, and with them the loss, by far less than a run lowers it from ln 2."""
    losses = {name: each[0]["losses"][-1] for name, each in runs.items()}
    if max(losses.values()) - min(losses.values()) > max(0.01, (math.log(2) - max(losses.values())) / 3):
        sys.exit(f"dpo_runs: the runs do not train alike, their mean losses are {losses}")


def loss_difference(model, pairs, options, steps):
    """The largest difference of the losses of a step, with the same batches in the same order."""
    options = {**options, **SEQUENTIAL, "max_steps": steps}
    runs = in_turns({
        "dpo4j": lambda folder: dpo4j_run(model, pairs, folder, options),
        "TRL": lambda folder: trl_run(model, pairs, folder, options),
    }, 1)  # fmt: skip
    ours, theirs = (runs[name][0]["losses"] for name in ("dpo4j", "TRL"))
    if len(ours) != steps or len(theirs) != steps:
        sys.exit(f"dpo_runs: {steps} losses are expected, but dpo4j has {len(ours)}, and TRL {len(theirs)}")
    difference = max(abs(a - b) for a, b in zip(ours, theirs))
    if not difference <= MAX_LOSS_DIFFERENCE:
        sys.exit(f"dpo_runs: losses of a step differ by {difference}: dpo4j {ours}, TRL {theirs}")
    return difference, runs["TRL"][0]["versions"]


def checkpoint_row(model, pairs, rounds, options, parameters):
    """Time and processor time of runs with checkpoints and without."""
    saving = {**options, "save_strategy": "steps", "save_steps": SAVE_STEPS}
    runs = in_turns({
        "with": lambda folder: dpo4j_run(model, pairs, folder, saving),
        "without": lambda folder: dpo4j_run(model, pairs, folder, {**options, "save_strategy": "no"}),
    }, rounds)  # fmt: skip
    medians = {f"{name}_{kind}": statistics.median(run[kind] for run in each) for name, each in runs.items()
               for kind in ("run_seconds", "processor_seconds")}  # fmt: skip
    return {"benchmark": "DpoRun.checkpoints", "parameters": parameters, "samples": rounds, **medians}


def row(name, runs, parameters, pairs_read):
    times = sorted(run["run_seconds"] * 1e6 for run in runs)
    at = lambda values, percent: sorted(values)[round(percent / 100 * (len(values) - 1))]
    return {
        "benchmark": f"DpoRun.{name}", "parameters": parameters, "samples": len(runs), "p20_us": at(times, 20), "median_us": at(times, 50),
        "p80_us": at(times, 80), "run_pairs_per_second": pairs_read / at(times, 50) * 1e6,
        "steps_pairs_per_second": at([run["steps_pairs_per_second"] for run in runs], 50),
        "peak_mebibytes": at([run["peak_mebibytes"] for run in runs], 50),
    }  # fmt: skip


def processor():
    with open("/proc/cpuinfo") as lines:
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))


def arguments():
    data = os.environ.get("DPO4J_DATA", os.path.join(ROOT, "../shared/data"))
    parser = argparse.ArgumentParser()
    parser.add_argument("result")
    parser.add_argument("commit")
    parser.add_argument("--model", default=os.path.join(data, "models/TinyStories-656K"), help=f"a directory, or one of {', '.join(SHAPES)}")
    parser.add_argument("--pairs", default=os.path.join(data, "preference/hh-rlhf/hh-helpful-base.train.jsonl"))
    parser.add_argument("--count", type=int, default=64, help="pairs, a multiple of --batch")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--max_length", type=int, default=300, help=f"at least {PLAIN_LENGTH}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--loss_steps", type=int, default=50)
    parser.add_argument("--checkpoint_steps", type=int, default=200, help=f"a multiple of {SAVE_STEPS}")
    parser.add_argument("--only", default=",".join(KINDS), help=f"what to measure; default {','.join(KINDS)}")
    asked = parser.parse_args()
    asked.data = data
    asked.only = asked.only.split(",")
    if asked.count % asked.batch:
        parser.error(f"--count {asked.count} is no multiple of --batch {asked.batch}")
    if not set(asked.only) <= set(ALL_KINDS):
        parser.error(f"--only {','.join(asked.only)}: it must be some of {','.join(ALL_KINDS)}")
    if asked.checkpoint_steps % SAVE_STEPS:
        parser.error(f"--checkpoint_steps {asked.checkpoint_steps} is no multiple of {SAVE_STEPS}")
    return asked


def measured(asked, model, folder):
    """The rows of the result, and the versions of TRL and what it runs on, unless it did not run."""
    rows = pairs_of_ids(asked.pairs, model, asked.count, asked.max_length)
    pairs, plain = write_pairs(folder, "pairs.jsonl", rows), write_pairs(folder, "plain.jsonl", plain_pairs(rows))
    pairs_read = asked.count * asked.epochs
    options = {"learning_rate": 1e-5, "per_device_train_batch_size": asked.batch, "max_length": asked.max_length}
    epochs = {**options, "num_train_epochs": asked.epochs, "logging_steps": pairs_read // asked.batch}
    common = {"model": os.path.basename(os.path.normpath(asked.model)), "pairs": str(asked.count)}
    parameters = {**common, "epochs": str(asked.epochs), "batch": str(asked.batch)}
    results, versions = [], None
    for kind, (measure, data, named) in {
        "usual": (usual_runs, pairs, {}), "default": (default_runs, pairs, {}), "plain": (plain_runs, plain, {"plain": str(PLAIN_LENGTH)}),
    }.items():  # fmt: skip
        if kind in asked.only:
            runs = measure(model, data, asked.rounds, epochs)
            same_training(runs)
            versions = runs["TRL"][0]["versions"]
            results += [row(name, each, {**parameters, **named}, pairs_read) for name, each in runs.items()]
    if "losses" in asked.only:
        difference, versions = loss_difference(model, pairs, options, asked.loss_steps)
        steps = {**common, "steps": str(asked.loss_steps), "batch": str(asked.batch)}
        results.append({"benchmark": "DpoRun.losses", "parameters": steps, "max_difference": difference})
    if "checkpoints" in asked.only:
        steps = {**common, "steps": str(asked.checkpoint_steps), "batch": str(asked.batch)}
        limited = {**options, "max_steps": asked.checkpoint_steps, "logging_steps": 10}
        results.append(checkpoint_row(model, pairs, asked.rounds, limited, steps))
    return results, versions


def main():
    asked = arguments()
    subprocess.run([os.path.join(ROOT, "dpo4j"), "doctor"], check=True, stdout=subprocess.DEVNULL)  # builds what is missing, untimed
    with tempfile.TemporaryDirectory() as folder:
        model = asked.model
        if model in SHAPES:
            model = os.path.join(folder, model)
            apart(write_model, asked.model, asked.data, model)
        results, versions = measured(asked, model, folder)
    java = subprocess.run(["java", "-version"], capture_output=True, text=True, check=True).stderr.split('"')[1]
    file = {
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(), "commit": asked.commit, "processor": processor(),
        "cores": len(os.sched_getaffinity(0)), "instructions": "", "peer": "TRL", "software": f"Java {java}", "results": results,
    }  # fmt: skip
    if versions:
        file["instructions"] = versions["instructions"]
        file["peer"] = f"TRL {versions['trl']}"
        file["software"] += (f", TRL {versions['trl']}, transformers {versions['transformers']}, PyTorch {versions['torch']},"
                             f" Python {platform.python_version()}")  # fmt: skip
    with open(asked.result, "w") as out:
        json.dump(file, out, indent=2)
        out.write("\n")


if __name__ == "__main__":
    main()
