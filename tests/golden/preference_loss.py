"""Writes preference_loss.json: every loss of preference pairs with its options, and its derivatives, to 25 digits.

The formulas are written out in LOSSES and COUPLED below. pi and rho are sums of log-probs by policy and reference (rho 0 where there is
none), u = pi - rho, s the score of u, n a completion's length and at least 1. Inputs are float32 numbers, written exactly; an option that no
term of a case takes is 0. "losses" are of the pairs, terms weighted and added; "d_sums" = pair_scale d(sum of losses) / d pi, in the order of
"sums": chosen0, rejected0, chosen1, ... Precision and slopes: exact.py.
"""

import random

from mpmath import exp, expm1, log, log1p, mpf

from exact import Point, f32, log_sigmoid, short, sigmoid, slope, text, write


def smoothed(x, smoothing):
    return -(1 - smoothing) * log_sigmoid(x) - smoothing * log_sigmoid(-x)


class Pair:
    """The values of a pair that formulas read: _c is the chosen completion, _r the rejected one."""

    def __init__(self, case, place, sums, point):
        both = (2 * place, 2 * place + 1)
        self.options, self.point = case, point
        self.beta, self.smoothing = mpf(case["beta"]), mpf(case["label_smoothing"])
        self.pi_c, self.pi_r = (sums[i] for i in both)
        self.rho_c, self.rho_r = (mpf(case["reference"][i]) if case["reference"] else mpf(0) for i in both)
        self.n_c, self.n_r = (max(case["lengths"][i], 1) if case["lengths"] else None for i in both)
        self.u_c, self.u_r = self.pi_c - self.rho_c, self.pi_r - self.rho_r
        self.s_c, self.s_r = self.score(self.u_c), self.score(self.u_r)
        self.margin = self.beta * (self.s_c - self.s_r)

    def option(self, name):
        return mpf(self.options[name])

    def score(self, u):
        divergence = self.options["divergence"]
        if divergence == "reverse_kl":
            return u
        if divergence == "forward_kl":
            return 1 - self.point.clamped_exp(-u)
        if divergence == "js_divergence":
            return log(mpf(2)) + log_sigmoid(u)
        a = self.option("divergence_alpha") - 1
        return u if abs(a) < mpf("1e-6") else (self.point.clamped_exp(a * u) - 1) / a

    def averages(self):
        return self.pi_c / self.n_c, self.pi_r / self.n_r

    def average_margin(self):
        return self.s_c / self.n_c - self.s_r / self.n_r


def exo_pair(p):
    e = p.smoothing
    return sigmoid(p.margin) * (log_sigmoid(p.margin) - log1p(-e)) + sigmoid(-p.margin) * (log_sigmoid(-p.margin) - log(e))


def nca_pair(p):
    return -log_sigmoid(p.beta * p.u_c) - log_sigmoid(-p.beta * p.u_c) / 2 - log_sigmoid(-p.beta * p.u_r) / 2


def robust(p):
    e = p.smoothing
    return (-(1 - e) * log_sigmoid(p.margin) + e * log_sigmoid(-p.margin)) / (1 - 2 * e)


def bco_pair(p):
    mean = p.options["mean"]
    return -log_sigmoid(p.beta * p.u_c - mean) - log_sigmoid(-(p.beta * p.u_r - mean))


def discopop(p):
    m = sigmoid(p.margin / p.option("discopop_tau"))
    return -log_sigmoid(p.margin) * (1 - m) + exp(-p.margin) * m


def dpop(p):
    return -log_sigmoid(p.beta * (p.u_c - p.u_r - p.option("dpop_lambda") * p.point.relu(p.rho_c - p.pi_c)))


def dpop_additive(p):
    return -log_sigmoid(p.beta * (p.u_c - p.u_r)) + p.option("dpop_lambda") * p.point.relu(p.rho_c - p.pi_c)


