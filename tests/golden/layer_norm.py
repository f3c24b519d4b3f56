"""Writes layer_norm.json: LayerNorm of single rows, ordinary and extreme, and its gradients, to 25 digits.

y = weight (x - mean) / sqrt(mean((x - mean)^2) + epsilon) + bias. Inputs are float32 numbers. d_x and d_weight are the gradients of sum(d_out y), as
differences; the gradient of bias is d_out. How numbers are written: exact.py.
"""

import random

from mpmath import mpf, sqrt

from exact import f32, slope, text, write


def moments(x, epsilon):
    mean = sum(x) / len(x)
    return mean, 1 / sqrt(sum((v - mean) ** 2 for v in x) / len(x) + epsilon)


def forward(x, weight, bias, epsilon):
    mean, rstd = moments(x, epsilon)
    return [w * (v - mean) * rstd + b for v, w, b in zip(x, weight, bias)]


def partial(function, at, j):
    return slope(lambda value: function(at[:j] + [value] + at[j + 1 :]), at[j])


def case(name, x, source, epsilon=1e-5):
    x = [f32(v) for v in x]
    weight, bias, d_out = ([f32(source.gauss(0, 1)) for _ in x] for _ in range(3))
    epsilon = f32(epsilon)
    exact = [[mpf(v) for v in values] for values in (x, weight, bias)]
    loss = lambda x, weight: sum(mpf(d) * y for d, y in zip(d_out, forward(x, weight, exact[2], epsilon)))
    mean, rstd = moments(exact[0], epsilon)
    return {
        "name": name, "epsilon": epsilon, "x": x, "weight": weight, "bias": bias, "d_out": d_out,
        "mean": text(mean),
        "rstd": text(rstd),
        "y": [text(y) for y in forward(*exact, epsilon)],
        "d_x": [text(partial(lambda at: loss(at, exact[1]), exact[0], j)) for j in range(len(x))],
        "d_weight": [text(partial(lambda at: loss(exact[0], at), exact[1], j)) for j in range(len(x))],
    }  # fmt: skip


def main():
    source = random.Random(1)
    row = lambda width, mean=0.0, deviation=1.0: [source.gauss(mean, deviation) for _ in range(width)]
    write("layer_norm.json", [
        case("one element", [1.5], source),
        case("two elements", [-1, 3], source),
        case("odd width", row(7), source),
        case("a vector and a rest", row(13, 0.5, 2), source),
        case("large offset", row(24, 1e4), source),
        case("large negative offset", row(9, -3e4, 0.25), source, 1e-6),
        case("one large element", [*row(15), 3e3], source),
        case("constant", [0.1] * 12, source),
        case("tiny deviations", row(10, 0, 1e-4), source),
        case("tiny", row(10, 0, 1e-25), source),
        case("huge", row(10, 0, 1e17), source),
        case("no epsilon", row(16), source, 0.0),
        case("large epsilon", row(11), source, 0.5),
    ])  # fmt: skip


if __name__ == "__main__":
    main()
