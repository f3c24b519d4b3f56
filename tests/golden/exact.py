"""Shared by the scripts with 25 digits: float32 inputs, numbers as text, derivatives by differences, the output file.

A slope is a central difference over 1e-200 at 1000 digits, so it knows nothing of anybody's derivative, and is good to 25 digits wherever it
is above 1e-340. Magnitudes below 1e-340 are written "0.0" and those above 1e340 "inf": in double both are that already.
"""

import json
import os
import struct

from mpmath import exp, inf, log1p, mp, mpf, nstr

mp.dps = 1000
STEP = mpf(10) ** -200
TINY = mpf(10) ** -340
HERE = os.path.dirname(os.path.abspath(__file__))


class Point:
    """The point at which a loss is differentiated. Values that it keeps from the first evaluation are constant in all later ones.

    So a slope is that of the side of a kink that the point itself is on, and takes nothing through an order or a constant.
    """

    def __init__(self):
        self.kept, self.place = [], 0

    def again(self):
        self.place = 0
        return self

    def keep(self, value):
        if self.place == len(self.kept):
            self.kept.append(value)
        self.place += 1
        return self.kept[self.place - 1]

    def relu(self, x):
        return x if self.keep(x > 0) else mpf(0)

    def clamped_exp(self, x):
        """exp(min(x, 80)), constant above 80."""
        return exp(x) if self.keep(x < 80) else exp(mpf(80))

    def order(self, values):
        """Indices of the values in ascending order; equal values stay in their order."""
        return self.keep(sorted(range(len(values)), key=lambda i: (values[i], i)))


def slope(loss, x):
    return (loss(x + STEP) - loss(x - STEP)) / (2 * STEP)


def log_sigmoid(x):
    return x - log1p(exp(x)) if x < 0 else -log1p(exp(-x))


def sigmoid(x):
    return 1 / (1 + exp(-x)) if x > 0 else exp(x) / (1 + exp(x))


def f32(x):
    return struct.unpack("f", struct.pack("f", x))[0]


def text(x):
    """25 significant digits."""
    if abs(x) < TINY:
        return "0.0"
    if abs(x) > 1 / TINY:
        x = inf if x > 0 else -inf
    return nstr(x, 25).replace("+inf", "inf")


def short(x):
    """A whole number without its ".0"."""
    return int(x) if isinstance(x, float) and x.is_integer() else x


def write(name, cases):
    with open(os.path.join(HERE, name), "w") as file:
        file.write("[\n" + ",\n".join(json.dumps(case, separators=(",", ":")) for case in cases) + "\n]\n")