def simpo(p):
    chosen, rejected = p.averages()
    return smoothed(p.beta * (chosen - rejected) - p.option("simpo_gamma"), p.smoothing)


def alphapo(p):
    alpha = p.option("alphapo_alpha")
    chosen, rejected = (x if alpha == 0 else (1 - p.point.clamped_exp(-alpha * x)) / alpha for x in p.averages())
    return smoothed(p.beta * (chosen - rejected) - p.option("simpo_gamma"), p.smoothing)


def orpo(p):
    """An average is at most -2^-24. If that changes it, the derivative is that at -2^-24."""
    chosen, rejected = (x + p.point.keep(min(x, -(mpf(2) ** -24)) - x) for x in p.averages())
    return -p.beta * log_sigmoid((chosen - rejected) - (log(-expm1(chosen)) - log(-expm1(rejected))))


LOSSES = {
    "sigmoid": lambda p: smoothed(p.margin, p.smoothing),
    "hinge": lambda p: p.point.relu(1 - p.margin),
    "ipo": lambda p: (p.average_margin() - 1 / (2 * p.beta)) ** 2,
    "exo_pair": exo_pair,
    "nca_pair": nca_pair,
    "robust": robust,
    "bco_pair": bco_pair,
    "sppo_hard": lambda p: (p.u_c - 1 / (2 * p.beta)) ** 2 + (p.u_r + 1 / (2 * p.beta)) ** 2,
    "apo_zero": lambda p: 1 - sigmoid(p.beta * p.u_c) + sigmoid(p.beta * p.u_r),
    "apo_down": lambda p: sigmoid(p.beta * p.u_c) + 1 - sigmoid(p.beta * (p.u_c - p.u_r)),
    "discopop": discopop,
    "sft": lambda p: -p.pi_c * p.option("token_scale") / p.option("pair_scale"),
    "sigmoid_norm": lambda p: -log_sigmoid(p.beta * p.average_margin()),
    "dpop": dpop,
    "dpop_additive": dpop_additive,
    "cpo": lambda p: smoothed(p.beta * (p.pi_c - p.pi_r), p.smoothing),
    "cpo_hinge": lambda p: p.point.relu(1 - p.beta * (p.pi_c - p.pi_r)),
    "cpo_ipo": lambda p: (p.averages()[0] - p.averages()[1] - 1 / (2 * p.beta)) ** 2,
    "simpo": simpo,
    "alphapo": alphapo,
    "orpo": orpo,
}


def aot(pairs, point):
    x, y = [p.pi_c - p.pi_r for p in pairs], sorted(p.rho_c - p.rho_r for p in pairs)
    order = point.order(x)
    return [(place, x[place] - y[k]) for k, place in enumerate(order)]


def aot_unpaired(pairs, point):
    x, y = [p.u_c for p in pairs], [p.u_r for p in pairs]
    chosen, rejected = point.order(x), point.order(y)
    return [(place, x[place] - y[other]) for place, other in zip(chosen, rejected)]


# Each yields (index of the pair to which a sorted position belongs, difference at that position).
COUPLED = {"aot": aot, "aot_unpaired": aot_unpaired}

# The options of each loss besides beta.
DIVERGENCE = ("sigmoid", "hinge", "ipo", "exo_pair", "robust", "discopop", "sigmoid_norm")
SMOOTHING = ("sigmoid", "exo_pair", "robust", "aot", "aot_unpaired", "cpo", "simpo", "alphapo")
LENGTHS = ("ipo", "sigmoid_norm", "cpo_ipo", "simpo", "alphapo", "orpo")
UNWEIGHTED = ("aot", "aot_unpaired", "sft")
NO_REFERENCE = ("sft", "cpo", "cpo_hinge", "cpo_ipo", "simpo", "alphapo", "orpo")
NEEDS_REFERENCE = ("dpop", "dpop_additive")


