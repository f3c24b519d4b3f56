"""Rows a second from text to token ids: dpo4j, and TRL's DPOTrainer over datasets.map with a process for each core, in turns, on the same rows:
    python bench/peers/tokenize_rows.py RESULT.json COMMIT [--rows FILE] [--tokenizer DIR] [--repeat 20] [--rounds 3]
Needs requirements.txt, DPO4J_DATA and `./dpo4j --version` once. Run it on a machine that does nothing else. The rows of the file are repeated, each time
with another number at the end of the prompt, so that no two are the same. TRL's time is that of DPOTrainer._prepare_dataset, which DPOTrainer calls: it
extracts prompts, adds EOS, tokenises and drops long prompts, and leaves the rows in Arrow files. dpo4j's time is that of Dataset.pairs, which leaves them in
a mapped store. Both leave out the start of the program and the loading of rows (TRL: into Arrow) and tokenizer. Both cut rows to 1024 tokens.
"""

import argparse
import datetime
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from types import SimpleNamespace

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
MAX_LENGTH = 1024


def write_rows(source, target, repeat):
    with open(source) as file:
        rows = [json.loads(line) for line in file]
    with open(target, "w") as out:
        for number in range(repeat):
            for row in rows:
                prompt = f"{row['prompt']} [{number}]"
                out.write(json.dumps({"prompt": prompt, "chosen": row["chosen"], "rejected": row["rejected"]}) + "\n")
    return repeat * len(rows)


def run_trl(rows, tokenizer, work):
    """One round in a process of its own, because datasets keeps results by name."""
    import datasets
    import trl
    from transformers import AutoTokenizer

    datasets.disable_progress_bars()
    processing = AutoTokenizer.from_pretrained(tokenizer)
    data = datasets.load_dataset("json", data_files=rows, split="train", cache_dir=work)
    arguments = SimpleNamespace(dataset_num_proc=os.cpu_count(), max_length=MAX_LENGTH, truncation_mode="keep_start")
    trainer = SimpleNamespace(_tokenizer=processing)  # all that _prepare_dataset reads of the trainer
    began = time.perf_counter()
    prepared = trl.DPOTrainer._prepare_dataset(trainer, data, processing, arguments, "train")
    print(json.dumps({"rows": len(prepared), "seconds": time.perf_counter() - began}))


def run_dpo4j(rows, tokenizer, work, vocabulary):
    java = os.path.join(os.environ["JAVA_HOME"], "bin", "java") if "JAVA_HOME" in os.environ else "java"
    libraries = os.environ.get("DPO4J_CLASS_PATH") or f"{ROOT}/java/trainer/target/*:{ROOT}/java/trainer/target/lib/*"
    command = [java, "-Xmx512m", "-cp", libraries, os.path.join(HERE, "ConvertRows.java")]
    return last_line(command + [rows, tokenizer, str(vocabulary), str(MAX_LENGTH), work])


def last_line(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"tokenize_rows: {command[0]} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def processor():
    with open("/proc/cpuinfo") as info:
        return next(line.split(":", 1)[1].strip() for line in info if line.startswith("model name"))


def median(numbers):
    return sorted(numbers)[len(numbers) // 2]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("result")
    parser.add_argument("commit")
    data = os.environ.get("DPO4J_DATA", "")
    parser.add_argument("--rows", default=os.path.join(data, "preference/hh-rlhf/prompt-strings.train.jsonl"))
    parser.add_argument("--tokenizer", default=os.path.join(data, "tokenizers/qwen2.5"))
    parser.add_argument("--repeat", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with open(os.path.join(options.tokenizer, "tokenizer.json")) as file:
        content = json.load(file)
    vocabulary = 1 + max(max(content["model"]["vocab"].values()), max(token["id"] for token in content["added_tokens"]))
    seconds = {"dpo4j": [], "trl": []}
    with tempfile.TemporaryDirectory() as work:
        rows = os.path.join(work, "rows.jsonl")
        count = write_rows(options.rows, rows, options.repeat)
        for round_ in range(options.rounds):
            ours = run_dpo4j(rows, options.tokenizer, work, vocabulary)
            cache = os.path.join(work, f"datasets{round_}")
            theirs = last_line([sys.executable, os.path.abspath(__file__), "--trl", rows, options.tokenizer, cache])
            shutil.rmtree(cache, ignore_errors=True)
            print(f"round {round_ + 1}: dpo4j {ours}, TRL {theirs}", file=sys.stderr)
            seconds["dpo4j"].append(ours["seconds"])
            seconds["trl"].append(theirs["seconds"])
    import datasets
    import trl

    rates = {name: count / median(times) for name, times in seconds.items()}
    ratio = median(seconds["trl"]) / median(seconds["dpo4j"])
    name = os.path.basename(options.tokenizer.rstrip("/"))
    result = {
        "benchmark": "preference rows from text to token ids",
        "date": datetime.date.today().isoformat(),
        "commit": options.commit,
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "instructions": f"medians of {options.rounds} rounds",
        "software": f"TRL {trl.__version__}, datasets {datasets.__version__}, Python {platform.python_version()}",
        "facts": {
            "rows": f"{count:,}: {os.path.basename(options.rows)} {options.repeat} times; tokenizer {name}",
            "dpo4j": f"{rates['dpo4j']:,.0f} rows/s",
            "TRL's map on as many processes": f"{rates['trl']:,.0f} rows/s",
            "times as fast": f"{ratio:.1f}",
        },
        "seconds": seconds,
    }
    with open(options.result, "w") as out:
        json.dump(result, out, indent=1)
        out.write("\n")
    print(f"dpo4j {rates['dpo4j']:,.0f} rows/s, TRL {rates['trl']:,.0f}: {ratio:.1f} times")


if __name__ == "__main__":
    if sys.argv[1] == "--trl":
        run_trl(*sys.argv[2:5])
    else:
        main()
