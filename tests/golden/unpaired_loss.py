"""Writes unpaired_loss.json: losses of unpaired completions, each desirable or not, and their derivatives to 25 digits.

u = pi - rho, sums of log-probs by policy and reference. kto: desirable w_d (1 - sigmoid(b (u - kl))), undesirable w_u (1 - sigmoid(b (kl - u)))
with kl = max(0, mean of kl_sums - kl_reference), 0 without such rows, and no slope through it. apo_zero_unpaired: w_d (1 - sigmoid(b u)) and
w_u sigmoid(b u). Inputs are float32 numbers, written exactly; "d_sums" = scale d(sum of losses) / d pi. Precision and slopes: exact.py.
"""

import random

from mpmath import mpf

from exact import f32, short, sigmoid, slope, text, write

EXTREMES = (  # (pi, rho): policy == reference, log-ratios of 1e4, nothing at all
    (-123.456, -123.456), (-5, -10005), (-10005, -5), (-0.25, -1000.5), (-1000.5, -0.25), (0, 0),
)  # fmt: skip


def kl_of(case):
    rows = [mpf(pi) - mpf(rho) for pi, rho in zip(case["kl_sums"], case["kl_reference"])]
    return max(mpf(0), sum(rows) / len(rows)) if rows and case["loss"] == "kto" else mpf(0)


def loss_of(case, kl, u, desirable):
    b = mpf(case["beta"])
    weight = mpf(case["desirable_weight" if desirable else "undesirable_weight"])
    if case["loss"] == "kto":
        return weight * (1 - sigmoid(b * (u - kl if desirable else kl - u)))
    return weight * (1 - sigmoid(b * u) if desirable else sigmoid(b * u))


def solve(case):
    kl = kl_of(case)
    case["kl"], case["losses"], case["d_sums"] = text(kl), [], []
    for pi, rho, desirable in zip(case["sums"], case["reference"], case["desirable"]):

        def loss(x):
            return loss_of(case, kl, x - mpf(rho), desirable)

        case["losses"].append(text(loss(mpf(pi))))
        case["d_sums"].append(text(mpf(case["scale"]) * slope(loss, mpf(pi))))
    return case


def draw(source, rows, drift):
    """Sums of a policy that is on average `drift` above its reference."""
    reference = [source.uniform(-300, -35) for _ in range(rows)]
    return [(rho + drift + source.uniform(-3, 3) * source.choice((1, 10)), rho) for rho in reference]


def case(name, loss, beta, weights=(1, 1), kl_rows=(), rows=None):
    source = random.Random(name)
    rows = rows or draw(source, 7, 0) + 2 * list(EXTREMES)
    half = len(rows) - len(EXTREMES)
    desirable = [source.randrange(2) if i < 7 else int(i < half) for i in range(len(rows))]
    return solve({
        "name": name, "loss": loss, "beta": short(f32(beta)),
        "desirable_weight": short(f32(weights[0])), "undesirable_weight": short(f32(weights[1])), "scale": short(f32(1 / len(rows))),
        "sums": [short(f32(pi)) for pi, _ in rows], "reference": [short(f32(rho)) for _, rho in rows], "desirable": desirable,
        "kl_sums": [short(f32(pi)) for pi, _ in kl_rows], "kl_reference": [short(f32(rho)) for _, rho in kl_rows],
    })  # fmt: skip


def main():
    source = random.Random(1)
    kl = {
        "no kl rows": [], "one kl row": draw(source, 1, 20), "kl above 0": draw(source, 9, 12), "kl below 0": draw(source, 9, -12),
        "kl about 0": draw(source, 30, 0.1), "kl of 1e4": [(-5, -10005), (-7, -10007)],
    }  # fmt: skip
    cases = []
    for beta in (0.1, 2.5):
        for weights in ((1, 1), (1.5, 0.7), (0, 1)):
            what = f"beta {beta}, weights {weights[0]} and {weights[1]}"
            cases += [case(f"kto, {what}, {name}", "kto", beta, weights, rows) for name, rows in kl.items()]
            cases.append(case(f"apo_zero_unpaired, {what}", "apo_zero_unpaired", beta, weights))
    cases.append(case("apo_zero_unpaired takes no kl", "apo_zero_unpaired", 0.1, (1, 1), kl["kl above 0"]))
    cases.append(case("kto of one row", "kto", 0.1, (1, 1), kl["one kl row"], draw(source, 1, 3)))
    write("unpaired_loss.json", cases)


if __name__ == "__main__":
    main()
