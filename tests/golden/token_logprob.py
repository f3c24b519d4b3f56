"""60-digit log-probs, log-sum-exps and gradients of short rows of logits, ordinary and extreme: token_logprob.json.

Logits are float32 numbers, written exactly ("-inf" for vocabulary that does not exist). The gradient is that of the log-prob itself.
"""

import json
import math
import os
import random
import struct

from mpmath import exp, inf, log, mp, mpf, nstr

mp.dps = 60
HERE = os.path.dirname(os.path.abspath(__file__))


def f32(x):
    return struct.unpack("f", struct.pack("f", x))[0]


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
        "lse": nstr(lse, 25),
        "logprob": nstr(logprob, 25),
        "gradient": [nstr(g, 25) for g in gradient],
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
    ):  # fmt: skip
        for target in range(4):
            cases.append(case(logits, target))
    with open(os.path.join(HERE, "token_logprob.json"), "w") as file:
        file.write("[\n " + ",\n ".join(json.dumps(c) for c in cases) + "\n]\n")


if __name__ == "__main__":
    main()
