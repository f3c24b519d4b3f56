"""Writes trl_training.json: training runs of TRL's DPOTrainer, step by step.

    python trl_training.py [WORD ...]      needs requirements-peers.txt; WORD: only cases with this word in their name

A case names options of DPOTrainer; TrlTrainingTest gives the same options to dpo4j and compares. TRL's trainer, loss, optimizer, schedule,
gradient accumulation and metrics are unchanged. Four things are replaced:
    rows    token ids, as in a file for dpo4j, because tokenisation is tested elsewhere
    order   that of dpo4j (shuffle.py), because the two shuffle differently with the same seed
    width   float64: TRL's fused head and the RMSNorm of transformers compute in float32 for every dtype of the model, and are widened here.
            Rotary angles stay float32, as transformers computes them for every model
    longrope  transformers chooses the rotary frequencies of a batch by its longest sequence, dpo4j those of each sequence by its own length,
            as transformers does for a batch of one

Every case also runs in float32, as TRL does for its users: once with the weights as they are, and twice with each weight moved at random to
a neighbouring float32 number or not at all. The largest distance of these three from the float64 run is committed as "noise". It estimates
the float32 error of this case for any order of summation, and the test derives its tolerance from it.

If dpo4j differs from TRL on purpose, "instead" names options with which TRL computes the numbers that dpo4j documents, "as_given" holds TRL's
numbers with the unchanged options, and "differs" names the metrics that must not be equal.
"""

import json
import os
import sys
import tempfile

import numpy
import torch
from datasets import Dataset
from peft import PeftConfig, PeftModel
from safetensors.torch import load_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast, PrinterCallback
from transformers.models.gemma2 import modeling_gemma2
from transformers.models.gemma3 import modeling_gemma3
from transformers.models.gpt2 import modeling_gpt2
from transformers.models.gpt_neox import modeling_gpt_neox
from transformers.models.granite import modeling_granite
from transformers.models.llama import modeling_llama
from transformers.models.mistral import modeling_mistral
from transformers.models.olmo2 import modeling_olmo2
from transformers.models.olmo3 import modeling_olmo3
from transformers.models.phi3 import modeling_phi3
from transformers.models.qwen2 import modeling_qwen2
from transformers.models.qwen3 import modeling_qwen3
from transformers.models.smollm3 import modeling_smollm3
from transformers.models.starcoder2 import modeling_starcoder2
from trl import DPOConfig, DPOTrainer
from trl.kernels import chunked_logprob
from trl.trainer import dpo_trainer

from shuffle import order

HERE = os.path.dirname(os.path.abspath(__file__))
SEED = 42
VOCABULARY = 37
ROWS, EVAL_ROWS = 13, 5
WEIGHTS_STRIDE = 41  # of each tensor, every 41st weight is committed: it divides no width, so all columns are among them
EXACT = {"step", "learning_rate", "epoch", "num_tokens"}
ALL_LOSSES = (
    "sigmoid", "hinge", "ipo", "exo_pair", "nca_pair", "robust", "bco_pair", "sppo_hard", "aot", "aot_unpaired", "apo_zero", "apo_down",
    "discopop", "sft", "sigmoid_norm",
)  # fmt: skip
# TRL averages these over the micro-batches of a line of metrics, dpo4j over its tokens.
TOKEN_MEANS = ["logits/chosen", "logits/rejected", "entropy", "mean_token_accuracy"]
# The losses aot sort log-ratios of a micro-batch. Only with long steps does that order differ from the order of the pairs.
SORTED = {"learning_rate": 1e-2, "per_device_train_batch_size": 8}
MODELS = (
    modeling_gemma2, modeling_gemma3, modeling_gpt2, modeling_gpt_neox, modeling_granite, modeling_llama, modeling_mistral, modeling_olmo2,
    modeling_olmo3, modeling_phi3, modeling_qwen2, modeling_qwen3, modeling_smollm3, modeling_starcoder2,
)  # fmt: skip
# Directories of families/, for each family one, and longrope.
FAMILIES = (
    "llama-llama3", "mistral", "qwen2", "qwen3", "smollm3", "phi3", "phi3-longrope", "olmo2", "granite", "gemma2", "gemma3", "gpt2", "gpt-neox",
    "starcoder2", "olmo3",
)  # fmt: skip
# Directories of adapters/, whose B is not 0: TRL trains the adapter on, with a copy of it as the reference.
ADAPTERS = ("qwen2", "phi3", "gpt2")
# A bias of keys adds the same to all scores of a query, except in elements that are rotated. So its gradient is 0 but for rounding, which
# Adam divides by its own size. The tensors with these names are not compared; nothing else depends on such a bias.
ROUNDING = ("attn.c_attn.bias", "attention.query_key_value.bias")
BASE = {"learning_rate": 1e-3, "per_device_train_batch_size": 4, "max_steps": 10}


