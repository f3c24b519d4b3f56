"""Writes early_stopping.json: what transformers' Trainer and EarlyStoppingCallback make of sequences of values: after each evaluation the best
value and its step, the counter, and whether the run ends.

The methods of transformers are called themselves, with the state that they read.
"""

import json
import pathlib
from types import SimpleNamespace

from transformers import EarlyStoppingCallback, Trainer, TrainerControl, TrainerState
from transformers.trainer_utils import IntervalStrategy, SaveStrategy

NAN = float("nan")


def run(values, greater, patience, threshold):
    args = SimpleNamespace(metric_for_best_model="loss", greater_is_better=greater, save_strategy=SaveStrategy.STEPS,
                           eval_strategy=IntervalStrategy.STEPS)
    state = TrainerState()
    control = TrainerControl()
    callback = EarlyStoppingCallback(patience, threshold)
    trainer = SimpleNamespace(args=args, state=state)
    after = []
    for i, value in enumerate(values):
        state.global_step = 5 * (i + 1)
        metrics = {"eval_loss": value}
        callback.on_evaluate(args, state, control, metrics)
        Trainer._determine_best_metric(trainer, metrics, None)
        after.append({"best_metric": state.best_metric, "best_global_step": state.best_global_step or 0,
                      "counter": callback.early_stopping_patience_counter, "stops": control.should_training_stop})
        if control.should_training_stop:
            break
    return {"values": [None if value != value else value for value in values], "greater": greater, "patience": patience,
            "threshold": threshold, "after": after}


cases = [
    run([0.5, 0.4, 0.45, 0.39, 0.39, 0.4, 0.41], False, 3, 0.0),
    run([0.5, 0.4, 0.45, 0.41, 0.3], False, 2, 0.0),
    run([0.1, 0.3, 0.2, 0.35, 0.34, 0.33], True, 2, 0.0),
    run([0.5, 0.45, 0.41, 0.3, 0.28, 0.27], False, 2, 0.0625),
    run([0.5, 0.25, 0.0], False, 1, 0.25),
    run([0.5, NAN, 0.4, NAN, NAN], False, 2, 0.0),
    run([-2.0, -3.0, -1.0], True, 1, 0.0),
]
pathlib.Path(__file__).with_suffix(".json").write_text(json.dumps(cases, indent=1) + "\n")