def losses(case, sums, places, point):
    """Losses of the pairs at these indices, or of all pairs if a term couples them."""
    pairs = [Pair(case, place, sums, point.again() if place == places[0] else point) for place in places]
    totals = [mpf(0) for _ in pairs]
    for term in case["terms"]:
        if term["loss"] in COUPLED:
            parts = COUPLED[term["loss"]](pairs, point)
            values = {place: smoothed(p.beta * d, p.smoothing) for p, (place, d) in zip(pairs, parts)}
        else:
            values = {i: LOSSES[term["loss"]](p) for i, p in enumerate(pairs)}
        for i, place in enumerate(places):
            totals[i] += mpf(term["weight"]) * values[i] * weighting(case, place) * (mpf(case["weights"][place]) if "weights" in case else 1)
    return totals


def weighting(case, place):
    if not case["weighting"]:
        return mpf(1)
    w, n = case["log_weights"], case["lengths"]
    return exp(mpf(w[2 * place]) / max(n[2 * place], 1)) * exp(mpf(w[2 * place + 1]) / max(n[2 * place + 1], 1))


def running_mean(case):
    """The state after this call, and the mean that the call subtracts from rewards."""
    if case["running_mean"] is None:
        return None, mpf(0)
    sums, reference = case["sums"], case["reference"] or [0] * len(case["sums"])
    rewards = [mpf(case["beta"]) * (mpf(pi) - mpf(rho)) for pi, rho in zip(sums, reference)]
    total, count = mpf(case["running_mean"][0]) + sum(rewards), case["running_mean"][1] + len(rewards)
    return [text(total), count], total / count


def solve(case):
    sums, count = [mpf(x) for x in case["sums"]], len(case["sums"]) // 2
    coupled = any(term["loss"] in COUPLED for term in case["terms"])
    case["running_mean_after"], case["mean"] = running_mean(case)
    case["losses"] = [None] * count
    case["d_sums"] = [None] * len(sums)
    for places in [list(range(count))] if coupled else [[i] for i in range(count)]:
        point = Point()
        for place, loss in zip(places, losses(case, sums, places, point)):
            case["losses"][place] = text(loss)
        for i in (2 * place + side for place in places for side in (0, 1)):

            def total(x, i=i):
                return sum(losses(case, sums[:i] + [x] + sums[i + 1 :], places, point))

            case["d_sums"][i] = text(mpf(case["pair_scale"]) * slope(total, sums[i]))
    del case["mean"]
    return case


# A pair is (pi_c, pi_r, rho_c, rho_r, n_c, n_r).
EXTREMES = (
    (-41.7, -41.7, -43.1, -43.1, 17, 17), (-123.456, -65.4, -123.456, -65.4, 40, 23), (-123.456, -65.4, -123.4561, -65.39999, 40, 23),
    (-5, -7, -10005, -10007, 50, 61), (-5, -10007, -10005, -7, 50, 61), (-10005, -7, -5, -10007, 50, 61), (-10005, -10007, -5, -7, 50, 61),
    (0, -20.5, 0, -19.25, 0, 9), (-33.25, 0, -31, 0, 12, 0), (0, 0, 0, 0, 0, 0),
)  # fmt: skip
# Without a reference: only one side is likely; averages are exactly 0; one token.
EXTREMES_ALONE = (
    (-41.7, -41.7, 0, 0, 17, 17), (-5, -10005, 0, 0, 50, 61), (-10005, -5, 0, 0, 50, 61), (-10005, -10005, 0, 0, 50, 61),
    (-10005, -2.5, 0, 0, 1, 1), (-2.5, -10005, 0, 0, 1, 1), (0, 0, 0, 0, 3, 2), (0, -12, 0, 0, 5, 6), (-12, 0, 0, 0, 6, 5),
    (0, -20.5, 0, 0, 0, 9), (-33.25, 0, 0, 0, 12, 0), (0, 0, 0, 0, 0, 0), (-1e-6, -3e-8, 0, 0, 2, 1),
)  # fmt: skip


