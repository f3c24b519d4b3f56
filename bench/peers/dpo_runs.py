"""Whole DPO runs of dpo4j and of TRL in turns, on the same pairs and on the processor alone:
    python bench/peers/dpo_runs.py RESULT.json COMMIT [--model DIR] [--pairs FILE] [--count 64] [--batch 8] [--epochs 2] [--rounds 5]
Needs requirements.txt and DPO4J_DATA, whose TinyStories-656K and HH-RLHF pairs are the defaults. Run it on a machine that does nothing else: ratios of
a loaded one are too large. A run is a process: its time is from start to exit, imports and the loading of the model included, its memory the largest
resident set the system saw. Pairs a second of the steps leave out what comes before the first step and after the last. Medians are reported.

TRL runs in float32, as dpo4j does on a processor, and without gradient checkpointing, which would cost it time: that is faster than its defaults.
It runs twice: with the reference in every step (its default), and with precompute_ref_log_probs, as dpo4j does always.
"""

import argparse
import datetime
import json
import os
import platform
import subprocess
import sys
import tempfile
import time

from tokenizers import Tokenizer

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
ASSISTANT = "\n\nAssistant:"


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


def started(command, log):
    """Runs a process to its end: seconds, and MiB of its largest resident set."""
    began = time.perf_counter()
    with open(log, "w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, cwd=ROOT)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        with open(log) as text:
            sys.exit(f"dpo_runs: {command[0]} ended with {process.returncode}:\n{text.read()[-4000:]}")
    return {"run_seconds": time.perf_counter() - began, "peak_mebibytes": usage.ru_maxrss / 1024}


def dpo4j_run(model, pairs, folder, options):
    """One line of metrics, after the last step, tells the pairs a second of all steps."""
    output = os.path.join(folder, "out")
    # every round computes the reference's log-probs, instead of reading those of the round before
    paths = {"model_name_or_path": model, "dataset_name": pairs, "output_dir": output, "device": "cpu", "reference_cache": "false"}
    command = [os.path.join(ROOT, "dpo4j"), "dpo", *(f"--{name}={value}" for name, value in {**paths, **options}.items())]
    usage = started(command, os.path.join(folder, "log"))
    with open(os.path.join(output, "metrics.jsonl")) as file:
        last = json.loads(file.read().splitlines()[-1])
    return {**usage, "steps_pairs_per_second": last["pairs_per_second"], "loss": last["loss"]}


def trl_run(model, pairs, folder, options):
    command = [sys.executable, os.path.join(HERE, "dpo_run.py"), model, pairs, os.path.join(folder, "out"), json.dumps(options)]
    usage = started(command, os.path.join(folder, "log"))
    with open(os.path.join(folder, "log")) as file:
        return {**usage, **json.loads(file.read().splitlines()[-1])}


def measured(model, pairs, rounds, options):
    """The runs of all rounds, by name. Every round begins with another of them."""
    calls = {
        "dpo4j": lambda folder: dpo4j_run(model, pairs, folder, options),
        "TRL": lambda folder: trl_run(model, pairs, folder, options),
        "TRL precomputed": lambda folder: trl_run(model, pairs, folder, {**options, "precompute_ref_log_probs": True}),
    }
    names = list(calls)
    runs = {name: [] for name in names}
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            with tempfile.TemporaryDirectory() as folder:
                runs[name].append(calls[name](folder))
            print(f"round {turn + 1}: {name}: {runs[name][-1]}", flush=True)
    return runs


def same_training(runs):
    """That all trained: the mean loss of a run's steps. Orders of rows differ, and with them the loss, by far less than a run lowers it."""
    losses = {name: each[0]["loss"] for name, each in runs.items()}
    if max(losses.values()) - min(losses.values()) > 0.01:
        sys.exit(f"dpo_runs: the runs do not train alike, their mean losses are {losses}")


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
    parser.add_argument("--model", default=os.path.join(data, "models/TinyStories-656K"))
    parser.add_argument("--pairs", default=os.path.join(data, "preference/hh-rlhf/hh-helpful-base.train.jsonl"))
    parser.add_argument("--count", type=int, default=64, help="pairs, a multiple of --batch")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--max_length", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    if asked.count % asked.batch:
        parser.error(f"--count {asked.count} is no multiple of --batch {asked.batch}")
    return asked


def main():
    asked = arguments()
    pairs_read = asked.count * asked.epochs
    options = {
        "learning_rate": 1e-5, "per_device_train_batch_size": asked.batch, "num_train_epochs": asked.epochs, "max_length": asked.max_length,
        "logging_steps": pairs_read // asked.batch,
    }  # fmt: skip
    parameters = {"model": os.path.basename(os.path.normpath(asked.model)), "pairs": str(asked.count), "epochs": str(asked.epochs),
                  "batch": str(asked.batch)}  # fmt: skip
    subprocess.run([os.path.join(ROOT, "dpo4j"), "doctor"], check=True, stdout=subprocess.DEVNULL)  # builds what is missing, untimed
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as pairs:
        pairs.writelines(json.dumps(each) + "\n" for each in pairs_of_ids(asked.pairs, asked.model, asked.count, asked.max_length))
        pairs.flush()
        runs = measured(asked.model, pairs.name, asked.rounds, options)
    same_training(runs)
    versions = runs["TRL"][0]["versions"]
    java = subprocess.run(["java", "-version"], capture_output=True, text=True, check=True).stderr.split('"')[1]
    file = {
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(), "commit": asked.commit, "processor": processor(),
        "cores": len(os.sched_getaffinity(0)), "instructions": versions.pop("instructions"), "peer": f"TRL {versions['trl']}",
        "software": f"Java {java}, TRL {versions['trl']}, transformers {versions['transformers']}, PyTorch {versions['torch']}, "
        f"Python {platform.python_version()}",
        "results": [row(name, each, parameters, pairs_read) for name, each in runs.items()],
    }  # fmt: skip
    with open(asked.result, "w") as out:
        json.dump(file, out, indent=2)
        out.write("\n")


if __name__ == "__main__":
    main()