def case(name, model="llama-tiny-untied", without=(), instead=None, differs=(), **options):
    return {
        "name": name, "model": model, "options": {**BASE, **options}, "without": list(without), "instead": instead, "differs": list(differs),
    }  # fmt: skip


def cases():
    for loss in ALL_LOSSES:
        smoothing = {"label_smoothing": 0.1} if loss in ("exo_pair", "robust") else {}
        rewards = ["rewards/chosen", "rewards/rejected", "rewards/accuracies", "rewards/margins"] if loss == "sft" else []
        # The derivative of discopop changes sign within discopop_tau = 0.05 of a margin of 0: long steps amplify errors of earlier steps.
        pace = {"aot": SORTED, "aot_unpaired": SORTED, "discopop": {"learning_rate": 3e-4}}.get(loss, {})
        yield case(loss, without=rewards, loss_type=[loss], **smoothing, **pace)
    accumulation = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 3, "rows": 12}
    yield case(
        "aot with smoothing, accumulation", without=TOKEN_MEANS, loss_type=["aot"], label_smoothing=0.1, learning_rate=1e-2,
        per_device_train_batch_size=6, gradient_accumulation_steps=2, rows=12,
    )  # fmt: skip
    yield case("discopop of another temperature", loss_type=["discopop"], discopop_tau=0.2, beta=0.3)
    yield case("sigmoid, sft", loss_type=["sigmoid", "sft"], loss_weights=[1.0, 0.5])
    yield case("MPO", loss_type=["sigmoid", "bco_pair", "sft"], loss_weights=[0.8, 0.2, 1.0])
    yield case("three losses, accumulation", without=TOKEN_MEANS, loss_type=["sigmoid", "ipo", "apo_zero"], **accumulation)
    for loss in ("sigmoid", "ipo", "sigmoid_norm"):
        yield case(f"LD-DPO, {loss}", loss_type=[loss], ld_alpha=0.4)
    for loss in ("sigmoid", "apo_zero"):
        yield case(f"WPO, {loss}", loss_type=[loss], use_weighting=True)
    yield case("WPO, sigmoid and bco_pair", loss_type=["sigmoid", "bco_pair"], loss_weights=[1.0, 0.25], use_weighting=True)
    for loss, divergence in (
        ("sigmoid", "forward_kl"), ("sigmoid", "js_divergence"), ("sigmoid", "alpha_divergence"), ("sigmoid_norm", "js_divergence"),
        ("ipo", "forward_kl"), ("ipo", "alpha_divergence"), ("hinge", "js_divergence"), ("exo_pair", "forward_kl"), ("robust", "alpha_divergence"),
        ("discopop", "js_divergence"),
    ):  # fmt: skip
        smoothing = {"label_smoothing": 0.1} if loss in ("exo_pair", "robust") else {}
        alpha = {"f_alpha_divergence_coef": 0.4} if divergence == "alpha_divergence" else {}
        yield case(f"{divergence}, {loss}", loss_type=[loss], f_divergence_type=divergence, **smoothing, **alpha)
    yield case(
        "decay, warm-up, cosine, accumulation, clipping", model="llama-tiny", without=TOKEN_MEANS, weight_decay=0.1, warmup_steps=3,
        lr_scheduler_type="cosine", max_grad_norm=0.5, **accumulation,
    )  # fmt: skip
    yield case(
        "three ragged epochs, warm-up", model="llama-tiny", per_device_train_batch_size=5, max_steps=-1, num_train_epochs=3.0, warmup_steps=2,
    )  # fmt: skip
    yield case("a fraction of an epoch, constant", max_steps=-1, num_train_epochs=2.5, lr_scheduler_type="constant", beta=0.5)
    yield case(
        "betas and epsilon, no clipping, constant_with_warmup", model="llama-tiny", adam_beta1=0.8, adam_beta2=0.95, adam_epsilon=1e-5,
        weight_decay=0.01, max_grad_norm=0.0, lr_scheduler_type="constant_with_warmup", warmup_steps=4,
    )  # fmt: skip
    yield case("lines of two steps", model="llama-tiny", without=TOKEN_MEANS, logging_steps=2, rows=12)
    yield case("evaluation", model="llama-tiny", eval_strategy="steps", eval_steps=5, per_device_eval_batch_size=5)
    yield case("TR-DPO", learning_rate=1e-2, sync_ref_model=True, ref_model_sync_steps=3, ref_model_mixup_alpha=0.4)
    for mode in ("keep_start", "keep_end"):
        yield case(mode, max_length=7, truncation_mode=mode)
    yield case(
        "differs: a ragged step weighs every pair alike", model="llama-tiny", gradient_accumulation_steps=2, max_steps=6,
        instead={"per_device_train_batch_size": 8, "gradient_accumulation_steps": 1}, differs=["loss", "grad_norm", "logps/chosen", "entropy"],
    )  # fmt: skip
    yield case(
        "differs: sft weighs every token of a step alike", loss_type=["sigmoid", "sft"], loss_weights=[1.0, 0.5], **accumulation,
        instead={"per_device_train_batch_size": 6, "gradient_accumulation_steps": 1}, differs=["loss", "grad_norm"],
    )  # fmt: skip
    # TRL's sigmoid ignores label_smoothing e. With l = -log sigmoid(m) and r = -log sigmoid(-m), robust is ((1-e) l - e r) / (1-2e), so that
    # 2(1-e) l - (1-2e) robust = (1-e) l + e r: conservative DPO.
    yield case(
        "differs: sigmoid reads label_smoothing", label_smoothing=0.1,
        instead={"loss_type": ["sigmoid", "robust"], "loss_weights": [1.8, -0.8]}, differs=["loss", "grad_norm"],
    )  # fmt: skip
    yield case(
        "differs: metrics of an evaluation are means over all its pairs", max_steps=4, eval_strategy="steps", eval_steps=2,
        per_device_eval_batch_size=2, instead={"per_device_eval_batch_size": EVAL_ROWS}, differs=["eval_logps/chosen", "eval_entropy"],
    )  # fmt: skip
    for family in FAMILIES:
        yield case(f"family {family}", model=f"families/{family}")
    for adapter in ADAPTERS:
        yield case(f"adapter {adapter}", model=f"adapters/{adapter}")


