"""Writes peers.json, the results of TRL and Liger for one small problem of three pairs, and the table in peers.md of which results agree.

Each peer that has a case computes it (peers_run.py, one process for each version), and so do the definitions in preference_loss.py and
unpaired_loss.py. Peers within TOLERANCE of the definitions are listed in "same" of one entry. Any other peer has an entry of its own with
"differs". The script stops if peers_why.py does not expect a difference, or expects one that does not occur.
"""

import json
import os
import random
import subprocess
import sys

from mpmath import exp, log, mpf

import peers_why
import preference_loss
import unpaired_loss
from exact import HERE, f32

VOCABULARY = 7
PROMPTS = [[3, 5], [1, 0], [6, 2]]
LENGTHS = [4, 2, 1, 6, 3, 3]  # chosen0, rejected0, chosen1, ...
# Relative to the largest magnitude, the error of float32 arithmetic. Losses with another meaning differ by 1e-3 or more.
TOLERANCE = 5e-6
DIGITS = "%.9g"


def draw_rows(source, count, around=None, scale=1.5):
    around = around or [[0.0] * VOCABULARY] * count
    return [[f32(round(64 * (x + source.gauss(0, scale))) / 64) for x in row] for row in around]


def make_problem():
    source = random.Random(9)
    rows = sum(LENGTHS)
    logits = draw_rows(source, rows)
    return {
        "vocabulary": VOCABULARY,
        "prompts": PROMPTS,
        "lengths": LENGTHS,
        "targets": [source.randrange(VOCABULARY) for _ in range(rows)],
        "logits": logits,
        "reference_logits": draw_rows(source, rows, logits, 0.7),
        "prompt_logits": draw_rows(source, len(PROMPTS)),
    }


def make_kl_logits(problem):
    """Policy and reference. If the policy is more likely, the estimate is above 0; if less, it is clamped."""
    source = random.Random(10)
    first = draw_rows(source, sum(LENGTHS))
    onto = [[x + (2 if i == target else 0) for i, x in enumerate(row)] for row, target in zip(first, problem["targets"])]
    return {"above": [onto, first], "below": [first, onto]}


class Sums:
    """The sums of log-probs and of WPO's log weights over each completion, and their derivatives with respect to the logits."""

    def __init__(self, logits, targets, weights):
        self.targets, self.weights = targets, weights
        self.probabilities = [self.softmax(row) for row in logits]
        logps = [log(p[t]) for p, t in zip(self.probabilities, targets)]
        squares = [log(sum(x * x for x in p)) for p in self.probabilities]
        self.logps = self.of_completions([w * x for w, x in zip(weights, logps)])
        self.log_weights = self.of_completions([x - y for x, y in zip(logps, squares)])

    @staticmethod
    def softmax(row):
        e = [exp(mpf(x)) for x in row]
        return [x / sum(e) for x in e]

    @staticmethod
    def of_completions(tokens):
        starts = [sum(LENGTHS[:i]) for i in range(len(LENGTHS))]
        return [sum(tokens[s : s + n]) for s, n in zip(starts, LENGTHS)]

    def d_logits(self, d_sums):
        d_tokens = [d for d, n in zip(d_sums, LENGTHS) for _ in range(n)]
        rows = zip(self.probabilities, self.targets, d_tokens, self.weights)
        return [[float(d * w * ((1 if j == t else 0) - p)) for j, p in enumerate(row)] for row, t, d, w in rows]


def token_weights(ld_alpha):
    """LD-DPO: tokens beyond the length of the pair's shorter completion have the weight ld_alpha."""
    weights = []
    for i, n in enumerate(LENGTHS):
        shared = min(n, LENGTHS[i ^ 1])
        weights += [mpf(1) if k < shared or ld_alpha is None else mpf(ld_alpha) for k in range(n)]
    return weights


def by_definition(problem, kl_logits, case):
    weights = token_weights(case["ld_alpha"])
    policy, reference = (Sums(problem[name], problem["targets"], weights) for name in ("logits", "reference_logits"))
    if case["terms"][0]["loss"] in ("kto", "apo_zero_unpaired"):
        return unpaired_by_definition(problem, kl_logits, case, policy, reference)
    tokens = sum(LENGTHS[::2])
    solved = preference_loss.solve({
        **case, "sums": policy.logps, "reference": reference.logps if case["reference"] else None, "lengths": LENGTHS,
        "log_weights": policy.log_weights, "pair_scale": mpf(1) / len(PROMPTS), "token_scale": mpf(1) / tokens,
    })  # fmt: skip
    loss = sum(map(mpf, solved["losses"])) / len(PROMPTS)
    return {"loss": float(loss), "d_logits": policy.d_logits([mpf(d) for d in solved["d_sums"]])}


