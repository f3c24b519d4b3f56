"""Writes training.json: learning rates of transformers' get_scheduler, and DPO steps by PyTorch on llama-tiny.

The steps take the three pairs of llama-tiny/golden.json whole, the reference being the model as it was before the first: AdamW with decay on
matrices alone, gradients clipped, a linear schedule behind a warm-up. Computed in float64 from the float32 weights. Per step: learning rate,
loss and rewards before it, gradient norm before clipping; at the end the log-probs of the trained model.
"""

import json
import os

import torch
from transformers import LlamaForCausalLM, get_scheduler

from llama_gradients import token_logps

HERE = os.path.dirname(os.path.abspath(__file__))
STEPS, WARMUP = 6, 2
OPTIONS = {
    "beta": 0.1, "label_smoothing": 0.1, "learning_rate": 1e-3, "weight_decay": 0.1, "adam_beta1": 0.9, "adam_beta2": 0.95,
    "adam_epsilon": 1e-4, "max_grad_norm": 0.5, "steps": STEPS, "warmup": WARMUP,
}  # fmt: skip


PEAK = 3.0


def schedule(name, warmup, steps, **kwargs):
    """Learning rates with a maximum of PEAK, step by step as in Trainer. kwargs: lr_scheduler_kwargs."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=PEAK)
    scheduler = get_scheduler(name, optimizer, warmup, steps, scheduler_specific_kwargs=kwargs)
    rates = []
    for _ in range(steps):
        rates.append(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()
    return {"name": name, "kwargs": kwargs, "warmup": warmup, "steps": steps, "rates": rates}


def schedules():
    plain = [schedule(name, warmup, 10) for name in ("linear", "cosine", "constant_with_warmup") for warmup in (0, 1, 3)]
    with_kwargs = [
        schedule(name, warmup, 11, **kwargs)
        for name, kwargs in (
            ("cosine", {"num_cycles": 1.25}),
            ("cosine_with_restarts", {}),
            ("cosine_with_restarts", {"num_cycles": 3}),
            ("polynomial", {}),
            ("polynomial", {"lr_end": 0.25, "power": 2.5}),
            ("inverse_sqrt", {}),
            ("inverse_sqrt", {"timescale": 7}),
            ("cosine_with_min_lr", {"min_lr": 0.3}),
            ("cosine_with_min_lr", {"min_lr_rate": 0.2, "num_cycles": 0.7}),
            ("cosine_warmup_with_min_lr", {"min_lr_rate": 0.1}),
            ("cosine_warmup_with_min_lr", {"min_lr": 0.5, "warmup_lr_rate": 0.05, "num_cycles": 0.4}),
            ("warmup_stable_decay", {"num_decay_steps": 4}),
            ("warmup_stable_decay", {"num_decay_steps": 3, "num_stable_steps": 2, "min_lr_ratio": 0.1, "decay_type": "linear"}),
            ("warmup_stable_decay", {"num_decay_steps": 5, "warmup_type": "cosine", "decay_type": "1-sqrt", "num_cycles": 0.3}),
            ("warmup_stable_decay", {"num_decay_steps": 5, "warmup_type": "1-sqrt", "min_lr_ratio": 0.2, "num_cycles": 0.3}),
        )
        for warmup in (0, 1, 4)
    ]
    return plain + [schedule("constant", 0, 10)] + with_kwargs


def sums(model, pairs):
    return [
        [token_logps(model, pair["prompt_ids"], pair[side + "_ids"]).sum() for side in ("chosen", "rejected")] for pair in pairs
    ]


def dpo_steps():
    directory = os.path.join(HERE, "llama-tiny")
    model = LlamaForCausalLM.from_pretrained(directory).double()
    with open(os.path.join(directory, "golden.json")) as file:
        pairs = json.load(file)["pairs"]
    matrices = [p for p in model.parameters() if p.dim() == 2]
    norms = [p for p in model.parameters() if p.dim() == 1]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": OPTIONS["weight_decay"]}, {"params": norms, "weight_decay": 0.0}],
        lr=OPTIONS["learning_rate"], betas=(OPTIONS["adam_beta1"], OPTIONS["adam_beta2"]), eps=OPTIONS["adam_epsilon"],
    )  # fmt: skip
    scheduler = get_scheduler("linear", optimizer, num_warmup_steps=WARMUP, num_training_steps=STEPS)
    beta, smoothing = OPTIONS["beta"], OPTIONS["label_smoothing"]
    with torch.no_grad():
        reference = sums(model, pairs)
    steps = []
    for _ in range(STEPS):
        rewards = [[beta * (pi - rho) for pi, rho in zip(*both)] for both in zip(sums(model, pairs), reference)]
        margins = torch.stack([chosen - rejected for chosen, rejected in rewards])
        log_sigmoid = torch.nn.functional.logsigmoid
        loss = (-(1 - smoothing) * log_sigmoid(margins) - smoothing * log_sigmoid(-margins)).mean()
        optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), OPTIONS["max_grad_norm"])
        steps.append({
            "learning_rate": scheduler.get_last_lr()[0], "loss": loss.item(), "grad_norm": norm.item(),
            "rewards/margins": margins.mean().item(), "rewards/chosen": sum(c.item() for c, _ in rewards) / len(rewards),
        })  # fmt: skip
        optimizer.step()
        scheduler.step()
    with torch.no_grad():
        trained = [[pi.item() for pi in both] for both in sums(model, pairs)]
    return {"options": OPTIONS, "steps": steps, "logps": trained}


def main():
    with open(os.path.join(HERE, "training.json"), "w") as file:
        json.dump({"schedules": schedules(), "dpo": dpo_steps()}, file, indent=1)
        file.write("\n")


if __name__ == "__main__":
    main()
