"""Runs one peer's own loss code on the problem of peers.py: JSON {"problem", "cases"} on stdin, one result a case (or null) on stdout.

Its one argument names the peer: "trl" (the version on the path) or "liger-kernel". A stand-in for a model returns the logits of the problem.
Trainers, log-probs, losses and metrics are the peers' own code. A trainer is made without its __init__, with the attributes that the called method reads.
"""

import contextlib
import importlib
import importlib.machinery
import importlib.metadata
import importlib.util
import json
import os
import sys
import types
from collections import defaultdict
from functools import partial

import torch

IGNORED = -100
PADDING = 0


class StandIn(torch.nn.Module):
    """A model that returns given logits for its sequences. The head is the identity, so the hidden states are the logits."""

    is_gradient_checkpointing = False

    def __init__(self, sequences, logits, dtype):
        super().__init__()
        self.rows = [torch.tensor(rows, dtype=dtype, requires_grad=True) for rows in logits]
        self.places = {tuple(ids): i for i, ids in enumerate(sequences)}
        self.vocabulary = len(logits[0][0])
        self.head = torch.nn.Linear(self.vocabulary, self.vocabulary, bias=False, dtype=dtype)
        self.head.weight = torch.nn.Parameter(torch.eye(self.vocabulary, dtype=dtype), requires_grad=False)
        self.config = types.SimpleNamespace(get_text_config=lambda: types.SimpleNamespace())

    def base_model(self, input_ids, attention_mask=None, **_):
        width, states = input_ids.shape[1], []
        for ids, mask in zip(input_ids, attention_mask):
            rows = self.rows[self.places[tuple(ids[mask.bool()].tolist())]]
            states.append(torch.nn.functional.pad(rows, (0, 0, 0, width - len(rows))))
        return types.SimpleNamespace(last_hidden_state=torch.stack(states))

    def forward(self, input_ids, attention_mask=None, **_):
        return types.SimpleNamespace(logits=self.base_model(input_ids, attention_mask).last_hidden_state)

    def get_output_embeddings(self):
        return self.head


class Accelerator:
    """One process, on the CPU."""

    device = torch.device("cpu")
    use_distributed = False
    is_main_process = True
    gather = gather_for_metrics = unwrap_model = staticmethod(lambda x: x)


