"""Training and generation of dpo4j and of transformers in turns, on the processor alone:
    python bench/peers/model_runs.py RESULT.json COMMIT [--rounds 5] [--only REGEX] [--avx2]
Needs requirements.txt. Run it on a machine that does nothing else: ratios of a loaded one are too large.

Models have random weights in the shapes of published ones. Both train in float32 on the same rows of 256 ids, without padding and without shared
prompts, with a loss on every token but the first. dpo4j also runs with bfloat16 weights; `bf16_times_as_fast` is as fast as its own float32. A time is the median over steps after the first two of a run. Both generate greedily from prompts
of 16 ids; a time is that of a second call in the process. Every round is a process each, and rounds alternate.

LoRA trains adapters of rank 16 at all linear layers, as PEFT does, on the same rows; `memory` is the peak of resident memory of dpo4j's process as a
part of that of transformers.

With --avx2 both sides use no instructions beyond AVX2, on a processor that has more. bfloat16 is not measured then.

Beside generation of one sequence stands the bandwidth at which its weights are read, as a part of what a plain read of memory by all cores reaches.
"""

import argparse
import datetime
import json
import os
import platform
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time

import numpy
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig, Qwen2Config

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
LENGTH, PROMPT = 256, 16
SMALL = {"hidden_size": 288, "intermediate_size": 768, "num_hidden_layers": 6, "num_attention_heads": 6, "num_key_value_heads": 6}
LARGE = {"hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3}
COMMON = {"max_position_embeddings": 1024, "tie_word_embeddings": True}
MODELS = {
    "llama-15m": LlamaConfig(vocab_size=32000, **SMALL, **COMMON),
    "llama-135m": LlamaConfig(vocab_size=49152, **LARGE, **COMMON),
    "qwen2-15m": Qwen2Config(vocab_size=32000, **SMALL, **COMMON),
    "qwen2-135m": Qwen2Config(vocab_size=49152, **LARGE, **COMMON),
    "gpt2-124m": GPT2Config(attn_pdrop=0, embd_pdrop=0, resid_pdrop=0),
}
# Rows of a step, steps, new tokens of 64 sequences and of one.
WORK = {"15m": (8, 8, 64, 256), "135m": (2, 5, 24, 64), "124m": (2, 5, 24, 64)}


# Read by PyTorch, by MKL, by oneDNN (which both sides use) and by Java.
AVX2_ONLY = {
    "ATEN_CPU_CAPABILITY": "avx2", "MKL_ENABLE_INSTRUCTIONS": "AVX2", "ONEDNN_MAX_CPU_ISA": "AVX2", "JDK_JAVA_OPTIONS": "-Ddpo4j.cpu.isa=avx2",
}  # fmt: skip

RANK = 16
DTYPES = {"float32": "F32", "bfloat16": "BF16"}


def cases():
    for model in MODELS:
        batch, steps, together, alone = WORK[model.split("-")[1]]
        yield f"train.{model}", model, {"train": steps, "batch": batch}
        if model.startswith("llama"):
            yield f"lora.{model}", model, {"train": steps, "batch": batch, "lora": RANK}
        yield f"generate64.{model}", model, {"generate": 64, "prompt": PROMPT, "new": together}
        yield f"generate1.{model}", model, {"generate": 1, "prompt": PROMPT, "new": alone}


def run(command):
    """The last line of what a command prints, and the peak of its resident memory in bytes, which is at least that of this process."""
    with tempfile.TemporaryFile("w+") as printed, tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(command, cwd=ROOT, stdout=printed, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        printed.seek(0)
        errors.seek(0)
        lines = printed.read().splitlines()
        if process.returncode:
            sys.exit(f"model_runs: {command[:3]} ended with {process.returncode}:\n{lines[-20:]}{errors.read()[-2000:]}")
        return lines[-1] if lines else "", usage.ru_maxrss * 1024


def last_line(command):
    return json.loads(run(command)[0])


def median_step(steps):
    return statistics.median(steps[2:])


def dpo4j_seconds(model, rows, asked, dtype, peaks):
    if "train" not in asked:
        numbers = [str(asked[name]) for name in ("generate", "prompt", "new")]
        return last_line([
            "java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",  # as ./dpo4j generate
            "--enable-native-access=ALL-UNNAMED", "-Dorg.bytedeco.javacpp.maxPhysicalBytes=0", "-cp",
            "bench/target/classes:bench/target/lib/*", "org.dpo4j.bench.GenerateRun", model, rows, *numbers, DTYPES[dtype],
        ])["seconds"]  # fmt: skip
    with tempfile.TemporaryDirectory() as output:
        options = {
            "model_name_or_path": model, "dataset_name": rows, "output_dir": output, "overwrite_output_dir": "true", "device": "cpu",
            "per_device_train_batch_size": asked["batch"], "max_steps": asked["train"], "logging_steps": 1, "learning_rate": 1e-6, "dtype": dtype,
        }  # fmt: skip
        if "lora" in asked:
            options.update(use_peft="true", lora_r=asked["lora"], lora_alpha=2 * asked["lora"], lora_target_modules="all-linear")
        command = [os.path.join(ROOT, "dpo4j"), "sft", *(f"--{name}={value}" for name, value in options.items())]
        peaks.append(run(command)[1])
        with open(os.path.join(output, "metrics.jsonl")) as lines:
            return median_step([asked["batch"] / json.loads(line)["sequences_per_second"] for line in lines])


def transformers_seconds(model, rows, asked, versions, peaks):
    wanted = {"model": model, "rows": rows, "threads": len(os.sched_getaffinity(0)), **asked}
    line, peak = run([sys.executable, os.path.join(HERE, "model_run.py"), json.dumps(wanted)])
    result = json.loads(line)
    peaks.append(peak)
    versions.update(result["versions"])
    return median_step(result["steps"]) if "train" in asked else result["seconds"]


def read_bandwidth():
    """Bytes a second of a plain sum over 1 GiB by all cores; the best of five."""
    cores = len(os.sched_getaffinity(0))
    parts = [numpy.ones((1 << 28) // cores, dtype=numpy.float32) for _ in range(cores)]
    best = 0
    with ThreadPoolExecutor(cores) as pool:
        for _ in range(5):
            began = time.perf_counter()
            list(pool.map(numpy.max, parts))
            best = max(best, sum(part.nbytes for part in parts) / (time.perf_counter() - began))
    return best


def write(folder, name):
    """The model and its rows."""
    model = AutoModelForCausalLM.from_config(MODELS[name])
    model.save_pretrained(folder)
    chance = random.Random(1)
    path = os.path.join(folder, "rows.jsonl")
    with open(path, "w") as rows:
        for _ in range(64):
            ids = [chance.randrange(3, model.config.vocab_size) for _ in range(LENGTH)]
            rows.write(json.dumps({"prompt_ids": ids[:1], "completion_ids": ids[1:]}) + "\n")
    read = sum(parameter.numel() * 4 for name, parameter in model.named_parameters() if name != "transformer.wpe.weight")
    return path, read


def apart(function, *arguments):
    """Calls a function in a process of its own, so that its memory is not part of the peaks."""
    with ProcessPoolExecutor(1) as pool:
        return pool.submit(function, *arguments).result()


def measured(asked, versions):
    bandwidth = apart(read_bandwidth)
    results = []
    for name, shape, work in cases():
        if not re.search(asked.only, name):
            continue
        with tempfile.TemporaryDirectory() as folder:
            rows, weights = apart(write, folder, shape)
            times = {who: [] for who in ("dpo4j", "dpo4j_bf16", "transformers") if not (asked.avx2 and who == "dpo4j_bf16")}
            peaks = {who: [] for who in times}
            for turn in range(asked.rounds):
                order = list(times) if turn % 2 == 0 else list(times)[::-1]
                for who in order:
                    if who == "transformers":
                        times[who].append(transformers_seconds(folder, rows, work, versions, peaks[who]))
                    else:
                        dtype = "float32" if who == "dpo4j" else "bfloat16"
                        times[who].append(dpo4j_seconds(folder, rows, work, dtype, peaks[who]))
        tokens = work["batch"] * LENGTH if "train" in work else work["generate"] * work["new"]
        medians = {who: statistics.median(each) for who, each in times.items()}
        row = {
            "benchmark": f"ModelRun.{name}", "parameters": work, "samples": asked.rounds,
            **{f"{who}_tokens_per_second": tokens / median for who, median in medians.items()},
            "times_as_fast": medians["transformers"] / medians["dpo4j"],
        }  # fmt: skip
        if "dpo4j_bf16" in medians:
            row["bf16_times_as_fast"] = medians["dpo4j"] / medians["dpo4j_bf16"]
        if "train" in work:
            memory = {who: statistics.median(each) for who, each in peaks.items()}
            row.update({f"{who}_peak_bytes": peak for who, peak in memory.items()}, memory=memory["dpo4j"] / memory["transformers"])
        if work.get("generate") == 1:
            row["weights_bytes_per_second"] = weights * work["new"] / medians["dpo4j"]
            row["part_of_read_bandwidth"] = row["weights_bytes_per_second"] / bandwidth
        print(json.dumps(row), flush=True)
        results.append(row)
    return results


def processor():
    with open("/proc/cpuinfo") as lines:
        named = dict(line.split(":", 1) for line in lines if ":" in line)
    named = {name.strip(): value.strip() for name, value in named.items()}
    return named["model name"], named.get("flags", "").split()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("result")
    parser.add_argument("commit")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="a regular expression that is found in the names of benchmarks")
    parser.add_argument("--avx2", action="store_true", help="no instructions beyond AVX2")
    asked = parser.parse_args()
    build = "./mvnw -q -B -Dspotless.check.skip=true -DskipTests -pl java/kernels,java/trainer,bench package"
    subprocess.run([*build.split()], cwd=ROOT, check=True)
    subprocess.run([os.path.join(ROOT, "dpo4j"), "doctor"], check=True, stdout=subprocess.DEVNULL)
    if asked.avx2:
        os.environ.update(AVX2_ONLY)
    versions = {}
    name, flags = processor()
    results = measured(asked, versions)
    java = subprocess.run(["java", "-version"], capture_output=True, text=True, check=True).stderr.split('"')[1]
    file = {
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(), "commit": asked.commit, "processor": name,
        "cores": len(os.sched_getaffinity(0)), "instructions": versions["instructions"] + (", avx512_bf16" if "avx512_bf16" in flags and not asked.avx2 else ""), "peer": f"transformers {versions['transformers']}",
        "software": f"Java {java}, transformers {versions['transformers']}, PyTorch {versions['torch']}, Python {platform.python_version()}",
        "results": results,
    }  # fmt: skip
    with open(asked.result, "w") as out:
        json.dump(file, out, indent=2)
        out.write("\n")


if __name__ == "__main__":
    main()