def unpaired_by_definition(problem, kl_logits, case, policy, reference):
    kl = kl_logits.get(case["kl_rows"], [[], []])
    # The KL rows are the completions before a prompt of another pair, so in the packed order of the completions.
    case["kl_sums"], case["kl_reference"] = (
        [float(x) for x in Sums(logits, problem["targets"], policy.weights).logps] if logits else [] for logits in kl
    )
    solved = unpaired_loss.solve({
        "loss": case["terms"][0]["loss"], "beta": case["beta"], "desirable_weight": case["desirable_weight"],
        "undesirable_weight": case["undesirable_weight"], "scale": mpf(1) / len(LENGTHS), "sums": policy.logps,
        "reference": reference.logps, "desirable": case["desirable"], "kl_sums": case["kl_sums"], "kl_reference": case["kl_reference"],
    })  # fmt: skip
    case["kl"] = float(mpf(solved["kl"]))
    loss = sum(map(mpf, solved["losses"])) / len(LENGTHS)
    return {"loss": float(loss), "d_logits": policy.d_logits([mpf(d) for d in solved["d_sums"]])}


# Defaults of options that a case does not set. All are float32 numbers, so that every peer reads the same value.
UNSET = {
    "beta": 0.125, "label_smoothing": 0, "divergence": "reverse_kl", "divergence_alpha": 0, "discopop_tau": 0.0625, "dpop_lambda": 0,
    "simpo_gamma": 0.5, "alphapo_alpha": 0, "weighting": False, "running_mean": None, "ld_alpha": None, "reference": True,
}  # fmt: skip
WITH_REFERENCE = (
    "sigmoid", "hinge", "ipo", "exo_pair", "nca_pair", "robust", "bco_pair", "sppo_hard", "aot", "aot_unpaired", "apo_zero", "apo_down",
    "discopop", "sft", "sigmoid_norm",
)  # fmt: skip


def make_cases():
    cases = []

    def add(terms, **options):
        terms = [(terms, 1)] if isinstance(terms, str) else terms
        if terms[0][0] == "exo_pair":
            options.setdefault("label_smoothing", 0.125)
        cases.append({"terms": [{"loss": loss, "weight": weight} for loss, weight in terms], "options": options})

    for loss in WITH_REFERENCE:
        add(loss)
        if loss in preference_loss.DIVERGENCE:
            add(loss, divergence="forward_kl")
            add(loss, divergence="js_divergence")
            for alpha in (0.5, 2) if loss in ("sigmoid", "ipo") else (0.5,):
                add(loss, divergence="alpha_divergence", divergence_alpha=alpha)
        if loss not in preference_loss.UNWEIGHTED:
            add(loss, weighting=True)
    for loss in ("sigmoid", "robust", "aot", "aot_unpaired"):
        add(loss, label_smoothing=0.125)
    add("exo_pair", label_smoothing=0.25)
    for loss in ("sigmoid", "hinge", "ipo"):
        add(loss, beta=2.5)
        add(loss, reference=False)
    for loss in ("sigmoid", "ipo"):
        add(loss, ld_alpha=0.5)
    add("sigmoid", ld_alpha=0)
    add("discopop", discopop_tau=1)
    add("sigmoid", weighting=True, divergence="js_divergence")
    for state in ([0, 0], [-2, 8]):
        add("bco_pair", running_mean=state)
    add([("sigmoid", 0.75), ("bco_pair", 0.25), ("sft", 1)])
    add([("sigmoid", 1), ("sft", 0.5)])
    add([("sigmoid", 1), ("ipo", 0.5), ("apo_zero", 0.25)])
    for loss in ("cpo", "cpo_hinge", "cpo_ipo", "simpo", "alphapo"):
        options = {"alphapo_alpha": 0.25} if loss == "alphapo" else {}
        add(loss, reference=False, **options)
        add([(loss, 1), ("sft", 0.5)], reference=False, **options)
        if loss in preference_loss.SMOOTHING:
            add(loss, reference=False, label_smoothing=0.125, **options)
    add("simpo", reference=False, beta=2.5, simpo_gamma=1.5)
    add("alphapo", reference=False, beta=2.5, alphapo_alpha=-0.5)
    add("orpo", reference=False)
    add([("orpo", 1), ("sft", 1)], reference=False)
    desirable = {"desirable": [1, 0, 1, 0, 0, 1], "desirable_weight": 1, "undesirable_weight": 1, "kl_rows": None}
    for kl_rows in ("above", "below"):
        add("kto", **{**desirable, "kl_rows": kl_rows})
    add("kto", **{**desirable, "kl_rows": "above", "desirable_weight": 1.5, "undesirable_weight": 0.75})
    add("apo_zero_unpaired", **desirable)
    add("apo_zero_unpaired", **{**desirable, "desirable_weight": 1.5, "undesirable_weight": 0.75})
    return [{"terms": c["terms"], **UNSET, **c["options"], "options": c["options"]} for c in cases]