def ordinary(source, reference):
    n_c, n_r = (source.randint(1, 200) for _ in range(2))
    if not reference:
        return (-(2 ** source.uniform(-1, 8)), -(2 ** source.uniform(-1, 8)), 0, 0, n_c, n_r)
    rho_c, rho_r = (source.uniform(-270, -35) for _ in range(2))
    reach = source.choice((0.5, 3, 30))
    return (rho_c + source.uniform(-reach, reach), rho_r + source.uniform(-reach, reach), rho_c, rho_r, n_c, n_r)


def draw(source, whole, reference):
    """Seven ordinary pairs and every extreme, or two and two."""
    extremes = EXTREMES if reference else EXTREMES_ALONE
    if whole:
        return [ordinary(source, reference) for _ in range(7)] + list(extremes)
    return [ordinary(source, reference) for _ in range(2)] + source.sample(extremes, 2)


def pair_weights(name, count):
    """A weight for each pair, from 0 to 3; the name is the seed."""
    source = random.Random(name + ", weights")
    return [short(f32(source.choice((0, 0.3, 1, source.uniform(0, 3))))) for _ in range(count)]


def case(name, terms, whole=True, reference=True, pairs=None, **options):
    """terms: a loss, or (loss, weight) pairs. The name is the seed of the random pairs."""
    terms = [(terms, 1)] if isinstance(terms, str) else terms
    names = [loss for loss, _ in terms]
    source = random.Random(name)
    pairs = pairs or draw(source, whole, reference)
    lengths = [n for p in pairs for n in p[4:]]
    weighted = options.get("weighting", False)
    log_weights = [0 if n == 0 else n * source.uniform(*options.get("token_log_weights", (-1.5, 0.4))) for n in lengths]
    weights = pair_weights(name, len(pairs)) if options.get("weights") else [1] * len(pairs)
    chosen_tokens = sum(w * n for w, n in zip(weights, lengths[::2]))
    return solve({
        "name": name,
        "terms": [{"loss": loss, "weight": short(f32(weight))} for loss, weight in terms],
        "beta": short(f32(options.get("beta", 0.1))) if names != ["sft"] else 0,
        "label_smoothing": short(f32(options.get("label_smoothing", 0))),
        "divergence": options.get("divergence", "reverse_kl"),
        "divergence_alpha": short(f32(options.get("divergence_alpha", 0))),
        "discopop_tau": short(f32(options.get("discopop_tau", 0.05))) if "discopop" in names else 0,
        "dpop_lambda": short(f32(options.get("dpop_lambda", 50))) if set(names) & {"dpop", "dpop_additive"} else 0,
        "simpo_gamma": short(f32(options.get("simpo_gamma", 0.5))) if set(names) & {"simpo", "alphapo"} else 0,
        "alphapo_alpha": short(f32(options.get("alphapo_alpha", 0.25))) if "alphapo" in names else 0,
        "weighting": weighted,
        "running_mean": options.get("running_mean"),
        "running_mean_after": None,
        "pair_scale": short(f32(1 / sum(weights))),
        "token_scale": short(f32(1 / chosen_tokens)) if "sft" in names else 0,
        "sums": [short(f32(x)) for p in pairs for x in p[:2]],
        "reference": [short(f32(x)) for p in pairs for x in p[2:4]] if reference else None,
        "lengths": lengths if weighted or set(names) & set(LENGTHS) else None,
        "log_weights": [short(f32(w)) for w in log_weights] if weighted else None,
        **({"weights": weights} if options.get("weights") else {}),
    })  # fmt: skip


DIVERGENCES = (
    {}, {"divergence": "forward_kl"}, {"divergence": "js_divergence"},
    *({"divergence": "alpha_divergence", "divergence_alpha": a} for a in (0.5, 2, -1)),
)  # fmt: skip


