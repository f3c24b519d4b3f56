"""Writes optimizers.json: 20 steps of torch.optim.SGD and RMSprop in float64, of bitsandbytes' Lion and AdamW8bit in float32 on the CPU.

The gradient of element i in step t, from 0, is a multiple of 2^-17 that `gradient` computes, so that a test need not read it. Options are
float32 numbers or doubles, as an option file gives them. Cases of Lion and AdamW8bit are chosen so that no sign and no code depends on the
rounding of float32; the script stops if one does.
"""

import json
import os
import struct

import bitsandbytes as bnb
import bitsandbytes.backends.cpu.ops as cpu_ops
import torch

HERE = os.path.dirname(os.path.abspath(__file__))
STEPS = 20
KEPT = (1, 2, 5, 10, 20)


def round_to_nearest(x, code, absmax, out, blocksize):
    """Stores x as bitsandbytes' CUDA kernels do. Its library for the CPU gives all small numbers of the unsigned map one code."""
    for block in range(len(absmax)):
        part = slice(block * blocksize, (block + 1) * blocksize)
        absmax[block] = x[part].abs().max()
        out[part] = (x[part, None] / absmax[block] - code).abs().argmin(1).to(torch.uint8)


cpu_ops._quant_blockwise_fp32_direct = round_to_nearest


def f32(x):
    return struct.unpack("f", struct.pack("f", x))[0]


def gradient(count, t, seed):
    i = torch.arange(count, dtype=torch.int64)
    whole = (i * 7919 + t * 104729 + i * t * 31 + seed * 15485863) % 2003 - 1001
    return whole.double() / 2**10 * 2.0 ** -((i + seed) % 7)


def initial(count):
    i = torch.arange(count, dtype=torch.int64)
    return ((i * 37) % 65 - 32).double() / 64


def run(name, make, count, seed, lr, dtype, **options):
    parameter = torch.nn.Parameter(initial(count).to(dtype))
    optimizer = make([parameter], lr=lr, **options)
    steps = {}
    for t in range(STEPS):
        parameter.grad = gradient(count, t, seed).to(dtype)
        optimizer.step()
        if t + 1 in KEPT:
            steps[t + 1] = parameter.tolist()
    case = {"optimizer": name, "count": count, "seed": seed, "lr": lr, "options": options, "steps": steps}
    return case, optimizer.state[parameter]


def torch_case(name, make, lr, **options):
    case, state = run(name, make, 6, 1, f32(lr), torch.float64, **options)
    case["state"] = {key: state[key].tolist() for key in ("momentum_buffer", "square_avg", "grad_avg") if state.get(key) is not None}
    return case


def lion(lr, seed, betas, weight_decay):
    case, state = run("lion", bnb.optim.Lion, 6, seed, f32(lr), torch.float32, betas=betas, weight_decay=weight_decay)
    m = torch.zeros(6, dtype=torch.float64)
    for t in range(STEPS):
        direction = betas[0] * m + (1 - betas[0]) * gradient(6, t, seed)
        assert direction.abs().min() > 1e-5 * gradient(6, t, seed).abs().max(), ("sign", t, direction)
        m = betas[1] * m + (1 - betas[1]) * gradient(6, t, seed)
    case["state"] = {"m": state["state1"].tolist()}
    return case


def adamw_8bit(lr, seed, count, weight_decay):
    """The distance of every stored moment from the middle of two codes is checked in each step, from bitsandbytes' own state before it."""
    maps = [bnb.functional.create_dynamic_map(signed).double() for signed in (True, False)]
    parameter = torch.nn.Parameter(initial(count).float())
    optimizer = bnb.optim.AdamW8bit([parameter], lr=f32(lr), weight_decay=weight_decay, min_8bit_size=1)
    steps = {}
    before = [torch.zeros(count, dtype=torch.float64)] * 2
    for t in range(STEPS):
        g = gradient(count, t, seed)
        parameter.grad = g.float()
        optimizer.step()
        if t + 1 in KEPT:
            steps[t + 1] = parameter.tolist()
        state = optimizer.state[parameter]
        exact = [0.9 * before[0] + 0.1 * g, 0.999 * before[1] + 0.001 * g * g]
        for which in (0, 1):
            blocks = exact[which].split(256)
            relative = torch.cat([block / block.abs().max() for block in blocks])
            middles = (maps[which][1:] + maps[which][:-1]) / 2
            distance = (relative[:, None] - middles).abs().min(1).values / relative.abs().clamp(min=1e-3)
            if distance.min() < 3e-6:
                return None
            codes, largest = state[f"state{which + 1}"], state[f"absmax{which + 1}"]
            before[which] = maps[which][codes.long()] * largest.double().repeat_interleave(256)[:count]
    options = {"weight_decay": weight_decay}
    case = {"optimizer": "adamw_8bit", "count": count, "seed": seed, "lr": f32(lr), "options": options, "steps": steps}
    case["state"] = {"m": state["state1"].tolist(), "v": state["state2"].tolist(), "m_max": state["absmax1"].tolist(), "v_max": state["absmax2"].tolist()}
    return case


def first_without_ties(lr, count, weight_decay):
    for seed in range(1, 200):
        case = adamw_8bit(lr, seed, count, weight_decay)
        if case is not None:
            return case
    raise SystemExit("every seed has a moment in the middle of two codes")


def main():
    sgd, rmsprop = torch.optim.SGD, torch.optim.RMSprop
    cases = [
        torch_case("sgd", sgd, 1e-2),
        torch_case("sgd", sgd, 1e-2, momentum=0.9),
        torch_case("sgd", sgd, 1e-2, momentum=0.9, dampening=0.25, weight_decay=0.1),
        torch_case("sgd", sgd, 1e-2, momentum=0.9, nesterov=True, weight_decay=0.1),
        torch_case("rmsprop", rmsprop, 1e-3),
        torch_case("rmsprop", rmsprop, 1e-3, alpha=0.9, eps=1e-6, weight_decay=0.1, momentum=0.9),
        torch_case("rmsprop", rmsprop, 1e-3, alpha=0.9, centered=True),
        lion(1e-3, 1, (0.9, 0.999), 0.0),
        lion(1e-3, 2, (0.95, 0.98), 0.1),
        first_without_ties(1e-3, 300, 0.1),
    ]
    with open(os.path.join(HERE, "optimizers.json"), "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases) + "\n]\n")
    print([case["seed"] for case in cases])


if __name__ == "__main__":
    main()