def run_peer(name, path, problem, kl_logits, cases):
    environment = {**os.environ, "PYTHONPATH": path, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    asked = json.dumps({"problem": problem, "kl_logits": kl_logits, "cases": cases})
    command = [sys.executable, os.path.join(HERE, "peers_run.py"), name]
    answer = json.loads(subprocess.run(command, input=asked, stdout=subprocess.PIPE, env=environment, text=True, check=True).stdout)
    return answer["peer"], answer["results"]


def near(a, b, scale=None):
    scale = scale if scale is not None else max(1, abs(b))
    return abs(a - b) <= TOLERANCE * scale


def agree(a, b):
    if "error" in a or "error" in b:
        return a.get("error") == b.get("error")
    flat_a, flat_b = (sum(x["d_logits"], []) for x in (a, b))
    scale = max(map(abs, flat_b))
    return near(a["loss"], b["loss"]) and all(near(x, y, scale) for x, y in zip(flat_a, flat_b))


def number(x):
    return float(DIGITS % x) if isinstance(x, float) else x


def entry(case, peer, result, differs):
    losses = {term["loss"] for term in case["terms"]}
    read = [k for k, readers in (("discopop_tau", {"discopop"}), ("simpo_gamma", {"simpo", "alphapo"})) if losses & readers]
    shown = {**{k: case[k] for k in read}, **{k: v for k, v in case["options"].items() if k != "kl_rows"}}
    kl = {k: case[k] for k in ("kl_sums", "kl_reference", "kl") if k in case}
    about = {"peer": peer, "same": [], "terms": case["terms"], "beta": case["beta"], **shown, **kl, "differs": differs}
    if "error" in result:
        return {**about, "error": result["error"]}
    return {
        **about, "dtype": result["dtype"], "loss": number(result["loss"]),
        "d_logits": [[number(x) for x in row] for row in result["d_logits"]],
        "metrics": {k: number(v) for k, v in sorted(result["metrics"].items())}, "other_metrics": {},
    }  # fmt: skip


def other_metrics(result, first):
    """Metrics of a peer that the first peer with the same loss does not have, or has with another value."""
    return {
        k: number(v) for k, v in sorted(result["metrics"].items())
        if k not in first["metrics"] or not near(v, first["metrics"][k])
    }  # fmt: skip


def entries(case, expected, results):
    """One entry for all peers that agree with the definitions, and one for each kind of difference."""
    made = []
    for peer, result in results:
        differs = peers_why.differs(peer, case)
        assert agree(result, expected) == (differs is None), (
            f"{peer}, {case['terms']}, {case['options']}: {result.get('loss', result.get('error'))}, "
            f"by definition {expected['loss']}, expected difference: {differs}"
        )
        for other in made:
            if agree(result, other["result"]) and differs == other["entry"]["differs"]:
                other["entry"]["same"].append(peer)
                more = {} if "error" in result else other_metrics(result, other["result"])
                if more:
                    other["entry"]["other_metrics"][peer] = more
                break
        else:
            made.append({"entry": entry(case, peer, result, differs), "result": result})
    return [m["entry"] for m in made]


def main():
    if len(sys.argv) != 3:
        sys.exit("usage: peers.py FOLDER_OF_TRL_1.9.2 FOLDER_OF_TRL_0.28.0")
    problem, cases = make_problem(), make_cases()
    kl_logits = make_kl_logits(problem)
    expected = [by_definition(problem, kl_logits, case) for case in cases]
    # Peers that compute in float64 come first, because an entry has the numbers of its first peer.
    paths = [("trl", ""), ("trl", os.path.abspath(sys.argv[1])), ("trl", os.path.abspath(sys.argv[2])), ("liger-kernel", "")]
    peers = [run_peer(name, path, problem, kl_logits, cases) for name, path in paths]
    made = []
    for i, case in enumerate(cases):
        results = [(peer, result) for peer, runs in peers for result in runs[i] if result]
        made += entries(case, expected[i], results)
    with open(os.path.join(HERE, "peers.json"), "w") as file:
        lines = [json.dumps(e, separators=(",", ":")) for e in made]
        head = json.dumps(problem, separators=(",", ":"))[:-1]
        file.write(head + ',\n"cases":[\n' + ",\n".join(lines) + "\n]}\n")
    peers_why.write_table([peer for peer, _ in peers], made)


if __name__ == "__main__":
    main()
