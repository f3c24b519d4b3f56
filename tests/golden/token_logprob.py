"""Writes token_logprob.json: log-probs, log-sum-exps, gradients and statistics of short rows of logits, ordinary and extreme, to 25 digits.

Logits are float32 numbers, written exactly ("-inf" for vocabulary that does not exist). The gradient is that of the log-prob itself. p being
the row's probabilities: entropy is -sum p log p; hit is 1 where the target is the first of the largest logits; mean_logit is of the columns
that exist; log_weight is logprob - log sum p^2. How numbers are written: exact.py.
"""

import math
import random

from mpmath import exp, inf, log, mpf

from exact import f32, text, write


def case(logits, target):
    logits = [f32(x) for x in logits]
    values = [mpf(x) for x in logits if x != -math.inf]
    maximum = max(values)
    lse = maximum + log(sum(exp(x - maximum) for x in values))
    probabilities = [mpf(0) if x == -math.inf else exp(mpf(x) - lse) for x in logits]
    logprob = -inf if logits[target] == -math.inf else mpf(logits[target]) - lse
    gradient = [(1 if j == target else 0) - p for j, p in enumerate(probabilities)]
    return {
        "logits": ["-inf" if x == -math.inf else x for x in logits],
        "target": target,
        "lse": text(lse),
        "logprob": text(logprob),
        "gradient": [text(g) for g in gradient],
        "entropy": text(-sum(exp(x - lse) * (x - lse) for x in values)),
        "hit": 1 if target == logits.index(max(logits)) else 0,
        "mean_logit": text(sum(values) / len(values)),
        "log_weight": text(logprob - log(sum(p * p for p in probabilities))),
    }


def main():
    source = random.Random(1)
    cases = []
    for vocabulary in (1, 2, 3, 8, 13):
        for scale in (0.1, 3, 30):
            logits = [source.gauss(0, scale) for _ in range(vocabulary)]
            cases.append(case(logits, source.randrange(vocabulary)))
    none = -math.inf
    for logits in (
        [1e4, -1e4, 0, 1], [1e4, 1e4, 1e4, 1e4], [-1e4, -1e4, -1e4, -9.9e3], [1e4, 9999.5, 9999, 9990], [0, -20, -40, -80],
        [0, -88, -104, -120], [-1e-3, 1e-3, 0, 1e-7], [1e38, -1e38, 0, 1], [5, none, none, 4], [none, -1e4, none, none],
        [none, none, 1e4, 1e4], [16, 0.0625, none, -16],
        # The maximum twice, after a smaller logit and beside padding columns; -0 equals 0; almost one-hot; only zeros.
        [-2, 3.5, 3.5, 1], [none, 2.25, -1e4, 2.25], [-0.0, 0, -3, -0.0], [0, 0, 17.5, 0], [0, 0, 0, 0], [-1e4, none, 1e4, 1e4],
    ):  # fmt: skip
        for target in range(4):
            cases.append(case(logits, target))
    for logits in ([1e4], [-1e4], [0]):
        cases.append(case(logits, 0))
    write("token_logprob.json", cases)


if __name__ == "__main__":
    main()
