"""60-digit values of the sigmoid preference loss, with and without label smoothing: preference_loss.json.

Inputs are float32 numbers, written exactly. loss and d_chosen = d loss / d pi_c (d_rejected is its negative) are rounded to 25 digits.
"""

import json
import os
import random
import struct

from mpmath import exp, log1p, mp, mpf, nstr

mp.dps = 60
HERE = os.path.dirname(os.path.abspath(__file__))


def f32(x):
    return struct.unpack("f", struct.pack("f", x))[0]


def softplus(x):
    return x + log1p(exp(-x)) if x > 0 else log1p(exp(x))


def sigmoid(x):
    return 1 / (1 + exp(-x))


def case(beta, smoothing, sums):
    beta, smoothing, sums = f32(beta), f32(smoothing), [f32(x) for x in sums]
    b, e = mpf(beta), mpf(smoothing)
    chosen, rejected, reference_chosen, reference_rejected = map(mpf, sums)
    x = b * ((chosen - reference_chosen) - (rejected - reference_rejected))
    loss = (1 - e) * softplus(-x) + e * softplus(x)
    slope = e * sigmoid(x) - (1 - e) * sigmoid(-x)
    return {
        "beta": beta,
        "label_smoothing": smoothing,
        "sums": sums,
        "loss": nstr(loss, 25),
        "d_chosen": nstr(b * slope, 25),
    }


def main():
    source = random.Random(1)
    cases = []
    for smoothing in (0, 0.1, 0.49):
        for beta in (0.1, 0.01, 1, 5):
            for _ in range(4):
                cases.append(case(beta, smoothing, [source.uniform(-400, 0) for _ in range(4)]))
        # log-ratios that saturate the sigmoid, sums that cancel all but their last digits, and the first step of training
        for ratio in (1e4, -1e4, 900, -900, 750, -750, 100, -100, 30, -30, 1e-3, -1e-3, 1e-6, 0):
            cases.append(case(1, smoothing, [-300 + ratio, -300, -300, -300]))
            cases.append(case(0.1, smoothing, [ratio, -ratio, 0, 0]))
        cases.append(case(0.1, smoothing, [-1000.0625, -1000, -1000, -1000.0625]))
        cases.append(case(0.1, smoothing, [-123.456, -654.321, -123.456, -654.321]))
    with open(os.path.join(HERE, "preference_loss.json"), "w") as file:
        file.write("[\n " + ",\n ".join(json.dumps(c) for c in cases) + "\n]\n")


if __name__ == "__main__":
    main()
