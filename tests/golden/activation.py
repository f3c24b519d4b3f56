"""Writes activation.json: the activations of an MLP at ordinary and extreme x, and their derivatives, to 25 digits.

silu is x sigmoid(x), gelu_erf is x Phi(x), gelu_tanh is 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))). x is a float32 number, written exactly. How
numbers are written: exact.py.

The script also checks what native/formulas/normal_tail.h says of its polynomial.
"""

import os
import re

from mpmath import erfc, exp, linspace, mp, mpf, pi, sqrt, tanh, workdps

from exact import HERE, f32, sigmoid, slope, text, write

POINTS = (
    0, 1e-30, 1e-3, 0.1, 0.35, 0.5, 0.7517916, 0.85, 1, 1.2784645, 1.5, 2, 2.5, 3, 3.0000002, 3.5, 4.5, 5.5, 6.5, 8, 9.5, 10.5, 12, 13.2, 14.4, 16,
    20, 80, 90, 1e4,
)  # fmt: skip


def silu(x):
    return x * sigmoid(x)


def gelu_erf(x):
    return x * erfc(-x / sqrt(mpf(2))) / 2


def gelu_tanh(x):
    return x * (1 + tanh(sqrt(2 / pi) * (x + mpf("0.044715") * x**3))) / 2


def case(x):
    x = f32(x)
    functions = {"silu": silu, "gelu_erf": gelu_erf, "gelu_tanh": gelu_tanh}
    return {"x": x, **{name: {"value": text(f(mpf(x))), "slope": text(slope(f, mpf(x)))} for name, f in functions.items()}}


def density(z):
    return exp(-z * z / 2) / sqrt(2 * pi)


def tail(z):
    return erfc(z / sqrt(mpf(2))) / 2


def check_polynomial():
    """The largest relative error of P, of Horner's scheme with and without fma, and the largest slope of log(t P(t)) by log t."""
    with open(os.path.join(HERE, "../../native/formulas/normal_tail.h")) as file:
        source = file.read()
    coefficients = [mpf(float.fromhex(number)) for number in re.findall(r"-?0x1\.[0-9a-f]+p-\d+(?=f)", source)]
    scale = mpf(f32(0.35))
    assert len(coefficients) == 9 and "kTailScale = 0.35f" in source
    unit, worst = mpf(2) ** -24, [mpf(0)] * 4
    for z in linspace(0, mpf("13.3"), 4001):
        t = 1 / (1 + scale * z)
        value, with_fma, without = coefficients[-1], mpf(0), mpf(0)
        for coefficient in coefficients[-2::-1]:
            product = value * t
            value = product + coefficient
            with_fma = with_fma * t + abs(value)
            without = without * t + abs(product) + abs(value)
        hazard = density(z) / tail(z)
        found = (
            abs(t * value * exp(-z * z / 2) / tail(z) - 1) / unit, with_fma / abs(value), without / abs(value), (1 + scale * z) / scale * (hazard - z),
        )  # fmt: skip
        worst = [max(pair) for pair in zip(worst, found)]
    print("polynomial:", *(mp.nstr(each, 5) for each in worst))
    assert all(each <= bound for each, bound in zip(worst, (0.57, 3, 5, 2.28))), worst


def main():
    with workdps(40):
        check_polynomial()
    write("activation.json", [case(sign * x) for x in POINTS for sign in ((1, -1) if x else (1,))])


if __name__ == "__main__":
    main()
