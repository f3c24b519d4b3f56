"""Two starts of a DPO run with many rows: the first converts them, the second takes them from the store that the first kept.
    python bench/million_rows.py RESULT.json COMMIT [--pairs 1000000] [--work DIR] [--heap 512m]
Needs DPO4J_DATA, whose TinyStories-656K is the model, and 5 GB in the directory for temporary files for a million pairs. The pairs have 500 tokens, as ids:
prompt 100, completions 200 each. A run makes one step of one pair, so its time is that of its start. The heap is limited by -Xmx, so a run that needs more
ends with an error.
"""

import argparse
import datetime
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def write_rows(target, pairs):
    generator = random.Random(1)

    def texts(length):
        return [json.dumps([generator.randint(3, 999) for _ in range(length)], separators=(",", ":")) for _ in range(1000)]

    prompts, completions = texts(100), texts(200)
    with open(target, "w") as out:
        for _ in range(pairs):
            chosen, rejected = generator.sample(completions, 2)
            out.write(f'{{"prompt_ids":{generator.choice(prompts)},"chosen_ids":{chosen},"rejected_ids":{rejected}}}\n')


def start(rows, model, work, heap):
    command = os.environ.get("DPO4J_COMMAND", os.path.join(ROOT, "dpo4j")).split()
    command += ["dpo", "--model_name_or_path", model, "--dataset_name", rows, "--output_dir", os.path.join(work, "out")]
    command += ["--overwrite_output_dir", "--device", "cpu", "--max_steps", "1", "--per_device_train_batch_size", "1"]
    command += ["--dataset_cache_dir", os.path.join(work, "cache")]
    environment = {**os.environ, "DPO4J_JAVA_OPTIONS": f"-Xmx{heap}", "JDK_JAVA_OPTIONS": f"-Xmx{heap}"}
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode != 0:
        sys.exit(f"million_rows: exit {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    stored = re.search(r"^pairs stored +(.*)$", done.stdout, re.M)
    rate = re.search(r"[0-9,]+ rows per second", stored.group(1) if stored else "")
    return {"seconds": time.perf_counter() - began, "rate": rate.group(0) if rate else ""}


def processor():
    with open("/proc/cpuinfo") as info:
        return next(line.split(":", 1)[1].strip() for line in info if line.startswith("model name"))


def java():
    version = subprocess.run(["java", "-version"], capture_output=True, text=True).stderr
    return "Java " + re.search(r'"([^"]+)"', version).group(1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("result")
    parser.add_argument("commit")
    parser.add_argument("--pairs", type=int, default=1_000_000)
    parser.add_argument("--work")
    parser.add_argument("--heap", default="512m")
    options = parser.parse_args()
    model = os.path.join(os.environ["DPO4J_DATA"], "models/TinyStories-656K")
    with tempfile.TemporaryDirectory(dir=options.work) as work:
        rows = os.path.join(work, "rows.jsonl")
        write_rows(rows, options.pairs)
        first = start(rows, model, work, options.heap)
        second = start(rows, model, work, options.heap)
        (store,) = os.listdir(os.path.join(work, "cache"))
        result = {
            "benchmark": "start of a DPO run with many rows",
            "date": datetime.date.today().isoformat(),
            "commit": options.commit,
            "processor": processor(),
            "cores": len(os.sched_getaffinity(0)),
            "instructions": f"heap of at most {options.heap}",
            "software": java(),
            "facts": {
                "rows": f"{options.pairs:,} pairs of 500 tokens, {os.path.getsize(rows) / 1e9:.2f} GB of JSONL",
                "store": f"{os.path.getsize(os.path.join(work, 'cache', store)) / 1e9:.2f} GB",
                "first start, to the end of one step": f"{first['seconds']:.0f} s; {first['rate']}",
                "second start, to the end of one step": f"{second['seconds']:.0f} s",
            },
        }
    with open(options.result, "w") as out:
        json.dump(result, out, indent=1)
        out.write("\n")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
