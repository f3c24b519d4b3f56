"""Times other libraries on the benchmarks that ./bench has measured, and adds their rows to its file:
    python3 gpu.py RESULTS.json [--peer eager|compile|liger|trl] [--packages FOLDER]
Without --peer all of them, each in a process of its own. FOLDER holds packages (pip install --target FOLDER ...) or wheels, which are unpacked for
the process, and comes first on sys.path. Run it right after ./bench on the same machine. A row has "ours_us", the median of dpo4j in the same file,
and "times_ours", how many times as long the peer takes.

The rules are those of bench/device: random data of the same distributions, a gate in fp64 on sampled rows before any time is taken, tensors that
rotate through more memory than L2 has, a warm-up, CUDA events around many calls. Results that a library rounds to bf16 are allowed that rounding;
"gate" says how large the error was, as a share of what is allowed.
"""
import argparse
import atexit
import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # on a cpu, idle threads of one must not take the other's processor

CACHE_BYTES = 4 * 60_000_000
LAUNCH_BOUND_BYTES = 1 << 20
SAMPLES = 16
ROUNDS = 30
PACES = {"full": (1, 20, 5e-3), "quick": (0.1, 1.2, 2e-3), "look": (0, 0.05, 1e-4)}  # seconds of warm-up, of the rounds and of a round


class Case:
    """A call, the tensors it reads and writes, and what its results should be."""

    def __init__(self, call, tensors=(), check=lambda: []):
        self.call, self.tensors, self.check = call, tensors, check

    def bytes(self):
        return sum(tensor.numel() * tensor.element_size() for tensor in self.tensors)


class Unsupported(Exception):
    pass


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("results")
    parser.add_argument("--peer", choices=sorted(PEERS))
    parser.add_argument("--packages")
    arguments = parser.parse_args()
    if arguments.packages and not os.path.isdir(arguments.packages):
        parser.error(f"--packages {arguments.packages} is no folder")
    if not arguments.peer:
        codes = [subprocess.run([sys.executable, *sys.argv, "--peer", peer]).returncode for peer in PEERS]
        sys.exit(any(codes))
    if arguments.packages:
        sys.path[:0] = [arguments.packages, *unpacked(sorted(glob.glob(os.path.join(arguments.packages, "*.whl"))))]
    with open(arguments.results) as file:
        run = json.load(file)
    measure(run, arguments.peer, lambda: write(arguments.results, run))


def write(path, run):
    with open(path + ".part", "w") as file:
        json.dump(run, file, indent=2)
        file.write("\n")
    os.replace(path + ".part", path)


def measure(run, peer, keep):
    """Adds the peer's rows to a run, and what it could not run."""
    peers = run.setdefault("peers", {})
    run["results"] = [row for row in run["results"] if row.get("peer") != peer]
    try:
        worker = Worker(peer, "cuda" if run["device"] == "cuda" else "cpu")
    except Exception as reason:
        peers[peer] = f"did not run: {describe(reason)}"
        print(f"{peer}: {peers[peer]}")
        return keep()
    peers[peer] = worker.software
    warm_up, seconds, block = PACES[run["pace"]]
    for ours in [row for row in run["results"] if "peer" not in row and "gate_failed" not in row and row["benchmark"] in worker.cases]:
        row = {"benchmark": ours["benchmark"], "parameters": ours["parameters"], "peer": peer}
        try:
            row |= worker.prepare(ours["benchmark"], ours["parameters"], block)
            row |= worker.rounds(warm_up, seconds)
            row |= {"ours_us": ours["median_us"], "times_ours": row["median_us"] / ours["median_us"]}
            run["results"].append(row)
            print(f"{peer}: {row['benchmark']} {row['parameters']}: {row['median_us']:.1f} us, {row['times_ours']:.2f} times ours", flush=True)
        except Exception as reason:
            run["not_run"].append({**row, "reason": describe(reason)})
            print(f"{peer}: not run: {row['benchmark']}: {describe(reason)}", flush=True)
        worker.release()
        keep()