def named(loss, options, reference=True):
    words = [loss] + [f"{k} {v}" for k, v in options.items() if k not in ("divergence", "divergence_alpha", "weighting")]
    if "divergence" in options:
        words.append(" ".join(str(options[k]) for k in ("divergence", "divergence_alpha") if k in options))
    words += ["weighted"] * options.get("weighting", False)
    return ", ".join(words + ([] if reference or loss in NO_REFERENCE else ["no reference"]))


def single(loss, whole, reference=True, **options):
    reference = reference and loss not in NO_REFERENCE
    return case(named(loss, options, reference), loss, whole, reference, **options)


def alone():
    """Every loss alone: all pairs with both betas and with every divergence."""
    for loss in (*LOSSES, *COUPLED):
        smoothing = {"label_smoothing": 0.1} if loss == "exo_pair" else {}
        for beta in (0.1, 2.5) if loss != "sft" else (0,):
            yield single(loss, True, beta=beta, **smoothing)
        for divergence in DIVERGENCES[1:] if loss in DIVERGENCE else ():
            yield single(loss, True, beta=0.1, **smoothing, **divergence)


def crossed():
    """Every loss with all its options at once, on few pairs; beta alternates."""
    betas = (0.1, 2.5)
    count = 0
    for loss in (*LOSSES, *COUPLED):
        for divergence in DIVERGENCES if loss in DIVERGENCE else ({},):
            for smoothing in (0, 0.1, 0.3) if loss in SMOOTHING else (0,):
                for weighting in (False, True) if loss not in UNWEIGHTED else (False,):
                    for reference in (True, False) if loss not in NO_REFERENCE + NEEDS_REFERENCE else (True,):
                        if loss == "exo_pair" and smoothing == 0:
                            continue
                        if reference and not weighting and smoothing == (0.1 if loss == "exo_pair" else 0):
                            continue  # covered by alone()
                        count += 1
                        options = {"beta": betas[count % 2], **divergence}
                        options.update({"label_smoothing": smoothing} if smoothing else {})
                        options.update({"weighting": True} if weighting else {})
                        yield single(loss, loss in COUPLED, reference, **options)


def options_of_one_loss():
    yield single("sigmoid", True, beta=0.1, divergence="alpha_divergence", divergence_alpha=0)
    yield single("sigmoid", True, beta=0.1, divergence="alpha_divergence", divergence_alpha=1)
    yield single("sigmoid", True, beta=0.1, label_smoothing=0.49)
    yield single("discopop", True, beta=0.1, discopop_tau=1)
    for loss in ("dpop", "dpop_additive"):
        yield single(loss, True, beta=0.1, dpop_lambda=0.5)
    for gamma in (0, 1.4):
        yield single("simpo", True, beta=2.5, simpo_gamma=gamma)
    for alpha in (0, -0.5, 2):
        yield single("alphapo", True, beta=2.5, alphapo_alpha=alpha, simpo_gamma=0.1)
    yield single("orpo", True, beta=0.25)
    for start in ([0, 0], [-12.5, 64]):
        for options in ({}, {"weighting": True}):
            yield single("bco_pair", True, beta=0.1, running_mean=start, **options)
    yield single("bco_pair", True, False, beta=0.1, running_mean=[1e6, 1000])


def kinks():
    """beta 0.5 and a margin of 2 are exactly at the kink of hinge."""
    pairs = [(-10, -12, -20, -20, 5, 6), (-10, -12.0625, -20, -20, 5, 6), (-10, -11.9375, -20, -20, 5, 6), (-10, -20, -30, -38, 5, 6)]
    yield case("hinge at its kink", "hinge", pairs=pairs, beta=0.5)
    yield case("cpo_hinge at its kink", "cpo_hinge", pairs=pairs, reference=False, beta=0.5)


def far_weights():
    """Log weights whose exp is out of range of float32, and some above 1."""
    for loss in ("sigmoid", "robust"):
        yield case(f"{loss}, weights from e^-120 to e^5", loss, beta=0.1, weighting=True, token_log_weights=(-120, 5))