def rows(count, seed):
    """Pairs of random ids: prompts of 1 to 8, completions of 1 to 10."""
    random = numpy.random.RandomState(seed)
    sizes = [(random.randint(1, 9), random.randint(1, 11), random.randint(1, 11)) for _ in range(count)]
    return [
        {f"{part}_ids": random.randint(3, VOCABULARY, size).tolist() for part, size in zip(("prompt", "chosen", "rejected"), each)}
        for each in sizes
    ]


class InOrder(torch.utils.data.Sampler):
    """Rows in dpo4j's order: each iteration is the next epoch."""

    def __init__(self, count):
        self.count, self.epoch = count, 0

    def __len__(self):
        return self.count

    def __iter__(self):
        self.epoch += 1
        return iter(order(self.count, SEED, self.epoch - 1))


class Trainer(DPOTrainer):
    def _prepare_dataset(self, dataset, processing_class, args, dataset_name):
        """The rows are ids already, so only the last filter remains."""
        if args.max_length is None or args.truncation_mode != "keep_start":
            return dataset
        return dataset.filter(lambda row: len(row["prompt_ids"]) < args.max_length)

    def _get_train_sampler(self, train_dataset=None):
        return InOrder(len(self.train_dataset))


class Widened:
    """A torch for a module that always computes in float32: with it the module computes in float64."""

    float32 = torch.float64

    def __getattr__(self, name):
        return getattr(torch, name)


def widen():
    torch.set_default_dtype(torch.float64)
    narrow = torch.Tensor.float
    torch.Tensor.float = lambda tensor: tensor.double() if tensor.is_floating_point() else narrow(tensor)
    for module in (chunked_logprob, dpo_trainer, *MODELS):
        module.torch = Widened()


def rotate_each_by_its_length():
    """Phi-3 gets the frequencies of each sequence as if it were alone. Rows are padded on the right."""
    decoder, rotary = modeling_phi3.Phi3Model, modeling_phi3.Phi3RotaryEmbedding
    decode, rotate = decoder.forward, rotary.forward

    def decode_and_measure(self, input_ids=None, attention_mask=None, **others):
        assert attention_mask[:, 0].all()
        self.rotary_emb.lengths = attention_mask.sum(1).tolist()
        return decode(self, input_ids=input_ids, attention_mask=attention_mask, **others)

    def rotate_each(self, x, position_ids):
        each = [rotate(self, x, position_ids[:1].clamp(max=length - 1)) for length in self.lengths]
        return tuple(torch.cat(parts) for parts in zip(*each, strict=True))

    decoder.forward, rotary.forward = decode_and_measure, rotate_each