def unpacked(wheels):
    """A folder of what the wheels hold, until the end of the process: libraries cannot be loaded out of a zip."""
    if not wheels:
        return []
    folder = tempfile.mkdtemp(prefix="dpo4j-peers-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as content:
            content.extractall(folder)
    return [folder]


def describe(reason):
    lines = str(reason).strip().splitlines()
    return f"{type(reason).__name__}: {lines[0] if lines else ''}"


class Worker:
    def __init__(self, peer, device):
        import torch

        self.torch, self.device = torch, device
        if device == "cuda" and not torch.cuda.is_available():
            raise RuntimeError(f"torch {torch.__version__} sees no GPU")
        self.software = f"torch {torch.__version__}"
        if device == "cuda":
            self.software += f", CUDA {torch.version.cuda}"
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.manual_seed(1)
        self.cases, versions = PEERS[peer](self)
        self.software = ", ".join([self.software, *versions])
        self.ready = None

    def dtype(self, sizes, key="dtype"):
        return {"BF16": self.torch.bfloat16, "F32": self.torch.float32}[sizes.get(key, "F32")]

    def normal(self, *shape, dtype=None, deviation=1.0, gradient=False):
        tensor = (deviation * self.torch.randn(*shape, device=self.device)).to(dtype or self.torch.float32)
        return tensor.requires_grad_(gradient)

    def indices(self, end, *shape):
        return self.torch.randint(end, shape, device=self.device)

    def prepare(self, benchmark, parameters, block_seconds):
        self.release()
        sizes = {name: int(value) if value.isdigit() else value for name, value in parameters.items()}
        case = self.cases[benchmark](self, sizes)
        case.call()
        worst = max((self.error(*each) for each in case.check()), default=0.0)
        if not worst <= 1:
            raise ValueError(f"the result of {benchmark} is off by {worst:.3g} times what is allowed")
        copies = 1
        if self.device == "cuda" and LAUNCH_BOUND_BYTES <= case.bytes() < CACHE_BYTES:
            copies = -(-CACHE_BYTES // case.bytes())
        self.ready = [case.call] + [self.cases[benchmark](self, sizes).call for _ in range(copies - 1)]
        self.turn, self.calls = 0, 3
        self.round()
        estimate = max(1e-3, min(self.round(), self.round()))
        longest = max(1, int(0.4e6 / estimate))
        self.calls = min(longest, max(20, min(500, int(block_seconds * 1e6 / estimate))))
        memory = self.torch.cuda.max_memory_allocated() if self.device == "cuda" else 0
        return {"calls": self.calls, "gate": worst, "peak_memory_bytes": memory}

    def rounds(self, warm_up, seconds):
        end = time.perf_counter() + warm_up
        while time.perf_counter() < end:
            self.round()
        times, end = [], time.perf_counter() + seconds
        while len(times) < ROUNDS and (len(times) < 3 or time.perf_counter() < end):
            times.append(self.round())
        at = lambda percent: sorted(times)[round(percent / 100 * (len(times) - 1))]
        return {"samples": len(times), "p20_us": at(20), "median_us": at(50), "p80_us": at(80), "round_us": times}

    def error(self, actual, expected, allowed):
        """Largest error as a share of what is allowed, which may differ from place to place."""
        difference = (actual.detach().double() - expected.double()).abs()
        return (difference / allowed).max().item()

    def round(self):
        """Microseconds of a call."""
        if self.device == "cpu":
            began = time.perf_counter()
            self.run()
            return (time.perf_counter() - began) / self.calls * 1e6
        first, last = (self.torch.cuda.Event(enable_timing=True) for _ in range(2))
        first.record()
        self.run()
        last.record()
        last.synchronize()
        return 1e3 * first.elapsed_time(last) / self.calls

    def run(self):
        for _ in range(self.calls):
            self.ready[self.turn % len(self.ready)]()
            self.turn += 1

    def release(self):
        self.ready = None
        if self.device == "cuda":
            self.torch.cuda.empty_cache()
            self.torch.cuda.reset_peak_memory_stats()


def rounding(tensor):
    return 2.0**-8 if tensor.element_size() == 2 else 2.0**-16


# ---- operations, each from the function that a library has for it ----------------------------------------------------------------------


MASKED_RUN = 128


def masked_rows(torch, sizes, device):
    """The rows of bench/device's `masked half`: every second run of them."""
    run = max(1, min(MASKED_RUN, sizes["rows"] // 4))
    return (torch.arange(sizes["rows"], device=device) // run) % 2 == (1 if sizes.get("masked") == "half" else 2)


def token_logprob(function, part, ignored=None):
    """logits, targets -> log-prob of a row; part: forward, backward or both. Masked rows have the target that the library leaves out, or any, where it
    has none: then they are computed, as in TRL, and a mask would come after."""

    def make(worker, sizes):
        torch = worker.torch
        rows, vocabulary, dtype = sizes["rows"], sizes["vocabulary"], worker.dtype(sizes, "logits")
        logits = worker.normal(rows, vocabulary, dtype=dtype, deviation=3, gradient=True)
        targets, d = worker.indices(vocabulary, rows), worker.normal(rows)
        masked = masked_rows(torch, sizes, worker.device)
        if ignored is not None:
            targets[masked] = ignored
        d[masked] = 0
        visible = (~masked).nonzero()[:, 0]
        sample = visible[torch.linspace(0, len(visible) - 1, min(SAMPLES, len(visible)), device=worker.device).long()]
        state = {}

        def forward():
            with torch.no_grad():
                state["logprob"] = function(logits, targets)

        def backward():
            out = state["graph"]
            state["gradient"], = torch.autograd.grad(out, logits, d.to(out.dtype), retain_graph=True)

        def both():
            out = state["logprob"] = function(logits, targets)
            state["gradient"], = torch.autograd.grad(out, logits, d.to(out.dtype))

        def check():
            rounded = logits.detach()[sample].double().requires_grad_()
            expected = torch.log_softmax(rounded, -1).gather(-1, targets[sample, None])[:, 0]
            if "logprob" in state:
                yield state["logprob"][sample], expected.detach(), 1e-4 + rounding(state["logprob"]) * expected.detach().abs()
            if "gradient" in state:
                gradient, = torch.autograd.grad(expected, rounded, d[sample].double())
                share = rounding(state["gradient"]) * d[sample, None].double().abs()
                yield state["gradient"][sample], gradient, 4 * share * (rounded.detach() - rounded.detach().amax()).exp() + share

        if part == "backward":
            state["graph"] = function(logits, targets)
        return Case({"forward": forward, "backward": backward, "both": both}[part], [logits] * (1 if part == "forward" else 2), check)

    return make


def lm_head(function, part):
    """hidden rows, weight, targets -> log-prob of a row."""

    def make(worker, sizes):
        torch = worker.torch
        rows, vocabulary, hidden, dtype = sizes["rows"], sizes["vocabulary"], sizes["hidden"], worker.dtype(sizes)
        x = worker.normal(rows, hidden, dtype=dtype, gradient=True)
        weight = worker.normal(vocabulary, hidden, dtype=dtype, deviation=0.02, gradient=True)
        targets, d = worker.indices(vocabulary, rows), worker.normal(rows)
        sample = torch.linspace(0, rows - 1, min(4, rows), device=worker.device).long()
        state = {}

        def forward():
            with torch.no_grad():
                state["logprob"] = function(x, weight, targets)

        def both():
            out = state["logprob"] = function(x, weight, targets)
            state["gradients"] = torch.autograd.grad(out, (x, weight), d.to(out.dtype))

        def check():
            logits = torch.cat([(x.detach()[sample].double() @ part.double().T) for part in weight.detach().split(8192)], -1)
            expected = torch.log_softmax(logits, -1).gather(-1, targets[sample, None])[:, 0]
            logprob = state["logprob"][sample]
            # logits that are stored in bf16 lose up to their rounding
            yield logprob, expected, 1e-3 + rounding(x) * (expected.abs() + 2 * logits.abs().amax(-1))

        return Case(forward if part == "forward" else both, [x, weight], check)

    return make


def unary(build):
    """build(worker, sizes) -> tensors, call, expected: the call's result against one in fp64."""

    def make(worker, sizes):
        tensors, call, expected = build(worker, sizes)
        state = {}

        def run():
            state["out"] = call()

        def check():
            for actual, wanted in zip(as_tuple(state["out"]), as_tuple(expected())):
                yield actual, wanted, 4 * rounding(actual) * (wanted.double().abs() + wanted.double().abs().mean())

        return Case(run, tensors, check)

    return make


def as_tuple(value):
    return value if isinstance(value, tuple) else (value,)


def rows_of(worker, sizes, gradient=False, times=1):
    return worker.normal(sizes["rows"], times * sizes["width"], dtype=worker.dtype(sizes), gradient=gradient)


def gradient_case(worker, function, inputs, add=None):
    """Backward alone: the graph is kept, its gradient taken again and again."""
    torch = worker.torch
    out = function(*inputs)
    d = torch.randn_like(out)

    def call():
        gradients = torch.autograd.grad(out, inputs, d, retain_graph=True)
        return gradients if add is None else (gradients[0] + add, *gradients[1:])

    def expected():
        doubles = [each.detach().double().requires_grad_() for each in inputs]
        gradients = torch.autograd.grad(function(*doubles), doubles, d.double())
        return gradients if add is None else (gradients[0] + add.double(), *gradients[1:])

    return [*inputs, *inputs, d], call, expected


def forward_case(function, inputs, reference=None):
    return list(inputs), lambda: function(*inputs), lambda: (reference or function)(*[each.detach().double() for each in inputs])


def rms_norm_inputs(worker, sizes):
    if "groups" in sizes:
        raise Unsupported("rms_norm has no rows apart, and no offset of its weight")
    return rows_of(worker, sizes, gradient=True), worker.normal(sizes["width"], dtype=worker.dtype(sizes), gradient=True)


def layer_norm_inputs(worker, sizes):
    return *rms_norm_inputs(worker, sizes), worker.normal(sizes["width"], dtype=worker.dtype(sizes), gradient=True)


def attention_inputs(worker, sizes):
    if sizes["layout"] != "causal":
        raise Unsupported("scaled_dot_product_attention has no segments with a shared prefix")
    if "window" in sizes or "soft_cap" in sizes:
        raise Unsupported("scaled_dot_product_attention has no window that skips tiles, and no soft cap")
    shape = lambda heads: (sizes["sequences"], heads, sizes["tokens"], sizes["width"])
    return tuple(worker.normal(*shape(heads), dtype=worker.dtype(sizes), gradient=True)
                 for heads in (sizes["heads"], sizes["kv_heads"], sizes["kv_heads"]))


def attention(function, part):
    """The gate looks at the last key head of the first sequence: in fp64 the scores of all would not fit."""

    def make(worker, sizes):
        q, k, v = inputs = attention_inputs(worker, sizes)
        group, state, torch = sizes["heads"] // sizes["kv_heads"], {}, worker.torch
        graph = function(*inputs)
        d = torch.randn_like(graph)

        def forward():
            with torch.no_grad():
                state["out"] = (function(*inputs),)

        def backward():
            state["out"] = torch.autograd.grad(graph, inputs, d, retain_graph=True)

        def check():
            parts = [each.detach()[:1, -count:].double().requires_grad_() for each, count in ((q, group), (k, 1), (v, 1))]
            expected = torch.nn.functional.scaled_dot_product_attention(*parts, is_causal=True, enable_gqa=True)
            wanted = (expected.detach(),)
            if part == "backward":
                wanted = torch.autograd.grad(expected, parts, d[:1, -group:].double())
            for actual, of in zip(state["out"], wanted):
                yield actual[:1, -of.shape[1]:], of, 4 * rounding(actual) * (of.abs() + of.abs().mean())

        return Case(forward if part == "forward" else backward, inputs, check)

    return make


def attention_decode(function):
    """One query a sequence. The gate looks at the last key head of the first sequence."""

    def make(worker, sizes):
        if "window" in sizes or "soft_cap" in sizes:
            raise Unsupported("scaled_dot_product_attention has no window that skips tiles, and no soft cap")
        group, state, torch = sizes["heads"] // sizes["kv_heads"], {}, worker.torch
        inputs = q, k, v = tuple(worker.normal(sizes["sequences"], heads, tokens, sizes["width"], dtype=worker.dtype(sizes))
                                 for heads, tokens in ((sizes["heads"], 1), *[(sizes["kv_heads"], sizes["context"])] * 2))

        def forward():
            with torch.no_grad():
                state["out"] = function(*inputs)

        def check():
            parts = [each[:1, -count:].double() for each, count in ((q, group), (k, 1), (v, 1))]
            expected = torch.nn.functional.scaled_dot_product_attention(*parts, enable_gqa=True)
            actual = state["out"][:1, -group:]
            yield actual, expected, 4 * rounding(actual) * (expected.abs() + expected.abs().mean())

        return Case(forward, inputs, check)

    return make


def rotated(torch):
    def rotate(x, cosine, sine):
        first, second = x.chunk(2, -1)
        return x * cosine + torch.cat((-second, first), -1) * sine
    return rotate


def adamw(worker, sizes):
    if sizes.get("dtype") == "BF16":
        raise Unsupported("torch.optim.AdamW keeps no fp32 master of a bf16 parameter")
    torch = worker.torch
    parameter = worker.normal(sizes["count"], gradient=True)
    parameter.grad = worker.normal(sizes["count"])
    optimizer = torch.optim.AdamW([parameter], lr=1e-6, weight_decay=0, fused=True)
    before, expected = parameter.detach()[:64].clone(), parameter.grad[:64].sign()
    state = {}

    def call():
        optimizer.step()
        state.setdefault("after", parameter.detach()[:64].clone())

    return Case(call, [parameter] * 4, lambda: [(state["after"], before - 1e-6 * expected, 2e-7 * before.abs() + 1e-8)])


def optimizer(make, expected):
    """The first step of an optimizer of torch from weights of 0; `expected` is its length for a gradient."""

    def case(worker, sizes):
        if sizes.get("dtype") == "BF16":
            raise Unsupported("torch keeps no fp32 master of a bf16 parameter")
        torch = worker.torch
        parameter = torch.zeros(sizes["count"], device=worker.device, requires_grad=True)
        parameter.grad = worker.normal(sizes["count"])
        step = make(torch, parameter)
        gradient, state = parameter.grad[:64].clone(), {}

        def call():
            step.step()
            state.setdefault("after", parameter.detach()[:64].clone())

        return Case(call, [parameter] * 4, lambda: [(state["after"], -expected(gradient), 1e-5 * expected(gradient).abs() + 1e-12)])

    return case


SGD = optimizer(lambda torch, p: torch.optim.SGD([p], lr=1e-6, momentum=0.9, weight_decay=0.1), lambda g: 1e-6 * g)
RMSPROP = optimizer(lambda torch, p: torch.optim.RMSprop([p], lr=1e-6), lambda g: 1e-6 * g / (0.1 * g.abs() + 1e-8))


def preference_loss(worker, sizes):
    torch = worker.torch
    F = torch.nn.functional
    sums = worker.normal(2 * sizes["pairs"], deviation=10, gradient=True)
    reference = worker.normal(2 * sizes["pairs"], deviation=10)
    state = {}

    def loss(sums, reference):
        rewards = 0.1 * (sums - reference)
        chosen, rejected = rewards[0::2], rewards[1::2]
        metrics = torch.stack([chosen.mean(), rejected.mean(), (chosen > rejected).to(chosen.dtype).mean()]).detach()
        return -F.logsigmoid(chosen - rejected), metrics

    def call():
        losses, state["metrics"] = loss(sums, reference)
        state["losses"] = losses.detach()
        state["gradient"], = torch.autograd.grad(losses.mean(), sums)

    def check():
        doubles = sums.detach().double().requires_grad_()
        losses, _ = loss(doubles, reference.double())
        gradient, = torch.autograd.grad(losses.mean(), doubles)
        yield state["losses"], losses.detach(), 1e-4
        yield state["gradient"], gradient, 1e-5 / sizes["pairs"]

    return Case(call, [sums, reference], check)


def matmul(worker, sizes):
    rows, inner, out, dtype = sizes["rows"], sizes["in"], sizes["out"], worker.dtype(sizes)
    x, y = worker.normal(rows, inner, dtype=dtype), worker.normal(rows, out, dtype=dtype)
    weight = worker.normal(out, inner, dtype=dtype, deviation=0.02)
    bias = worker.normal(out, dtype=dtype) if "bias" in sizes else None
    forward = lambda: worker.torch.nn.functional.linear(x, weight, bias)
    function = {"forward": forward, "input_gradient": lambda: y @ weight, "weight_gradient": lambda: y.T @ x}
    call, state = function[sizes["product"]], {}

    def run():
        state["out"] = call()

    return Case(run, [x, y, weight])


def dpo_step(worker, sizes):
    """A Llama of transformers under TRL's fused head (its logits where this TRL has none), fp32 weights under bf16 autocast: TRL's default."""
    torch = worker.torch
    if sizes["layout"] != "plain":
        raise Unsupported("TRL computes a prompt once for each completion: compare with layout plain")
    from transformers import AutoModelForCausalLM, LlamaConfig
    from trl.trainer import utils

    names = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads")
    shapes = {"qwen2-0.5b": (151936, 896, 4864, 24, 14, 2), "tiny": (97, 32, 48, 2, 4, 2), "llama3-8b": (128256, 4096, 14336, 32, 32, 8)}
    config = LlamaConfig(**dict(zip(names, shapes[sizes["model"]])), tie_word_embeddings=True, max_position_embeddings=32768)
    with torch.device(worker.device):
        model = AutoModelForCausalLM.from_config(config, attn_implementation="sdpa")
    model.train()
    fused = hasattr(utils, "add_fused_lm_head")
    if fused:
        utils.add_fused_lm_head(model, outputs=("log_probs", "entropy", "mean_logits", "is_top1"))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-7, weight_decay=0, fused=True)
    length, pairs = sizes["prompt"] + sizes["completion"], sizes["pairs"]
    prompts = worker.indices(config.vocab_size, pairs, sizes["prompt"]).repeat(2, 1)
    ids = torch.cat((prompts, worker.indices(config.vocab_size, 2 * pairs, sizes["completion"])), 1)
    labels = ids.clone()
    labels[:, :sizes["prompt"]] = -100
    autocast = lambda: torch.autocast(worker.device, torch.bfloat16, enabled=sizes["dtype"] == "BF16")

    def sums():
        with autocast():
            if fused:
                out = model(input_ids=ids, labels=labels, use_cache=False, fused_lm_head=True)
                return out.log_probs[:, -(length - 1):].sum(1)
            logits = model(input_ids=ids, use_cache=False).logits[:, :-1]
            of = utils.selective_log_softmax(logits, ids[:, 1:])
            return (of * (labels[:, 1:] != -100)).sum(1)

    with torch.no_grad():
        reference = sums()
    state = {}

    def call():
        rewards = 0.1 * (sums() - reference)
        loss = -torch.nn.functional.logsigmoid(rewards[:pairs] - rewards[pairs:]).mean()
        state.setdefault("loss", loss.detach())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    # In training mode without dropout the first step's loss is ln 2 up to what sums of log-probs may differ by.
    return Case(call, [], lambda: [(state["loss"], torch.tensor(0.6931471805599453, device=worker.device), 1e-2)])


# ---- libraries ------------------------------------------------------------------------------------------------------------------------


def torch_cases(worker, wrap):
    torch = worker.torch
    F = torch.nn.functional
    logprob = wrap(lambda logits, targets: torch.log_softmax(logits, -1).gather(-1, targets[:, None])[:, 0])
    head = wrap(lambda x, weight, targets: torch.log_softmax(F.linear(x, weight).float(), -1).gather(-1, targets[:, None])[:, 0])
    norm = wrap(lambda x, weight: F.rms_norm(x, (x.shape[-1],), weight, 1e-6))
    layer_norm = wrap(lambda x, weight, bias: F.layer_norm(x, (x.shape[-1],), weight, bias, 1e-5))
    attend = wrap(lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True))
    rotate = wrap(rotated(torch))

    def activation(sizes):
        kinds = {"silu": F.silu, "gelu_erf": F.gelu, "gelu_tanh": lambda x: F.gelu(x, approximate="tanh")}
        function = kinds[sizes["kind"]]
        return wrap(function if sizes["inputs"] == 1 else lambda x: function(x.chunk(2, -1)[0]) * x.chunk(2, -1)[1])

    def rope_inputs(worker, sizes):
        x = worker.normal(sizes["rows"], sizes["heads"], sizes["width"], dtype=worker.dtype(sizes))
        angle = worker.normal(sizes["rows"], 1, sizes["width"] // 2).repeat(1, 1, 2)
        return x, angle.cos().to(x.dtype), angle.sin().to(x.dtype)

    def embedding_inputs(worker, sizes, gradient):
        table = worker.normal(sizes["vocabulary"], sizes["width"], dtype=worker.dtype(sizes), deviation=0.02, gradient=gradient)
        return table, worker.indices(sizes["vocabulary"], sizes["rows"])

    def embedding(worker, sizes):
        table, ids = embedding_inputs(worker, sizes, False)
        scale = sizes.get("scale", 1)
        look_up = wrap(lambda table: F.embedding(ids, table) if scale == 1 else F.embedding(ids, table) * scale)
        return [table[: sizes["rows"]]] * 2, lambda: look_up(table), lambda: table.double()[ids] * scale

    def embedding_backward(worker, sizes):
        table, ids = embedding_inputs(worker, sizes, True)
        scale = sizes.get("scale", 1)
        return gradient_case(worker, lambda table: F.embedding(ids, table) if scale == 1 else F.embedding(ids, table) * scale, (table,))

    def copy_rows(worker, sizes):
        source, ids = worker.normal(2 * sizes["rows"], sizes["width"], dtype=worker.dtype(sizes)), worker.indices(2 * sizes["rows"], sizes["rows"])
        return [source], lambda: source.index_select(0, ids), lambda: source.double()[ids]

    def residual_gradient(function, inputs):
        def case(worker, sizes):
            tensors = inputs(worker, sizes)
            return gradient_case(worker, function, tensors, torch.randn_like(tensors[0]))

        return case

    def scale_rows(worker, sizes):
        return forward_case(wrap(lambda scale, x: (scale * x).to(x.dtype)), (worker.normal(sizes["rows"], 1), rows_of(worker, sizes)))

    def gradient_norm(worker, sizes):
        return forward_case(wrap(torch.linalg.vector_norm), (worker.normal(sizes["count"]),))

    return {
        "matmul": matmul,
        "token_logprob_forward": token_logprob(logprob, "forward"),
        "token_logprob_backward": token_logprob(logprob, "backward"),
        "token_logprob_forward_backward": token_logprob(logprob, "both"),
        "lm_head_forward": lm_head(head, "forward"),
        "lm_head_forward_backward": lm_head(head, "both"),
        "preference_loss": preference_loss,
        "rms_norm_forward": unary(lambda w, s: forward_case(norm, rms_norm_inputs(w, s))),
        "rms_norm_backward": unary(residual_gradient(norm, rms_norm_inputs)),
        "layer_norm_forward": unary(lambda w, s: forward_case(layer_norm, layer_norm_inputs(w, s))),
        "layer_norm_backward": unary(residual_gradient(layer_norm, layer_norm_inputs)),
        "residual_forward": unary(lambda w, s: forward_case(wrap(torch.add), (rows_of(w, s), rows_of(w, s)))),
        "rope_forward": unary(lambda w, s: forward_case(rotate, rope_inputs(w, s))),
        "activation_forward": unary(lambda w, s: forward_case(activation(s), (rows_of(w, s, times=s["inputs"]),))),
        "activation_backward": unary(lambda w, s: gradient_case(w, activation(s), (rows_of(w, s, True, s["inputs"]),))),
        "attention_forward": attention(attend, "forward"),
        "attention_backward": attention(attend, "backward"),
        "attention_decode": attention_decode(wrap(
            lambda q, k, v: F.scaled_dot_product_attention(q, k, v, enable_gqa=True))),
        "embedding_forward": unary(embedding),
        "embedding_backward": unary(embedding_backward),
        "copy_rows": unary(copy_rows),
        "scale_rows": unary(scale_rows),
        "gradient_norm": unary(gradient_norm),
        "adamw": adamw,
        "sgd": SGD,
        "rmsprop": RMSPROP,
    }


def eager(worker):
    return torch_cases(worker, lambda function: function), []


def compiled(worker):
    import torch._functorch.config as config

    config.donated_buffer = False  # a graph's gradient is taken more than once
    skipped = ("matmul", "preference_loss", "copy_rows", "adamw", "sgd", "rmsprop", "embedding_backward")
    cases = torch_cases(worker, lambda function: worker.torch.compile(function, dynamic=False))
    return {name: case for name, case in cases.items() if name not in skipped}, ["torch.compile"]


def liger(worker):
    import importlib.metadata

    from liger_kernel.ops.cross_entropy import LigerCrossEntropyFunction
    from liger_kernel.ops.fused_linear_cross_entropy import LigerFusedLinearCrossEntropyFunction
    from liger_kernel.ops.geglu import LigerGELUMulFunction
    from liger_kernel.ops.layer_norm import LigerLayerNormFunction
    from liger_kernel.ops.rms_norm import LigerRMSNormFunction
    from liger_kernel.ops.swiglu import LigerSiLUMulFunction

    if worker.device == "cpu":
        raise Unsupported("Triton needs a GPU")
    first = lambda result: result[0] if isinstance(result, tuple) else result
    logprob = lambda logits, targets: -first(LigerCrossEntropyFunction.apply(
        logits.clone() if logits.requires_grad else logits, targets, None, -100, 0.0, 0.0, "none"))
    norm = lambda x, weight: LigerRMSNormFunction.apply(x, weight, 1e-6, 0.0, "llama", False)
    layer_norm = lambda x, weight, bias: LigerLayerNormFunction.apply(x, weight, bias, 1e-5)

    def head(worker, sizes):
        """Sums of cross entropy, with the gradients that it forms on its way: no weight a token."""
        dtype = worker.dtype(sizes)
        x = worker.normal(sizes["rows"], sizes["hidden"], dtype=dtype, gradient=True)
        weight = worker.normal(sizes["vocabulary"], sizes["hidden"], dtype=dtype, deviation=0.02, gradient=True)
        targets = worker.indices(sizes["vocabulary"], sizes["rows"])

        def call():
            loss = first(LigerFusedLinearCrossEntropyFunction.apply(x, weight, targets, None, None, -100, 0.0, 0.0, "sum"))
            worker.torch.autograd.grad(loss, (x, weight))

        return Case(call, [x, weight])

    def norm_forward(worker, sizes):
        inputs = tuple(each.detach() for each in rms_norm_inputs(worker, sizes))
        reference = lambda x, weight: worker.torch.nn.functional.rms_norm(x, (x.shape[-1],), weight, 1e-6)
        return forward_case(norm, inputs, reference)

    def layer_norm_forward(worker, sizes):
        inputs = tuple(each.detach() for each in layer_norm_inputs(worker, sizes))
        reference = lambda x, weight, bias: worker.torch.nn.functional.layer_norm(x, (x.shape[-1],), weight, bias, 1e-5)
        return forward_case(layer_norm, inputs, reference)

    def activation_forward(worker, sizes):
        F = worker.torch.nn.functional
        kinds = {"silu": (LigerSiLUMulFunction, F.silu), "gelu_tanh": (LigerGELUMulFunction, lambda x: F.gelu(x, approximate="tanh"))}
        if sizes["inputs"] == 1 or sizes["kind"] not in kinds:
            raise Unsupported("Liger has SiLU and GELU by tanh, both with a gate")
        function, reference = kinds[sizes["kind"]]
        call = lambda x: function.apply(*(each.contiguous() for each in x.chunk(2, -1)))
        return forward_case(call, (rows_of(worker, sizes, times=2),), lambda x: reference(x.chunk(2, -1)[0]) * x.chunk(2, -1)[1])

    return {
        "token_logprob_forward_backward": token_logprob(logprob, "both", ignored=-100),
        "lm_head_forward_backward": head,
        "rms_norm_forward": unary(norm_forward),
        "layer_norm_forward": unary(layer_norm_forward),
        "activation_forward": unary(activation_forward),
    }, [f"liger-kernel {importlib.metadata.version('liger_kernel')}"]


def trl(worker):
    import importlib.metadata

    from trl.trainer import utils
    from trl.trainer.utils import selective_log_softmax

    F = worker.torch.nn.functional
    head = lambda x, weight, targets: selective_log_softmax(F.linear(x, weight), targets)
    if hasattr(utils, "add_fused_lm_head"):  # TRL 1.15 and later: tiles of logits, as its trainers call it
        tile = utils._CHUNKED_LOGPROB_CHUNK_SIZE
        chunked = utils._ChunkedLogProbFunction.apply
        head = lambda x, weight, targets: chunked(x, weight, None, targets, 1.0, tile, None, 1.0, ("log_probs",))[0]
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("trl", "transformers")]
    return {
        "token_logprob_forward": token_logprob(selective_log_softmax, "forward"),
        "token_logprob_backward": token_logprob(selective_log_softmax, "backward"),
        "token_logprob_forward_backward": token_logprob(selective_log_softmax, "both"),
        "lm_head_forward": lm_head(head, "forward"),
        "lm_head_forward_backward": lm_head(head, "both"),
        "dpo_step": dpo_step,
    }, versions


PEERS = {"eager": eager, "compile": compiled, "liger": liger, "trl": trl}

if __name__ == "__main__":
    main()