class Problem:
    def __init__(self, problem):
        self.prompts, self.lengths, self.targets = problem["prompts"], problem["lengths"], problem["targets"]
        self.logits, self.reference = problem["logits"], problem["reference_logits"]
        self.prompt_logits = problem["prompt_logits"]
        self.starts = [sum(self.lengths[:i]) for i in range(len(self.lengths))]
        self.vocabulary = problem["vocabulary"]

    def completion(self, i):
        return self.targets[self.starts[i] : self.starts[i] + self.lengths[i]]

    def sequence(self, i):
        return self.prompts[i // 2] + self.completion(i)

    def rows(self, i, logits):
        """Logits of a whole sequence: the prompt's first row, the completion's, and zeros behind the last token."""
        of_completion = logits[self.starts[i] : self.starts[i] + self.lengths[i]]
        return [self.prompt_logits[i // 2], *of_completion, [0.0] * self.vocabulary]

    def model(self, dtype, logits=None):
        count = len(self.lengths)
        rows = [self.rows(i, logits or self.logits) for i in range(count)]
        return StandIn([self.sequence(i) for i in range(count)], rows, dtype)

    def gradient(self, model):
        """d loss / d logits of the completion rows, in the packed order."""
        return [row for rows in model.rows for row in (rows.grad[1:-1] if rows.grad is not None else rows[1:-1] * 0).tolist()]

    def batch(self, places):
        """Right-padded ids, attention mask and completion mask of completions."""
        sequences = [self.sequence(i) for i in places]
        width = max(map(len, sequences))
        ids = torch.tensor([s + [PADDING] * (width - len(s)) for s in sequences])
        attention = torch.tensor([[1] * len(s) + [0] * (width - len(s)) for s in sequences])
        completion = attention.clone()
        completion[:, : len(self.prompts[0])] = 0
        return ids, attention, completion

    def halves(self):
        count = len(self.lengths)
        return list(range(0, count, 2)), list(range(1, count, 2))


def trainer_of(module, name, **attributes):
    kind = getattr(importlib.import_module(module), name)
    trainer = kind.__new__(kind)
    trainer.accelerator, trainer.aux_loss_enabled = Accelerator(), False
    trainer._metrics = {"train": defaultdict(list)}
    trainer._total_train_tokens, trainer._tp_size = 0, 1
    for attribute, value in attributes.items():
        setattr(trainer, attribute, value)
    return trainer


def means(metrics):
    return {name: (sum(values) / len(values) if isinstance(values, list) else values) for name, values in metrics.items()}


def finished(problem, model, loss, metrics):
    loss.backward()
    return {"loss": loss.item(), "d_logits": problem.gradient(model), "metrics": means(metrics), "dtype": str(model.rows[0].dtype)[6:]}


def fuse(model, *outputs):
    """TRL 1.10 and later add their own head to a model; earlier versions read its logits."""
    utils = importlib.import_module("trl.trainer.utils")
    if hasattr(utils, "add_fused_lm_head"):
        utils.add_fused_lm_head(model, outputs=("log_probs", *outputs))
    return model


def terms_of(case):
    return [t["loss"] for t in case["terms"]], [t["weight"] for t in case["terms"]]


def trl_dpo(problem, case):
    names, weights = terms_of(case)
    if not case["reference"] or set(names) - DPO_LOSSES or case["running_mean"]:
        return None
    # TRL's clamp of alpha_divergence does not support float64.
    dtype = torch.float32 if case["divergence"] == "alpha_divergence" else torch.float64
    model = fuse(problem.model(dtype), "entropy", "mean_logits", "is_top1", "log_sum_sq_probs")
    reference = fuse(problem.model(dtype, problem.reference))
    trainer = trainer_of(
        "trl.trainer.dpo_trainer", "DPOTrainer", model=model, ref_model=reference, ld_alpha=case["ld_alpha"], precompute_ref_logps=False,
        f_divergence_type=case["divergence"], f_alpha_divergence_coef=case["divergence_alpha"], loss_types=names, loss_weights=weights,
        beta=case["beta"], label_smoothing=case["label_smoothing"], use_weighting=case["weighting"],
        args=types.SimpleNamespace(discopop_tau=case["discopop_tau"], gradient_checkpointing_kwargs=None),
    )  # fmt: skip
    chosen, rejected = problem.halves()
    ids, attention, completion = problem.batch(chosen + rejected)
    loss = trainer._compute_loss(model, {"input_ids": ids, "attention_mask": attention, "completion_mask": completion}, False)
    return finished(problem, model, loss, trainer._metrics["train"])


DPO_LOSSES = {
    "sigmoid", "hinge", "ipo", "exo_pair", "nca_pair", "robust", "bco_pair", "sppo_hard", "aot", "aot_unpaired", "apo_zero", "apo_down",
    "discopop", "sft", "sigmoid_norm",
}  # fmt: skip


def trl_dpo_of_old(problem, case):
    """TRL 0.28, the last version before DPOTrainer was rewritten."""
    from trl.trainer.dpo_config import FDivergenceConstants, FDivergenceType
    from trl.trainer.utils import RunningMoments

    names, weights = terms_of(case)
    if set(names) - (DPO_LOSSES - {"sigmoid_norm"}) or case["divergence"] == "forward_kl":
        return None
    if case["weighting"] and names != ["sigmoid"]:  # only the weights differ, and they differ alike in every loss
        return None
    model, reference = problem.model(torch.float64), problem.model(torch.float64, problem.reference)
    divergence = {"reverse_kl": "REVERSE_KL", "js_divergence": "JS_DIVERGENCE", "alpha_divergence": "ALPHA_DIVERGENCE"}[case["divergence"]]
    trainer = trainer_of(
        "trl.trainer.dpo_trainer", "DPOTrainer", model=model, ref_model=reference, loss_type=names, loss_weights=weights,
        f_divergence_type=FDivergenceType[divergence], reference_free=not case["reference"], beta=case["beta"],
        f_divergence_params={FDivergenceConstants.ALPHA_DIVERGENCE_COEF_KEY: 1 - case["divergence_alpha"]},
        label_smoothing=case["label_smoothing"], use_weighting=case["weighting"], pad_token_id=PADDING, is_encoder_decoder=False,
        max_length=None, use_logits_to_keep=False, padding_free=False, _peft_has_been_casted_to_bf16=False,
        running=RunningMoments(Accelerator()),
        args=types.SimpleNamespace(discopop_tau=case["discopop_tau"], use_liger_kernel=False, rpo_alpha=None, ld_alpha=case["ld_alpha"]),
    )  # fmt: skip
    if case["running_mean"] and case["running_mean"][1]:
        trainer.running.mean, trainer.running.count = case["running_mean"][0] / case["running_mean"][1], case["running_mean"][1]
    batch = {"prompt_input_ids": torch.tensor(problem.prompts), "prompt_attention_mask": torch.ones_like(torch.tensor(problem.prompts))}
    for side, places in zip(("chosen", "rejected"), problem.halves()):
        ids, attention, _ = problem.batch(places)
        prompt = len(problem.prompts[0])
        batch[side + "_input_ids"], batch[side + "_attention_mask"] = ids[:, prompt:], attention[:, prompt:]
    loss, metrics = trainer.get_batch_loss_metrics(model, batch)
    return finished(problem, model, loss, metrics)


def labelled(problem, places):
    """ids, attention mask and labels of completions, as the trainers of CPO and ORPO take them."""
    ids, attention, completion = problem.batch(places)
    return ids, attention, torch.where(completion == 1, ids, IGNORED)


def pairs_of_labels(problem):
    batch = {}
    for side, places in zip(("chosen", "rejected"), problem.halves()):
        names = ("_input_ids", "_attention_mask", "_labels")
        batch.update(zip((side + name for name in names), labelled(problem, places)))
    return batch


def trl_cpo(problem, case):
    losses = {"cpo": "sigmoid", "cpo_hinge": "hinge", "cpo_ipo": "ipo", "simpo": "simpo", "alphapo": "simpo"}
    names, weights = terms_of(case)
    if names[0] not in losses or names[1:] not in ([], ["sft"]) or case["weighting"]:
        return None
    model = problem.model(torch.float64)
    trainer = trainer_of(
        "trl.experimental.cpo.cpo_trainer", "CPOTrainer", model=model, loss_type=losses[names[0]], beta=case["beta"],
        label_smoothing=case["label_smoothing"], simpo_gamma=case["simpo_gamma"], alpha=case["alphapo_alpha"],
        cpo_alpha=weights[1] if len(weights) > 1 else 0, is_encoder_decoder=False, pad_token_id=PADDING,
    )  # fmt: skip
    loss, metrics = trainer.get_batch_loss_metrics(model, pairs_of_labels(problem))
    return finished(problem, model, loss, metrics)


def trl_orpo(problem, case):
    names, _ = terms_of(case)
    if names not in (["orpo"], ["orpo", "sft"]) or case["weighting"]:
        return None
    model = problem.model(torch.float64)
    trainer = trainer_of(
        "trl.experimental.orpo.orpo_trainer", "ORPOTrainer", model=model, beta=case["beta"], is_encoder_decoder=False, padding_value=PADDING,
        pad_token_id=PADDING,
    )  # fmt: skip
    if names == ["orpo"]:  # the trainer always adds the NLL, its loss function does not
        batch = trainer.concatenated_inputs(pairs_of_labels(problem), padding_value=PADDING)
        logits = model(batch["concatenated_input_ids"], batch["concatenated_attention_mask"]).logits
        averages = trainer.get_batch_logps(logits, batch["concatenated_labels"], average_log_prob=True)
        losses, chosen, rejected, ratio, odds = trainer.odds_ratio_loss(*averages.chunk(2))
        metrics = {"rewards/chosen": chosen.mean().item(), "rewards/rejected": rejected.mean().item()}
        metrics.update({"log_odds_ratio": ratio.item(), "log_odds_chosen": odds.item()})
        return finished(problem, model, -losses.mean(), metrics)
    loss, metrics = trainer.get_batch_loss_metrics(model, pairs_of_labels(problem))
    return finished(problem, model, loss, metrics)


def with_kl_rows(problem, dtype, logits, kl_logits):
    """A stand-in that also has the sequences of the KL estimate: each prompt followed by a completion of the next pair."""
    count = len(problem.lengths)
    rows = [problem.rows(i, logits) for i in range(count)]
    sequences = [problem.sequence(i) for i in range(count)]
    for i in range(count if kl_logits else 0):
        other = (i + 2) % count
        start, length = problem.starts[other], problem.lengths[other]
        sequences.append(problem.prompts[i // 2] + problem.completion(other))
        rows.append([problem.prompt_logits[i // 2], *kl_logits[start : start + length], [0.0] * problem.vocabulary])
    assert len({tuple(s) for s in sequences}) == len(sequences), "sequences of the problem must differ"
    return StandIn(sequences, rows, dtype), sequences[count:]


def padded(sequences, prompt):
    width = max(map(len, sequences))
    ids = torch.tensor([s + [PADDING] * (width - len(s)) for s in sequences])
    attention = torch.tensor([[1] * len(s) + [0] * (width - len(s)) for s in sequences])
    completion = attention.clone()
    completion[:, :prompt] = 0
    return ids, attention, completion


def trl_kto(problem, case):
    if case["terms"][0]["loss"] not in ("kto", "apo_zero_unpaired"):
        return None
    kl = case["terms"][0]["loss"] == "kto"
    dtype = torch.float64
    policy, reference = problem.kl_logits[case["kl_rows"]] if kl else (None, None)
    model, other = with_kl_rows(problem, dtype, problem.logits, policy)
    reference_model, _ = with_kl_rows(problem, dtype, problem.reference, reference)
    fuse(model, "entropy", "mean_logits", "is_top1"), fuse(reference_model)
    trainer = trainer_of(
        "trl.trainer.kto_trainer", "KTOTrainer", model=model, ref_model=reference_model, calculate_KL=kl, precompute_ref_logps=False,
        loss_type=case["terms"][0]["loss"], beta=case["beta"], desirable_weight=case["desirable_weight"], use_liger_kernel=False,
        undesirable_weight=case["undesirable_weight"], args=types.SimpleNamespace(gradient_checkpointing_kwargs=None),
    )  # fmt: skip
    ids, attention, completion = problem.batch(range(len(problem.lengths)))
    batch = {"input_ids": ids, "attention_mask": attention, "completion_mask": completion, "label": torch.tensor(case["desirable"]).bool()}
    if kl:
        names = ("KL_input_ids", "KL_attention_mask", "KL_completion_mask")
        batch.update(zip(names, padded(other, len(problem.prompts[0]))))
    loss = trainer._compute_loss(model, batch, False)
    result = finished(problem, model, loss, trainer._metrics["train"])
    result["d_logits"] = result["d_logits"][: sum(problem.lengths)]
    return result


def trl_bco(problem, case):
    """BCOTrainer reads single completions; here those of the pairs, with the chosen ones as desirable."""
    module = "trl.experimental.bco.bco_trainer"
    names, _ = terms_of(case)
    plain = case["divergence"] == "reverse_kl" and not case["weighting"] and case["reference"] and case["ld_alpha"] is None
    if names != ["bco_pair"] or not case["running_mean"] or not plain or importlib.util.find_spec("trl.experimental.bco") is None:
        return None
    model, reference = problem.model(torch.float64), problem.model(torch.float64, problem.reference)
    trainer = trainer_of(
        module, "BCOTrainer", model=model, ref_model=reference, beta=case["beta"], is_encoder_decoder=False, pad_token_id=PADDING,
        embedding_func=None, embedding_tokenizer=None,
    )  # fmt: skip
    trainer._get_prompt_embeddings = lambda batch: (None, None)
    trainer.running = importlib.import_module(module).RunningMoments(accelerator=Accelerator())
    if case["running_mean"][1]:
        trainer.running.mean, trainer.running.count = case["running_mean"][0] / case["running_mean"][1], case["running_mean"][1]
    ids, attention, labels = labelled(problem, range(len(problem.lengths)))
    batch = {
        "completion_input_ids": ids, "completion_attention_mask": attention, "completion_labels": labels,
        "label": [i % 2 == 0 for i in range(len(problem.lengths))],
    }  # fmt: skip
    loss, metrics = trainer.get_batch_loss_metrics(model, batch)
    return finished(problem, model, loss, metrics)


def liger(problem, case):
    import liger_kernel.chunked_loss as chunked

    names, weights = terms_of(case)
    if case["divergence"] != "reverse_kl" or case["weighting"] or case["ld_alpha"] is not None or case["running_mean"]:
        return None
    if names[0] == "kto":
        return liger_kto(problem, case, chunked)
    if names[1:] not in ([], ["sft"]):
        return None
    nll = {"compute_nll_loss": len(names) > 1}
    alpha = {"alpha": weights[1]} if len(names) > 1 else {}
    common = {"beta": case["beta"], "compiled": False, **nll}
    smoothing = {"label_smoothing": case["label_smoothing"]}
    dpo = {"use_ref_model": case["reference"], "discopop_tau": case["discopop_tau"], **smoothing, **alpha}
    kinds = {
        "cpo": lambda: chunked.LigerFusedLinearCPOLoss(**common, **smoothing, **alpha),
        "simpo": lambda: chunked.LigerFusedLinearSimPOLoss(gamma=case["simpo_gamma"], **common, **smoothing, **alpha),
        "orpo": lambda: chunked.LigerFusedLinearORPOLoss(**common),
        "sigmoid_norm": lambda: chunked.LigerFusedLinearDPOLoss(average_log_prob=True, **common, **dpo),
        **{
            name: partial(chunked.LigerFusedLinearDPOLoss, loss_type=name, **common, **dpo)
            for name in chunked.LigerFusedLinearDPOLoss._SUPPORTED_LOSS_TYPES
        },
    }
    if names[0] not in kinds:
        return None
    loss_of = kinds[names[0]]()
    model, reference = problem.model(torch.float32), problem.model(torch.float32, problem.reference)
    chosen, rejected = problem.halves()
    ids, attention, completion = problem.batch(chosen + rejected)
    states = model.base_model(ids, attention).last_hidden_state[:, :-1]
    target = torch.where(completion == 1, ids, IGNORED)[:, 1:].contiguous()
    arguments = [model.head.weight, states, target]
    if isinstance(loss_of, chunked.LigerFusedLinearDPOLoss) and case["reference"]:
        arguments += [None, reference.base_model(ids, attention).last_hidden_state[:, :-1].detach(), reference.head.weight, None]
    loss, (chosen_logps, rejected_logps, chosen_logits, rejected_logits, nll_loss, *rest) = loss_of(*arguments)
    metrics = {
        "logps/chosen": chosen_logps.mean().item(), "logps/rejected": rejected_logps.mean().item(), "logits/chosen": chosen_logits.item(),
        "logits/rejected": rejected_logits.item(), "rewards/chosen": rest[0].mean().item(), "rewards/rejected": rest[1].mean().item(),
    }  # fmt: skip
    return finished(problem, model, loss, metrics)


def liger_kto(problem, case, chunked):
    model, reference = problem.model(torch.float32), problem.model(torch.float32, problem.reference)
    ids, attention, completion = problem.batch(range(len(problem.lengths)))
    target = torch.where(completion == 1, ids, IGNORED)[:, 1:].contiguous()
    # It reads an estimate that is already computed and clamped, not the rows from which the estimate is computed.
    loss_of = chunked.LigerFusedLinearKTOLoss(beta=case["beta"], compiled=False, use_ref_model=True)
    loss, (chosen_logps, rejected_logps, *_, chosen, rejected) = loss_of(
        model.base_model(ids, attention).last_hidden_state[:, :-1], model.head.weight, target, None,
        torch.tensor(case["desirable"]).bool(), reference.base_model(ids, attention).last_hidden_state[:, :-1].detach(),
        reference.head.weight, None, torch.tensor(case["kl"]),
    )  # fmt: skip
    count = sum(case["desirable"])
    metrics = {
        "logps/chosen": chosen_logps.item() / count, "logps/rejected": rejected_logps.item() / (len(problem.lengths) - count),
        "rewards/chosen": chosen.item() / count, "rewards/rejected": rejected.item() / (len(problem.lengths) - count),
    }  # fmt: skip
    return finished(problem, model, loss, metrics)


def attempt(run, problem, case):
    """The result of a peer, which may be an exception."""
    try:
        return run(problem, case)
    except Exception as e:
        return {"error": f"{type(e).__name__}: {str(e).split(':')[0]}"}


def optional_modules():
    """TRL 0.28 imports these modules if transformers reports them, which transformers 5 does even if they are absent. The losses use none."""
    for name in ("weave", "weave.trace", "weave.trace.context", "joblib"):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
            continue
        module = types.ModuleType(name)
        module.__spec__, module.__path__ = importlib.machinery.ModuleSpec(name, None), []
        module.EvaluationLogger = module.weave_client_context = None
        sys.modules[name] = module


def main():
    with os.fdopen(os.dup(1), "w") as answer:
        os.dup2(2, 1)
        asked = json.load(sys.stdin)
        problem = Problem(asked["problem"])
        problem.kl_logits = asked["kl_logits"]
        if sys.argv[1] == "liger-kernel":
            version, runs = importlib.metadata.version("liger-kernel"), [liger]
        else:
            optional_modules()
            import trl

            version = trl.__version__
            old = version.startswith("0.")
            runs = [trl_dpo_of_old] if old else [trl_dpo, trl_cpo, trl_orpo, trl_kto, trl_bco]
        results = [[attempt(run, problem, case) for run in runs] for case in asked["cases"]]
        json.dump({"peer": f"{sys.argv[1]} {version}", "results": results}, answer)


if __name__ == "__main__":
    main()
