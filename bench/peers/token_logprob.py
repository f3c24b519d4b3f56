"""Token log-prob beside PyTorch's log_softmax + gather, in one process on the same logits:
    python bench/peers/token_logprob.py LIBRARY RESULT.json COMMIT     LIBRARY: libdpo4j.so, of native/build.sh
Needs requirements.txt. Calls alternate, so that both meet the same state of the machine; medians are reported. PyTorch's backward is
torch.autograd.grad of the forward, which allocates its result; ours overwrites the logits, as each is used.
"""
import ctypes
import datetime
import json
import os
import sys
import time

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # idle threads of one must not take the other's processor

import header
import torch

ROUNDS = 15
MEGABYTES = (1, 64)  # in the caches of a core, and a chunk of the head
VOCABULARIES = (32000, 151936)
DTYPES = {"F32": (0, torch.float32), "BF16": (1, torch.bfloat16)}
NO_TRANSFORM = (None, 1, 0)  # bias, scale and cap
INSTRUCTIONS = ("auto", "portable", "avx2", "avx512")

Forward = header.struct("dpo4j_token_logprob_forward_params")
Backward = header.struct("dpo4j_token_logprob_backward_params")


class Library:
    def __init__(self, path, threads):
        self.library = header.load(path)
        self.context = ctypes.c_void_p()
        self.check(self.library.dpo4j_cpu_context_create(ctypes.byref(self.context), threads, 0))

    def check(self, status):
        if status != 0:
            raise RuntimeError(self.library.dpo4j_error_text(self.context))

    def forward(self, logprob, lse, logits, targets, dtype):
        rows, vocabulary = logits.shape
        params = Forward(
            logprob=address(logprob), lse=address(lse), logits=address(logits), vocabulary=vocabulary, logits_stride=vocabulary,
            transform=NO_TRANSFORM, dtype=dtype, targets=address(targets), rows=rows)
        self.check(self.library.dpo4j_token_logprob_forward(self.context, ctypes.byref(params)))

    def backward_in_place(self, logits, targets, lse, d_logprob, dtype):
        rows, vocabulary = logits.shape
        params = Backward(
            d_logits=address(logits), d_logits_stride=vocabulary, d_logits_dtype=dtype, logits=address(logits), vocabulary=vocabulary,
            logits_stride=vocabulary, transform=NO_TRANSFORM, dtype=dtype, targets=address(targets), lse=address(lse),
            d_logprob=address(d_logprob), rows=rows)
        self.check(self.library.dpo4j_token_logprob_backward(self.context, ctypes.byref(params)))


def address(tensor):
    return tensor.data_ptr()


def microseconds(calls, call):
    begin = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - begin) / calls * 1e6


def measure(library, threads, vocabulary, name, megabytes):
    code, dtype = DTYPES[name]
    rows = max(1, megabytes * 2**20 // dtype.itemsize // vocabulary)
    generator = torch.Generator().manual_seed(1)
    logits = (3 * torch.randn(rows, vocabulary, generator=generator)).to(dtype)
    targets = torch.randint(vocabulary, (rows,), generator=generator)
    short_targets = targets.to(torch.int32)
    d_logprob = torch.randn(rows, generator=generator)
    d_peer = d_logprob.to(dtype)
    logprob, lse = torch.empty(rows), torch.empty(rows)
    overwritten = logits.clone()
    leaf = logits.clone().requires_grad_()

    def peer_forward():
        return torch.log_softmax(leaf, -1).gather(-1, targets[:, None])[:, 0]

    library.forward(logprob, lse, logits, short_targets, code)
    graph = peer_forward()
    same(logprob, graph.detach(), dtype)
    calls = {
        "TokenLogProb.forward": lambda: library.forward(logprob, lse, logits, short_targets, code),
        "PyTorch.forward": peer_forward,
        "TokenLogProb.backward": lambda: library.backward_in_place(overwritten, short_targets, lse, d_logprob, code),
        "PyTorch.backward": lambda: torch.autograd.grad(graph, leaf, d_peer, retain_graph=True),
    }
    gradient, = torch.autograd.grad(graph, leaf, d_peer, retain_graph=True)
    calls["TokenLogProb.backward"]()
    same(overwritten, gradient, dtype)
    repeats = max(1, 16 // megabytes)
    times = {benchmark: [] for benchmark in calls}
    for _ in range(ROUNDS):
        for benchmark, call in calls.items():
            times[benchmark].append(microseconds(repeats, call))
    parameters = {"dtype": name, "megabytes": str(megabytes), "threads": str(threads), "vocabulary": str(vocabulary)}
    return [row(benchmark, parameters, rows * vocabulary, sorted(each)) for benchmark, each in times.items()]


def same(ours, theirs, dtype):
    """That both compute the same thing; PyTorch rounds log-probs to the type of the logits. Not a test of either's accuracy."""
    places = 1e-5 if dtype == torch.float32 else 1e-2
    torch.testing.assert_close(ours.float(), theirs.float(), rtol=places, atol=places)


def row(benchmark, parameters, elements, times):
    at = lambda percent: times[round(percent / 100 * (len(times) - 1))]
    return {"benchmark": benchmark, "parameters": parameters, "elements": elements, "samples": len(times),
            "p20_us": at(20), "median_us": at(50), "p80_us": at(80)}


def processor():
    with open("/proc/cpuinfo") as lines:
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))


def main(path, result, commit):
    results = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        library = Library(path, threads)
        for vocabulary in VOCABULARIES:
            for dtype in DTYPES:
                for megabytes in MEGABYTES:
                    results += measure(library, threads, vocabulary, dtype, megabytes)
                    ours, theirs, ours_back, theirs_back = (each["median_us"] for each in results[-4:])
                    print(f"{results[-1]['parameters']}: forward {theirs / ours:.1f} times, backward "
                          f"{theirs_back / ours_back:.1f} times as fast", flush=True)
    best = library.library.dpo4j_cpu_isa_best()
    file = {
        "date": datetime.datetime.now(datetime.timezone.utc).date().isoformat(),
        "commit": commit,
        "processor": processor(),
        "cores": os.cpu_count(),
        "instructions": f"{INSTRUCTIONS[best]}, PyTorch {torch.backends.cpu.get_cpu_capability()}",
        "software": f"PyTorch {torch.__version__}, Python {sys.version.split()[0]}",
        "results": results,
    }
    with open(result, "w") as out:
        json.dump(file, out, indent=2)
        out.write("\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
