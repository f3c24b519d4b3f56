"""Writes adamw.json: steps of torch.optim.AdamW after torch.nn.utils.clip_grad_norm_, in float64.

Parameters, gradients, learning rates, epsilon and weight decay are float32 numbers; betas are doubles, as an option file gives them. Per
step: the norm and the clip factor of the step's gradient, and at some steps the parameters after it.
"""

import json
import os
import struct

import torch

HERE = os.path.dirname(os.path.abspath(__file__))
COUNT = 6


def f32(x):
    return struct.unpack("f", struct.pack("f", x))[0]


def of_any_sign(generator, count):
    """Parameters, and gradients of all magnitudes; one gradient is 0."""
    scales = torch.tensor([1, 1e-3, 1e-6, 10, 0, 1])
    return torch.randn(COUNT, generator=generator), [torch.randn(COUNT, generator=generator) * scales for _ in range(count)]


def of_one_sign(generator, count):
    """Parameters that start at 0 and move in one direction, so that rounding does not hide the length of a step.

    The last one starts elsewhere and has gradients of both signs.
    """
    scales = torch.tensor([1, -(2**-10), 2**-20, -8, 1, 1])
    gradients = [(1 + torch.randint(-16, 17, (COUNT,), generator=generator) / 64) * scales for _ in range(count)]
    for gradient in gradients:
        gradient[-1] *= 2 * torch.randint(0, 2, (1,), generator=generator).item() - 1
    return torch.tensor([0, 0, 0, 0, 0, 0.75]), gradients


def run(name, draw, seed, count, kept, lr, betas, eps, weight_decay, max_norm):
    lr, eps, weight_decay = f32(lr), f32(eps), f32(weight_decay)
    drawn, gradients = draw(torch.Generator().manual_seed(seed), count)
    parameter = torch.nn.Parameter(drawn.double())
    initial = parameter.tolist()
    optimizer = torch.optim.AdamW([parameter], lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)
    steps = []
    for t, gradient in enumerate(gradients, 1):
        parameter.grad = gradient.double()
        norm = torch.nn.utils.clip_grad_norm_([parameter], max_norm).item()
        optimizer.step()
        clip = min(1.0, max_norm / (norm + 1e-6))
        steps.append({"gradient": gradient.tolist(), "norm": norm, "clip": clip})
        if t in kept:
            steps[-1]["parameter"] = parameter.tolist()
    state = optimizer.state[parameter]
    return {
        "name": name, "lr": lr, "beta1": betas[0], "beta2": betas[1], "epsilon": eps, "weight_decay": weight_decay, "max_norm": max_norm,
        "parameter": initial, "steps": steps, "m": state["exp_avg"].tolist(), "v": state["exp_avg_sq"].tolist(),
    }  # fmt: skip


def main():
    few, many = range(1, 6), (1, 2, 5, 10, 20, 50)
    cases = [
        run("defaults, clipped", of_any_sign, 1, 5, few, 1e-3, (0.9, 0.999), 1e-8, 0.0, 1.0),
        run("weight decay, not clipped", of_any_sign, 2, 5, few, 1e-2, (0.9, 0.95), 1e-8, 0.1, 1e6),
        run("large epsilon", of_any_sign, 3, 5, few, 5e-2, (0.5, 0.9), 1e-3, 0.01, 0.5),
        run("50 steps", of_one_sign, 4, 50, many, 1e-3, (0.9, 0.999), 1e-8, 0.0, 1e6),
        run("50 steps, beta2 0.9999", of_one_sign, 5, 50, many, 1e-3, (0.9, 0.9999), 1e-8, 0.1, 1e6),
        run("50 steps, beta1 0.95, beta2 0.99", of_one_sign, 6, 50, many, 1e-5, (0.95, 0.99), 1e-8, 0.01, 1e6),
    ]
    with open(os.path.join(HERE, "adamw.json"), "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases) + "\n]\n")


if __name__ == "__main__":
    main()