def tokenizer():
    words = Tokenizer(WordLevel({str(i): i for i in range(VOCABULARY)}, unk_token="0"))
    return PreTrainedTokenizerFast(tokenizer_object=words, pad_token="0", eos_token="2")


def weights_of(model):
    """The trained ones, by their names in a saved file."""
    file = "adapter_model.safetensors" if isinstance(model, PeftModel) else "model.safetensors"
    with tempfile.TemporaryDirectory() as output:
        model.save_pretrained(output)
        return {name: tensor.double() for name, tensor in load_file(os.path.join(output, file)).items()}


def load(directory, dtype):
    """A model, or an adapter with its base model, whose path is one from this directory on."""
    if not os.path.exists(os.path.join(directory, "adapter_config.json")):
        return AutoModelForCausalLM.from_pretrained(directory, dtype=dtype)
    base = os.path.join(HERE, PeftConfig.from_pretrained(directory).base_model_name_or_path)
    model = AutoModelForCausalLM.from_pretrained(base, dtype=dtype)
    return PeftModel.from_pretrained(model, directory, is_trainable=True, autocast_adapter_dtype=False).to(dtype)


def run(directory, dtype, options, train_rows, eval_rows):
    """Lines of training, lines of evaluation, weights before, weights after."""
    options = {name: value for name, value in options.items() if name != "on_bad_row"}
    train_rows = train_rows[: options.pop("rows", len(train_rows))]
    model = load(directory, dtype)
    before = weights_of(model)
    evaluates = "eval_strategy" in options
    with tempfile.TemporaryDirectory() as output:
        args = DPOConfig(**{
            "output_dir": output, "seed": SEED, "bf16": False, "use_cpu": True, "gradient_checkpointing": False, "report_to": "none",
            "save_strategy": "no", "disable_tqdm": True, "optim": "adamw_torch", "logging_steps": 1, "max_length": None, **options,
        })  # fmt: skip
        trainer = Trainer(
            model=model, args=args, processing_class=tokenizer(), train_dataset=Dataset.from_list(train_rows),
            eval_dataset=Dataset.from_list(eval_rows) if evaluates else None,
        )  # fmt: skip
        trainer.remove_callback(PrinterCallback)
        trainer.train()
    history = trainer.state.log_history
    lines = [line for line in history if "loss" in line]
    eval_lines = [line for line in history if "eval_loss" in line]
    return lines, eval_lines, before, weights_of(model)


def columns(lines, digits=10):
    """The numbers of all lines, by name."""
    names = [name for name in lines[0] if not name.endswith(("_runtime", "_per_second", "eval_num_tokens"))] if lines else []
    return {name: [line[name] if name in EXACT else float(f"{line[name]:.{digits}g}") for line in lines] for name in names}


def moves(before, after):
    return {name: (after[name] - before[name]).norm().item() for name in before}


def neighbours(directory, seed, output):
    """The model with every weight one float32 number higher, one lower, or unchanged."""
    model = load(directory, torch.float32)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            way = torch.randint(-1, 2, parameter.shape, generator=generator).float()
            parameter.copy_(torch.where(way == 0, parameter, torch.nextafter(parameter, parameter + way)))
    if isinstance(model, PeftModel):
        base = model.peft_config["default"].base_model_name_or_path = output + "-base"
        model.save_pretrained(output)
        model.unload().save_pretrained(base)
    else:
        model.save_pretrained(output)
    return output


def largest_distance(runs, expected):
    """The largest distance between the lines of these runs and the expected ones, by name."""
    return {
        name: float(f"{max(abs(a - b) for run in runs for a, b in zip(run[name], values, strict=True)):.3g}")
        for name, values in expected.items()
        if name not in EXACT
    }


