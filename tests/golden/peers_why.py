"""Where a peer is foreseen to differ from the definitions and why, as read in its source; and the table of all that in peers.md."""

import os

from exact import HERE

NEW, LAST, OLD, LIGER = "trl 1.16.0", "trl 1.9.2", "trl 0.28.0", "liger-kernel 0.8.5"


def names(case):
    return [term["loss"] for term in case["terms"]]


def divergent(case, *losses):
    return case["divergence"] != "reverse_kl" and bool(set(names(case)) & set(losses))


CONSTANT = "under any divergence but `reverse_kl`: scores lack a constant (1, log 2, -1/(alpha - 1)), which the two lengths divide unevenly"
IGNORED = "under any divergence but `reverse_kl`: log-ratios stand for scores, so the divergence changes nothing"

# (peers, whether it is so of a case, why)
RULES = (
    ((NEW, LAST, LIGER), lambda c: names(c) == ["sigmoid"] and c["label_smoothing"], "`label_smoothing` is not read by `sigmoid`"),
    ((NEW, LAST), lambda c: names(c) == ["hinge"] and c["weighting"],
     "WPO raises: its weights are multiplied in place into what relu keeps for its gradient"),
    ((LAST,), lambda c: divergent(c, "ipo", "sigmoid_norm"), CONSTANT),
    ((OLD,), lambda c: divergent(c, "discopop"), IGNORED),
    ((OLD,), lambda c: divergent(c, "ipo"), "under any divergence but `reverse_kl`: it is of log-ratios already averaged over tokens"),
    ((OLD,), lambda c: "bco_pair" in names(c) and not c["running_mean"],
     "`bco_pair` always takes off a running mean of the rewards"),
    ((OLD,), lambda c: c["running_mean"] and c["running_mean"][1], "the running mean counts a call as one reward, whatever its number of pairs"),
    ((OLD,), lambda c: c["weighting"],
     "WPO, shown by one loss: log-probs stand one token off their weights, and the product of a pair is at most 1"),
    ((OLD,), lambda c: "sft" in names(c), "the NLL leaves out every target 0, which it takes for padding"),
    ((OLD,), lambda c: c["ld_alpha"] is not None,
     "`ld_alpha` is of the policy alone, and positions count the prompt, so a completion's last tokens are lost"),
    ((OLD,), lambda c: "ipo" in names(c) and len(names(c)) > 1, "`ipo` in a list makes every loss of the list one of averages"),
    ((NEW, LAST), lambda c: names(c) == ["orpo", "sft"], "the NLL of ORPOTrainer is of prompt and completion"),
    ((LAST,), lambda c: c["running_mean"],
     "BCOTrainer (DPOTrainer has no running mean) takes the mean over completions, half of that over pairs"),
    ((LIGER,), lambda c: names(c) == ["kto"] and (c["desirable_weight"], c["undesirable_weight"]) != (1, 1),
     "weights of desirable and undesirable rows are not to be had"),
)  # fmt: skip


def differs(peer, case):
    """None where the peer is to agree with the definitions."""
    return "; ".join(why for peers, so, why in RULES if peer in peers and so(case)) or None


HEAD = """# Who agrees with whom

`peers.py` runs the peers' own loss code on one problem and compares loss and gradient with the definitions of `preference_loss.py` and
`unpaired_loss.py`. "yes": equal; a number in brackets says where not, "no" that it is so in every case; a dash that the peer has no such loss.

The definitions are those of TRL from 1.10 on, here {new}: a divergence's score is 0 where policy and reference agree, and losses that take
log-ratios themselves refuse every divergence but `reverse_kl`. {last} is the last TRL before that: its scores lack the constants, and its
`nca_pair`, `bco_pair`, `sppo_hard` and `apo_down` take scores. {old} is the last before `DPOTrainer` was written anew, asked with its own
`alpha` = 1 - ours. Liger is {liger}, not compiled.

`peers.json` holds the problem once: logits rows that predict the tokens of the completions, packed chosen0, rejected0, chosen1, ... with
their `lengths`, and the `prompt_logits` that ORPO's NLL and some metrics take in too. A case's `loss` is a mean over pairs (KTO: over
completions), an option that it does not name is off, `reference` is true unless it says otherwise; an NLL is a term `sft`.

"""

TAIL = """
## Metrics

The definitions are TRL's: an entry's `metrics` are its first peer's, `other_metrics` what another peer of the same loss says otherwise.

* Liger averages `logits/*` over every position of the batch, prompt and padding too, and has neither entropy nor accuracy.
* CPOTrainer and ORPOTrainer (TRL) average `logits/*` over prompt and padding too. Their `logps/*` and `rewards/*` are sums or averages, as
  the loss takes them (AlphaPO's rewards are the transformed ones).
* TRL 0.28 adds up rewards of the losses of a list with their weights, those of `ipo` are of averages, and `reference_free` rewards still
  take the reference off. TRL 1.x has beta times the log-ratio of sums whatever the loss.
* BCOTrainer logs sums with their counts.

## What the problem does not show

Seen by trying the same code elsewhere, in {last} and {new}, not part of `peers.json`:

* No TRL clamps `forward_kl`: log-ratios of -900 make loss and gradient infinite or NaN, in float64 too. Ours ends at exp(80).
* `discopop` is NaN at a margin of -800: exp(-margin) is infinite and its weight 0. The product is 0 to any digit in the definitions.
* ORPO at an average log-prob of 0 (every token certain): log(1 - p) is -inf in TRL and in Liger, the gradient NaN; in Liger's log1p(-exp(.))
  already at -1e-9. Ours ends at -2^-24.
* An empty completion: the averages of ORPOTrainer are 0/0, NaN (and by reading those of CPOTrainer and Liger); DPOTrainer divides by at
  least 1, as ours does.
"""


def cell(of_loss, reasons):
    """reasons: those of the whole table, numbered by their place."""
    if not of_loss:
        return "-"
    numbers = sorted({reasons.index(e["differs"]) + 1 for e in of_loss if e["differs"]})
    agrees = "yes" if any(e["differs"] is None for e in of_loss) else "no"
    return agrees + "".join(f" [{n}]" for n in numbers)


def write_table(peers, entries):
    """Losses down, peers across."""
    losses = list(dict.fromkeys(" + ".join(names(e)) for e in entries))
    reasons = list(dict.fromkeys(e["differs"] for e in entries if e["differs"]))
    lines = ["| loss | " + " | ".join(peers) + " |", "| --- |" + " --- |" * len(peers)]
    for loss in losses:
        of_loss = [e for e in entries if " + ".join(names(e)) == loss]
        cells = [cell([e for e in of_loss if peer in (e["peer"], *e["same"])], reasons) for peer in peers]
        lines.append(f"| {loss} | " + " | ".join(cells) + " |")
    lines += ["", *(f"{i}. {reason}" for i, reason in enumerate(reasons, 1))]
    with open(os.path.join(HERE, "peers.md"), "w") as file:
        file.write(HEAD.format(last=LAST, new=NEW, old=OLD, liger=LIGER) + "\n".join(lines) + "\n" + TAIL.format(last=LAST, new=NEW))
