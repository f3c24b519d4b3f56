"""Steps of torch.optim.AdamW behind torch.nn.utils.clip_grad_norm_, in float64: adamw.json.

Parameters, gradients and options are float32 numbers. Per step: the norm and the clip factor of the step's gradient, and the parameters after it.
"""

import json
import os
import struct

import torch

HERE = os.path.dirname(os.path.abspath(__file__))
STEPS, COUNT = 5, 6


def f32(x):
    return struct.unpack("f", struct.pack("f", x))[0]


def run(name, seed, lr, betas, eps, weight_decay, max_norm):
    lr, betas, eps, weight_decay = f32(lr), [f32(b) for b in betas], f32(eps), f32(weight_decay)
    generator = torch.Generator().manual_seed(seed)
    parameter = torch.nn.Parameter(torch.randn(COUNT, generator=generator).double())
    initial = parameter.tolist()
    optimizer = torch.optim.AdamW([parameter], lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)
    steps = []
    for _ in range(STEPS):
        gradient = torch.randn(COUNT, generator=generator) * torch.tensor([1, 1e-3, 1e-6, 10, 0, 1])
        parameter.grad = gradient.double()
        norm = torch.nn.utils.clip_grad_norm_([parameter], max_norm).item()
        optimizer.step()
        clip = min(1.0, max_norm / (norm + 1e-6))
        steps.append({"gradient": gradient.tolist(), "norm": norm, "clip": clip, "parameter": parameter.tolist()})
    state = optimizer.state[parameter]
    return {
        "name": name, "lr": lr, "beta1": betas[0], "beta2": betas[1], "epsilon": eps, "weight_decay": weight_decay, "max_norm": max_norm,
        "parameter": initial, "steps": steps, "m": state["exp_avg"].tolist(), "v": state["exp_avg_sq"].tolist(),
    }  # fmt: skip


def main():
    cases = [
        run("defaults, clipped", 1, 1e-3, (0.9, 0.999), 1e-8, 0.0, 1.0),
        run("weight decay, not clipped", 2, 1e-2, (0.9, 0.95), 1e-8, 0.1, 1e6),
        run("large epsilon", 3, 5e-2, (0.5, 0.9), 1e-3, 0.01, 0.5),
    ]
    with open(os.path.join(HERE, "adamw.json"), "w") as file:
        json.dump(cases, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