def finished(each, exact, narrow, as_given):
    """The JSON of a case, from its run in float64, those in float32, and the one of its options as given."""
    lines, eval_lines, before, after = exact
    expected = {**columns(lines), **{name: v for name, v in columns(eval_lines).items() if name not in EXACT}}
    others = [{**columns(run[0], 17), **columns(run[1], 17)} for run in narrow]
    result = {**{key: each[key] for key in ("name", "model", "options", "without")}, "expected": expected}
    if each["differs"]:
        given = {**columns(as_given[0]), **columns(as_given[1])}
        result.update(instead=each["instead"], as_given={name: given[name] for name in each["differs"]})
    result["noise"] = largest_distance(others, expected)
    names = [name for name in after if not name.endswith(ROUNDING)]
    result["weights"] = {name: [float(f"{w:.9g}") for w in after[name].flatten()[::WEIGHTS_STRIDE].tolist()] for name in names}
    result["weights_noise"] = max((run[3][name] - after[name]).abs().max().item() for run in narrow for name in names)
    expected_moves = {name: move for name, move in moves(before, after).items() if name in names}
    result["moves"] = {name: float(f"{move:.10g}") for name, move in expected_moves.items()}
    result["moves_noise"] = {
        name: float(f"{max(abs(moves(run[2], run[3])[name] - move) for run in narrow):.3g}") for name, move in expected_moves.items()
    }  # fmt: skip
    return result


def check_order(each, lines, train_rows):
    """num_tokens shows whether TRL has read the rows of dpo4j, in the same order."""
    options = {**each["options"], **(each["instead"] or {})}
    longest_prompt = options["max_length"] - 1 if options.get("truncation_mode") == "keep_start" else 1000
    kept = [row for row in train_rows[: options.get("rows", ROWS)] if len(row["prompt_ids"]) <= longest_prompt]
    size = options["per_device_train_batch_size"] * options.get("gradient_accumulation_steps", 1)
    longest = options.get("max_length", 1000)
    lengths = [sum(min(longest, len(row["prompt_ids"]) + len(row[f"{side}_ids"])) for side in ("chosen", "rejected")) for row in kept]
    every, total, read = options.get("logging_steps", 1), 0, []
    for epoch in range(20):
        ordered = order(len(kept), SEED, epoch)
        for begin in range(0, len(kept), size):
            total += sum(lengths[row] for row in ordered[begin : begin + size])
            read.append(total)
    assert [line["num_tokens"] for line in lines] == read[every - 1 :: every][: len(lines)], each["name"]


def computed(selected, train_rows, eval_rows):
    """The finished cases by name. All runs in float32 come first, because widen cannot be undone."""
    with tempfile.TemporaryDirectory() as folder:
        variants = {}
        for model in {each["model"] for each in selected}:
            source = os.path.join(HERE, model)
            variants[model] = [source, *(neighbours(source, seed, os.path.join(folder, f"{os.path.basename(model)}-{seed}")) for seed in (1, 2))]
        narrow = [
            [run(path, torch.float32, {**c["options"], **(c["instead"] or {})}, train_rows, eval_rows) for path in variants[c["model"]]]
            for c in selected
        ]  # fmt: skip
        widen()
        results = {}
        for each, noisy in zip(selected, narrow):
            path = variants[each["model"]][0]
            exact = run(path, torch.float64, {**each["options"], **(each["instead"] or {})}, train_rows, eval_rows)
            check_order(each, exact[0], train_rows)
            as_given = run(path, torch.float64, each["options"], train_rows, eval_rows) if each["differs"] else None
            results[each["name"]] = finished(each, exact, noisy, as_given)
            print(each["name"], results[each["name"]]["expected"]["loss"], flush=True)
        return results


def main():
    torch.set_num_threads(1)
    rotate_each_by_its_length()
    path = os.path.join(HERE, "trl_training.json")
    train_rows, eval_rows = rows(ROWS, 7), rows(EVAL_ROWS, 8)
    words = sys.argv[1:]
    everything = list(cases())
    selected = [each for each in everything if not words or any(word in each["name"] for word in words)]
    results = computed(selected, train_rows, eval_rows)
    if len(selected) < len(everything):
        with open(path) as file:
            results = {**{each["name"]: each for each in json.load(file)["cases"]}, **results}
    results = [results[each["name"]] for each in everything if each["name"] in results]
    losses = {each["name"]: tuple(each["expected"]["loss"]) for each in results}
    assert len({losses.get(loss, loss) for loss in ALL_LOSSES}) == len(ALL_LOSSES), "two losses are the same in all steps"
    with open(path, "w") as file:
        file.write(json.dumps({"weights_stride": WEIGHTS_STRIDE, "rows": train_rows, "eval_rows": eval_rows, "cases": results}))
        file.write("\n")


if __name__ == "__main__":
    main()