def coupled():
    one = [(-50.3, -61.7, -48.2, -65.1, 9, 11)]
    ties = [
        (-20, -30, -21, -29, 4, 5), (-35, -45, -33, -41, 4, 5), (-10, -18, -11, -20, 4, 5), (-28, -38, -29, -38, 4, 5),
        (-50, -40, -51, -41, 4, 5), (-20, -30, -21, -29, 4, 5),
    ]  # fmt: skip
    for loss in COUPLED:
        yield case(f"{loss} of one pair", loss, pairs=one, beta=0.1, label_smoothing=0.1)
        yield case(f"{loss} with ties", loss, pairs=ties, beta=0.1, label_smoothing=0.1)
        yield case(f"{loss} with ties, no reference", loss, pairs=ties, reference=False, beta=0.5)


def lists():
    mpo = [("sigmoid", 0.8), ("bco_pair", 0.2), ("sft", 1)]
    yield case("MPO", mpo, beta=0.1)
    yield case("MPO with a running mean", mpo, beta=0.1, running_mean=[3.25, 10])
    yield case("MPO, no reference", mpo, reference=False, beta=0.1)
    yield case("RPO", [("sigmoid", 1), ("sft", 1)], beta=0.1)
    yield case("RPO, label_smoothing 0.1", [("sigmoid", 1), ("sft", 0.3)], beta=2.5, label_smoothing=0.1)
    yield case("list of three", [("ipo", 0.5), ("robust", 1), ("sigmoid_norm", 0.25)], beta=0.1, label_smoothing=0.1, divergence="js_divergence")
    yield case("RPO, forward_kl", [("sigmoid", 1), ("sft", 0.3)], beta=0.1, divergence="forward_kl")
    alpha = {"divergence": "alpha_divergence", "divergence_alpha": 0.5}
    yield case("list with a loss of the policy alone, alpha_divergence", [("ipo", 0.5), ("simpo", 1)], beta=0.1, **alpha)
    yield case("list of three, weighted", [("ipo", 0.5), ("sigmoid", 1), ("apo_zero", 2)], beta=0.1, weighting=True)
    yield case("list with and without a reference", [("sigmoid", 1), ("simpo", 0.5), ("orpo", 0.1)], beta=0.1)
    yield case("list with aot", [("aot", 1), ("sigmoid", 0.5), ("sft", 0.1)], beta=0.1)
    yield case("list with both aot", [("aot", 1), ("aot_unpaired", 0.5)], beta=0.1, label_smoothing=0.1)
    yield case("CPO with its NLL", [("cpo", 1), ("sft", 1)], reference=False, beta=0.1)
    yield case("ORPO with its NLL", [("orpo", 1), ("sft", 1)], reference=False, beta=0.1)
    yield case("the same loss twice", [("sigmoid", 0.25), ("sigmoid", 0.75)], beta=0.1)


def pairs_with_weights():
    for loss in ("sigmoid", "ipo", "sft", "apo_down", "orpo"):
        yield case(f"{loss}, pairs with weights", loss, reference=loss not in NO_REFERENCE, beta=0.1, weights=True)
    yield case("bco_pair with a running mean, pairs with weights", "bco_pair", beta=0.1, running_mean=[3.25, 10], weights=True)
    yield case("sigmoid by probability, pairs with weights", "sigmoid", beta=0.1, weighting=True, weights=True)
    yield case("MPO, pairs with weights", [("sigmoid", 0.8), ("bco_pair", 0.2), ("sft", 1)], beta=0.1, weights=True)


def main():
    groups = (alone, crossed, options_of_one_loss, kinks, far_weights, coupled, lists, pairs_with_weights)
    cases = [c for group in groups for c in group()]
    assert len({c["name"] for c in cases}) == len(cases), "two cases of one name"
    write("preference_loss.json", cases)


if __name__ == "__main__":
    main()
