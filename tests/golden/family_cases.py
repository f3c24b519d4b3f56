"""The models that families.py writes: their configs, how transformers 4 spells these, and what each of them is there to show.

A mechanism is a part of a model's definition, with a change that removes it or computes it in another way. The change must show in the
logits, so that a test of the logits fails if a reader has the part wrong. Sizes are neither powers of two nor multiples of 8. Epsilons
are large, because the usual ones change too little.
"""

import copy
import re
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from transformers import (
    CONFIG_MAPPING,
    Gemma2Config,
    Gemma3TextConfig,
    GPT2Config,
    GPTNeoXConfig,
    GraniteConfig,
    LlamaConfig,
    MistralConfig,
    Olmo2Config,
    Olmo3Config,
    Phi3Config,
    Qwen2Config,
    Qwen3Config,
    SmolLM3Config,
    Starcoder2Config,
)

TOKENS = {"vocab_size": 61, "max_position_embeddings": 64, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
SMALL = {"hidden_size": 24, "intermediate_size": 14, "num_attention_heads": 3, "num_key_value_heads": 1}
EPSILON = {"rms_norm_eps": 0.03}
NORM_WEIGHT = r"(norm|ln_\w+)\.weight$"
ROPE = {"rope_type": "default", "rope_theta": 100.0}


@dataclass
class Change:
    """Changes a config or a loaded model. share: how much of the usual threshold the change of the logits must exceed."""

    config: Callable = lambda values: values
    model: Callable = lambda model: None
    share: float = 1.0


@dataclass
class Case:
    name: str
    config: object
    seed: int
    mechanisms: dict
    spell: dict = field(default_factory=dict)  # keys of config-4.json; None removes a key
    rename: Callable = lambda name: name  # names of tensors in the file
    extra: Callable = lambda config: {}  # tensors in the file that are not parameters
    neutral_norm: float = 1.0  # the weight of a norm that changes nothing
    is_cacheable: bool = True  # whether generation with a key cache chooses the tokens of one without


def is_norm(name):
    return re.search(NORM_WEIGHT, name) is not None


def version_4(values, spell):
    """The config as transformers 4 writes it, without keys that have the family's default, and with the keys of spell."""
    values = copy.deepcopy(values)
    defaults = CONFIG_MAPPING[values["model_type"]]().to_dict()
    rope = values.pop("rope_parameters", None)
    values = {
        key: value
        for key, value in values.items()
        if key in ("model_type", "architectures", "hidden_size") or key not in defaults or value != defaults[key]
    }
    values["torch_dtype"] = values.pop("dtype")
    values["transformers_version"] = "4.46.0"
    if rope is not None and "full_attention" not in rope:
        values.update(rope_4(dict(rope)))
    for key, value in spell.items():
        if value is None:
            values.pop(key, None)
        else:
            values[key] = value
    return values


def rope_4(rope):
    keys = {"rope_theta": rope.pop("rope_theta"), "rope_scaling": None}
    if "partial_rotary_factor" in rope:
        keys["partial_rotary_factor"] = rope.pop("partial_rotary_factor")
    if rope["rope_type"] != "default":
        keys["rope_scaling"] = rope
    return keys


def with_config(share=1.0, **changes):
    """Other values of keys. A key with two underscores is one of an object: rope_parameters__factor."""

    def change(values):
        for key, value in changes.items():
            *parents, last = key.split("__")
            inner = values
            for parent in parents:
                inner = inner[parent]
            inner[last] = value
        return values

    return Change(config=change, share=share)


def with_weights(pattern, edit):
    """Other values of the parameters that match: a number, or a function of the parameter."""

    def change(model):
        found = [parameter for name, parameter in model.named_parameters() if re.search(pattern, name)]
        assert found, pattern
        for parameter in found:
            parameter.copy_(edit(parameter) if callable(edit) else torch.full_like(parameter, edit))

    return Change(model=change)


def with_modules(pattern, replace):
    """Another module in the place of those that match."""

    def change(model):
        found = [name for name, _ in model.named_modules() if re.search(pattern, name)]
        assert found, pattern
        for name in found:
            model.set_submodule(name, replace(model.get_submodule(name)))

    return Change(model=change)


def without(pattern):
    return with_modules(pattern, lambda module: torch.nn.Identity())


def with_buffer(pattern, value):
    def change(model):
        found = [buffer for name, buffer in model.named_buffers() if re.search(pattern, name)]
        assert found, pattern
        for buffer in found:
            buffer.fill_(value)

    return Change(model=change)


class NormPerHead(torch.nn.Module):
    """A norm over the whole width, applied to each head instead."""

    def __init__(self, norm, heads):
        super().__init__()
        self.norm, self.heads = norm, heads

    def forward(self, x):
        parts = x.unflatten(-1, (self.heads, -1))
        rms = (parts.pow(2).mean(-1, keepdim=True) + self.norm.variance_epsilon).sqrt()
        return (parts / rms).flatten(-2) * self.norm.weight


class NormWithoutMean(torch.nn.Module):
    """A LayerNorm that does not subtract the mean."""

    def __init__(self, norm):
        super().__init__()
        self.norm = norm

    def forward(self, x):
        return torch.nn.functional.rms_norm(x, self.norm.normalized_shape, self.norm.weight, self.norm.eps) + self.norm.bias


def rope(**parameters):
    """Other rotary parameters."""
    return with_config(rope_parameters={**ROPE, **parameters})


def window(size):
    """Without a window, and with windows of the sizes beside the right one."""
    return {
        "window": with_config(sliding_window=60),
        "window, not one less": with_config(sliding_window=size - 1),
        "window, not one more": with_config(sliding_window=size + 1),
    }


def transpose(parameter):
    return parameter.T.clone()


def heads_last(parameter):
    """Rows of q, k and v of each of three heads, as if all rows of q came first."""
    return parameter.unflatten(0, (3, 3, -1)).transpose(0, 1).flatten(0, 2)


NORMS = {
    "weights of norms": with_weights(NORM_WEIGHT, 1.0),
    "epsilon": with_config(rms_norm_eps=1e-6),
}
LAYER_NORMS = {
    "weights of norms": with_weights(NORM_WEIGHT, 1.0),
    "biases of norms": with_weights(r"(norm|ln_\w+)\.bias$", 0.0),
    "mean of norms": with_modules(r"(norm|ln_\w+)$", NormWithoutMean),
}
GATED = {"silu, not gelu": with_config(hidden_act="gelu")}
Q_AND_K_NORM = {"norm of q": without(r"\.q_norm$"), "norm of k": without(r"\.k_norm$")}
OLMO = {
    **Q_AND_K_NORM,
    "norm of q over the whole width": with_modules(r"\.q_norm$", lambda norm: NormPerHead(norm, 3)),
    "norm after attention": without(r"\.post_attention_layernorm$"),
    "norm after mlp": without(r"\.post_feedforward_layernorm$"),
}
GEMMA = {
    "weights of norms": with_weights(NORM_WEIGHT, 0.0),
    "1 + w": with_weights(NORM_WEIGHT, lambda w: w - 1),
    "epsilon": with_config(rms_norm_eps=1e-6),
    "norm before attention": without(r"\.input_layernorm$"),
    "norm after attention": without(r"\.post_attention_layernorm$"),
    "norm before mlp": without(r"\.pre_feedforward_layernorm$"),
    "norm after mlp": without(r"\.post_feedforward_layernorm$"),
    "scale of the embedding": with_buffer(r"embed_scale$", 1.0),
    "query scale": with_config(query_pre_attn_scalar=10),
    "gelu, not silu": with_config(hidden_activation="silu"),
    # The two functions differ by less than 5e-4 everywhere.
    "gelu by tanh, not erf": with_config(share=0.02, hidden_activation="gelu"),
}


def llama(name, seed, parameters, mechanisms, spell=None, is_cacheable=True, **sizes):
    """One layer with scaled rotary positions: what else a Llama has is in llama-bias."""
    config = LlamaConfig(
        **{**TOKENS, **SMALL, **EPSILON, "head_dim": 12, "num_hidden_layers": 1, "tie_word_embeddings": True, **sizes},
        rope_parameters={**ROPE, **parameters},
    )
    return Case(name, config, seed, {"scaling": rope(), **mechanisms}, spell or {}, is_cacheable=is_cacheable)


def llama_cases():
    config = LlamaConfig(
        **TOKENS, **EPSILON, hidden_size=35, intermediate_size=11, num_hidden_layers=2, num_attention_heads=7, num_key_value_heads=1,
        head_dim=6, attention_bias=True, mlp_bias=True, rope_parameters=dict(ROPE),
    )  # fmt: skip
    biases = {f"bias of {part}": with_weights(rf"\.{part}_proj\.bias$", 0.0) for part in ("q", "k", "v", "o", "gate", "up", "down")}
    theta = {"theta": rope(rope_theta=10000.0)}
    scaling = {"rope_type": "llama3", "factor": 6.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
    scaling["original_max_position_embeddings"] = 32
    yarn = {"rope_type": "yarn", "factor": 3.0, "original_max_position_embeddings": 32}
    mscale = {**yarn, "factor": 4.0, "truncate": False, "beta_fast": 3.0, "beta_slow": 0.5, "mscale": 2.0, "mscale_all_dim": 0.5}
    without_mscale = {key: value for key, value in mscale.items() if not key.startswith("mscale")}
    return [
        Case("llama-bias", config, 100, {**NORMS, **GATED, **biases, **theta}),
        llama(
            "llama-linear", 110, {"rope_type": "linear", "factor": 2.5}, {"factor": rope(rope_type="linear", factor=4.0)},
            spell={"rope_scaling": {"type": "linear", "factor": 2.5}},
        ),
        # Sequences of up to 8 tokens have theta itself. A longer one has a larger base for all of its positions. Cached keys keep the
        # rotation of the step that made them, so generation reads the whole text again for every token.
        llama(
            "llama-dynamic", 121, {"rope_type": "dynamic", "factor": 2.5}, {"factor": rope(rope_type="dynamic", factor=4.0)},
            spell={"rope_scaling": {"type": "dynamic", "factor": 2.5}}, is_cacheable=False, max_position_embeddings=8,
        ),
        llama(
            "llama-llama3", 132, scaling,
            {
                "not linear": rope(rope_type="linear", factor=6.0),
                "low_freq_factor": rope(**{**scaling, "low_freq_factor": 2.0}),
                "high_freq_factor": rope(**{**scaling, "high_freq_factor": 8.0}),
                "original length": rope(**{**scaling, "original_max_position_embeddings": 16}),
            },
        ),
        llama(
            "llama-yarn", 141, yarn,
            {
                "factor of cosine and sine": rope(**yarn, attention_factor=1.0),
                "truncate": rope(**yarn, truncate=False),
                "beta_slow": rope(**yarn, beta_slow=3.0),
                "original length": rope(**{**yarn, "original_max_position_embeddings": 64}),
            },
        ),
        llama(
            "llama-yarn-mscale", 150, mscale,
            {
                "mscale": rope(**without_mscale),
                "truncate": rope(**{**mscale, "truncate": True}),
                "beta_fast": rope(**{**mscale, "beta_fast": 32.0}),
                "beta_slow": rope(**{**mscale, "beta_slow": 1.0}),
            },
        ),
        llama(
            "llama-yarn-factor", 160, {**yarn, "attention_factor": 0.7},
            {"attention_factor": rope(**yarn)},
        ),
    ]  # fmt: skip


def like_llama_cases():
    mistral = MistralConfig(**TOKENS, **SMALL, **EPSILON, head_dim=10, num_hidden_layers=2, sliding_window=5, rope_parameters=dict(ROPE))
    seven = {"hidden_size": 28, "intermediate_size": 14, "num_attention_heads": 7, "num_key_value_heads": 1}
    # use_sliding_window is false by default, and sliding_window is then ignored.
    qwen2 = Qwen2Config(**TOKENS, **seven, **EPSILON, num_hidden_layers=2, tie_word_embeddings=True, rope_parameters=dict(ROPE))
    windows = {"use_sliding_window": True, "sliding_window": 5, "max_window_layers": 1}
    qwen2_window = Qwen2Config(**TOKENS, **SMALL, **EPSILON, **windows, num_hidden_layers=3, rope_parameters=dict(ROPE))
    qwen3 = Qwen3Config(
        **TOKENS, **SMALL, **EPSILON, head_dim=10, num_hidden_layers=2, tie_word_embeddings=True, rope_parameters=dict(ROPE),
    )  # fmt: skip
    smollm3 = SmolLM3Config(**TOKENS, **SMALL, **EPSILON, num_hidden_layers=4, no_rope_layers=[1, 0, 1, 0], rope_parameters=dict(ROPE))
    olmo2 = Olmo2Config(**TOKENS, **SMALL, **EPSILON, num_hidden_layers=2, rope_parameters=dict(ROPE))
    # Published files have this theta. From a file of transformers 4, transformers 5 reads no other for layers with a window.
    base = {"rope_type": "default", "rope_theta": 500000.0}
    yarn = {**base, "rope_type": "yarn", "factor": 3.0, "original_max_position_embeddings": 32}
    olmo3 = Olmo3Config(
        **TOKENS, **SMALL, **EPSILON, num_hidden_layers=4, sliding_window=5,
        rope_parameters={"full_attention": yarn, "sliding_attention": base},
    )  # fmt: skip
    granite = GraniteConfig(
        **TOKENS, **SMALL, **EPSILON, num_hidden_layers=2, tie_word_embeddings=True, rope_parameters=dict(ROPE),
        embedding_multiplier=5.0, attention_multiplier=0.6, residual_multiplier=0.5, logits_scaling=3.0,
    )  # fmt: skip
    theta = {"theta": rope(rope_theta=10000.0)}
    biases = {f"bias of {part}": with_weights(rf"\.{part}_proj\.bias$", 0.0) for part in "qkv"}
    return [
        Case("mistral", mistral, 202, {**NORMS, **GATED, **theta, **window(5)}),
        Case("qwen2", qwen2, 210, {**NORMS, **GATED, **theta, **biases}, {"sliding_window": 5, "layer_types": None}),
        Case(
            "qwen2-window", qwen2_window, 221,
            {
                **NORMS, **theta, **biases, **window(5),
                "layer without window": with_config(layer_types=["sliding_attention"] * 3),
                "layers with window": with_config(layer_types=["full_attention"] * 2 + ["sliding_attention"]),
            },
            {"layer_types": None},
        ),
        Case("qwen3", qwen3, 231, {**NORMS, **GATED, **theta, **Q_AND_K_NORM}, {"layer_types": None}),
        Case(
            "smollm3", smollm3, 240,
            {
                **NORMS, **GATED, **theta,
                "layers without rope": with_config(no_rope_layers=[1, 1, 1, 1]),
                "layers with rope": with_config(no_rope_layers=[0, 0, 0, 0]),
            },
            {"layer_types": None, "no_rope_layers": None, "no_rope_layer_interval": 2},
        ),
        Case("olmo2", olmo2, 250, {**NORMS, **GATED, **theta, **OLMO}),
        Case(
            "olmo3", olmo3, 270,
            {
                **NORMS, **GATED, **OLMO, **window(5),
                "theta of windows": with_config(rope_parameters__sliding_attention__rope_theta=100.0),
                "theta without window": with_config(rope_parameters__full_attention__rope_theta=100.0),
                "scaling without window": with_config(rope_parameters__full_attention=base),
                "no scaling of windows": with_config(rope_parameters__sliding_attention=yarn),
                "layer without window": with_config(layer_types=["sliding_attention"] * 4),
            },
            {
                "layer_types": None, "rope_theta": 500000.0,
                "rope_scaling": {"rope_type": "yarn", "factor": 3.0, "original_max_position_embeddings": 32},
            },
        ),
        Case(
            "granite", granite, 260,
            {
                **NORMS, **GATED, **theta,
                "embedding_multiplier": with_config(embedding_multiplier=1.0),
                "attention_multiplier": with_config(attention_multiplier=8**-0.5),
                "residual_multiplier": with_config(residual_multiplier=1.0),
                "logits_scaling": with_config(logits_scaling=1.0),
            },
        ),
    ]  # fmt: skip


def gemma_cases():
    sizes = {**SMALL, **EPSILON, "head_dim": 10, "query_pre_attn_scalar": 20, "sliding_window": 5}
    caps = {"attn_logit_softcapping": 1.5, "final_logit_softcapping": 2.0}
    gemma2 = Gemma2Config(**TOKENS, **sizes, **caps, num_hidden_layers=3, rope_parameters=dict(ROPE))
    scaled = {"rope_type": "linear", "rope_theta": 1000.0, "factor": 4.0}
    gemma3 = Gemma3TextConfig(
        **TOKENS, **sizes, num_hidden_layers=6, rope_parameters={"full_attention": scaled, "sliding_attention": dict(ROPE)}
    )
    return [
        Case(
            "gemma2", gemma2, 301,
            {
                **GEMMA, **window(5),
                "theta": rope(rope_theta=10000.0),
                "cap of scores": with_config(attn_logit_softcapping=None),
                "cap of logits": with_config(final_logit_softcapping=None),
                "layer without window": with_config(layer_types=["sliding_attention"] * 3),
            },
            {"layer_types": None},
            neutral_norm=0.0,
        ),
        Case(
            "gemma3", gemma3, 310,
            {
                **GEMMA, **Q_AND_K_NORM, **window(5),
                "theta of windows": with_config(rope_parameters__sliding_attention__rope_theta=1000.0),
                "theta without window": with_config(rope_parameters__full_attention__rope_theta=100.0),
                "scaling without window": with_config(rope_parameters__full_attention__factor=1.0),
                "layer without window": with_config(layer_types=["sliding_attention"] * 6),
            },
            {
                "layer_types": None, "_sliding_window_pattern": None, "sliding_window_pattern": 6, "rope_theta": 1000.0,
                "rope_local_base_freq": 100.0, "rope_scaling": {"rope_type": "linear", "factor": 4.0},
            },
            neutral_norm=0.0,
        ),
    ]  # fmt: skip


def phi3_cases():
    window_config = Phi3Config(**TOKENS, **SMALL, **EPSILON, num_hidden_layers=2, sliding_window=5, rope_parameters=dict(ROPE))
    long = {
        **ROPE, "rope_type": "longrope", "partial_rotary_factor": 0.75, "short_factor": [1.0, 1.5, 2.0], "long_factor": [1.2, 3.0, 5.0],
        "original_max_position_embeddings": 12,
    }  # fmt: skip
    # Of 24 / 3 = 8 elements of a head, 6 are rotated. Sequences of up to 12 tokens have the short factors, longer ones the long factors.
    config = Phi3Config(
        **{**TOKENS, **SMALL, **EPSILON}, num_hidden_layers=2, tie_word_embeddings=True, rope_parameters=long,
        original_max_position_embeddings=12,
    )  # fmt: skip
    rotated = {"short_factor": [1.0, 1.5, 2.0, 2.0], "long_factor": [1.2, 3.0, 5.0, 5.0], "partial_rotary_factor": 1.0}
    gate_first = {"gate before up": with_weights(r"gate_up_proj\.weight$", lambda w: w.roll(14, 0))}
    return [
        Case("phi3", window_config, 400, {**NORMS, **GATED, **window(5), **gate_first, "theta": rope(rope_theta=10000.0)}),
        Case(
            "phi3-longrope", config, 410,
            {
                **NORMS, **gate_first,
                "partial rotation": with_config(rope_parameters={**long, **rotated}),
                "short factors": with_config(rope_parameters__short_factor=[1.0, 1.0, 1.0]),
                "long factors": with_config(rope_parameters__long_factor=[1.0, 1.5, 2.0]),
                "factor of cosine and sine": with_config(rope_parameters__attention_factor=1.0),
            },
            {"rope_scaling": {"type": "longrope", "short_factor": long["short_factor"], "long_factor": long["long_factor"]}},
        ),
    ]  # fmt: skip


def gpt2_masks(config):
    """Causal masks, which published files of GPT-2 have beside the weights."""
    mask = torch.ones(1, 1, config.n_positions, config.n_positions).tril()
    return {f"h.{layer}.attn.bias": mask.clone() for layer in range(config.n_layer)}


def gpt2_cases():
    sizes = {"vocab_size": 61, "n_positions": 24, "n_embd": 21, "n_head": 3, "n_layer": 2, "layer_norm_epsilon": 0.03}
    tokens = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0}
    parts = {
        **LAYER_NORMS,
        "epsilon": with_config(layer_norm_epsilon=1e-6),
        "positions": with_weights(r"wpe\.weight$", 0.0),
        "transposed matrices": with_weights(r"attn\.c_proj\.weight$", transpose),
        # The bias of k changes nothing: it adds the same to all scores of a query.
        "bias of q and v": with_weights(r"attn\.c_attn\.bias$", 0.0),
        "bias of attention's output": with_weights(r"attn\.c_proj\.bias$", 0.0),
        "bias of c_fc": with_weights(r"c_fc\.bias$", 0.0),
        "bias of mlp's output": with_weights(r"mlp\.c_proj\.bias$", 0.0),
        "gelu, not silu": with_config(activation_function="silu"),
    }
    gelu = {"gelu by tanh, not erf": with_config(share=0.02, activation_function="gelu")}
    published = {"attn_pdrop": 0.1, "resid_pdrop": 0.1, "embd_pdrop": 0.1}
    scale = {"scale of a layer": with_config(scale_attn_by_inverse_layer_idx=False)}
    return [
        Case("gpt2", GPT2Config(**sizes, **tokens, n_inner=17), 500, {**parts, **gelu}),
        # As openai-community/gpt2 is published: names without "transformer.", and masks. Inner width 4 n_embd, a head of its own, and
        # scores divided by the number of the layer.
        Case(
            "gpt2-published",
            GPT2Config(**{**sizes, **tokens, **published, "n_embd": 12}, scale_attn_by_inverse_layer_idx=True, tie_word_embeddings=False),
            510, {**parts, **scale},
            rename=lambda name: name.removeprefix("transformer."), extra=gpt2_masks,
        ),
    ]  # fmt: skip


def neox_case(name, seed, mechanisms, spell, **traits):
    config = GPTNeoXConfig(
        **TOKENS, hidden_size=24, intermediate_size=14, num_attention_heads=3, num_hidden_layers=2, layer_norm_eps=0.03,
        rope_parameters={**ROPE, "partial_rotary_factor": 0.5}, **traits,
    )  # fmt: skip
    parts = {
        **LAYER_NORMS,
        "epsilon": with_config(layer_norm_eps=1e-6),
        "partial rotation": with_config(rope_parameters__partial_rotary_factor=1.0),
        "theta": with_config(rope_parameters__rope_theta=10000.0),
        "rows of q, k and v by head": with_weights(r"query_key_value\.weight$", heads_last),
        "biases of the mlp": with_weights(r"dense_\w+\.bias$", 0.0),
        "gelu, not silu": with_config(hidden_act="silu"),
    }
    keys = {"rotary_emb_base": 100.0, "rotary_pct": 0.5, "rope_theta": None, "partial_rotary_factor": None}
    return Case(name, config, seed, {**parts, **mechanisms}, {**keys, **spell}, rename=lambda name: name.replace("lm_head", "embed_out"))


def neox_cases():
    biases = {
        "bias of q, k and v": with_weights(r"query_key_value\.bias$", 0.0),
        "bias of attention's output": with_weights(r"attention\.dense\.bias$", 0.0),
        "rows of biases by head": with_weights(r"query_key_value\.bias$", heads_last),
        "gelu by erf, not tanh": with_config(share=0.02, hidden_act="gelu_new"),
        "parallel residual": with_config(use_parallel_residual=False),
    }
    serial = {"serial residual": with_config(use_parallel_residual=True)}
    return [
        neox_case("gpt-neox", 603, biases, {}),
        neox_case("gpt-neox-serial", 611, serial, {}, use_parallel_residual=False, attention_bias=False, hidden_act="gelu_new"),
    ]


def starcoder2_case(name, seed, mechanisms, **traits):
    config = Starcoder2Config(**TOKENS, **SMALL, norm_epsilon=0.03, num_hidden_layers=2, rope_parameters=dict(ROPE), **traits)
    parts = {
        **LAYER_NORMS,
        "epsilon": with_config(norm_epsilon=1e-6),
        "norm before attention": without(r"\.input_layernorm$"),
        "norm before mlp": without(r"\.post_attention_layernorm$"),
        "theta": rope(rope_theta=10000.0),
        "gelu, not silu": with_config(hidden_act="silu"),
    }
    return Case(name, config, seed, {**parts, **mechanisms})


def starcoder2_cases():
    biases = {f"bias of {part}": with_weights(rf"\.{part}\.bias$", 0.0) for part in ("q_proj", "k_proj", "v_proj", "o_proj", "c_fc", "c_proj")}
    tanh = {"gelu by tanh, not erf": with_config(share=0.02, hidden_act="gelu")}
    erf = {"gelu by erf, not tanh": with_config(share=0.02, hidden_act="gelu_pytorch_tanh")}
    traits = {"use_bias": False, "head_dim": 10, "hidden_act": "gelu", "tie_word_embeddings": False}
    return [
        starcoder2_case("starcoder2", 626, {**biases, **tanh, **window(5)}, sliding_window=5),
        starcoder2_case("starcoder2-no-bias", 631, {**erf, "no window": with_config(sliding_window=5)}, **traits),
    ]


def even_cases():
    """Sizes that are multiples of 8, as those of most published models are."""
    even = {"head_dim": 16, "intermediate_size": 16, "num_hidden_layers": 2}
    original = {"original_max_position_embeddings": 32}
    llama3 = {"rope_type": "llama3", "factor": 6.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, **original}
    yarn = {"rope_type": "yarn", "factor": 3.0, **original}
    smollm3 = SmolLM3Config(
        **{**TOKENS, **SMALL, **EPSILON, "intermediate_size": 16}, num_hidden_layers=5, rope_parameters=dict(ROPE),
    )  # fmt: skip
    sizes = {**TOKENS, **SMALL, **EPSILON, "intermediate_size": 16, "num_hidden_layers": 2}
    mistral = MistralConfig(**sizes, head_dim=16, sliding_window=None, rope_parameters=dict(ROPE))
    phi3 = Phi3Config(**sizes, rope_parameters=dict(ROPE))
    granite = GraniteConfig(
        **sizes, tie_word_embeddings=True, rope_parameters=dict(ROPE),
        embedding_multiplier=0.5, attention_multiplier=0.6, residual_multiplier=0.5, logits_scaling=0.7,
    )  # fmt: skip
    gpt2 = GPT2Config(
        vocab_size=61, n_positions=24, n_embd=32, n_head=2, n_layer=2, n_inner=16, layer_norm_epsilon=0.03,
        pad_token_id=0, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    return [
        Case("even-gpt2", gpt2, 770, {"transposed matrices": with_weights(r"attn\.c_proj\.weight$", transpose)}),
        llama("even-llama-linear", 700, {"rope_type": "linear", "factor": 2.5}, {}, **even),
        llama("even-llama-llama3", 710, llama3, {}, **even),
        llama("even-llama-yarn", 720, yarn, {}, **even),
        # Without rope every fourth layer, as in the published model.
        Case(
            "even-smollm3", smollm3, 730, {"layers without rope": with_config(no_rope_layers=[1] * 5)},
            {"layer_types": None, "no_rope_layers": None},
        ),
        # As Mistral 7B v0.3 and Phi-4 have it: no window, and all elements of a head rotated.
        Case("even-mistral", mistral, 740, {"window": with_config(sliding_window=5)}),
        Case("even-phi3", phi3, 750, {"gate before up": with_weights(r"gate_up_proj\.weight$", lambda w: w.roll(16, 0))}),
        # The multipliers of embedding and residuals are equal, which is the same as other epsilons.
        Case(
            "even-granite", granite, 761,
            {
                "embedding_multiplier": with_config(embedding_multiplier=1.0),
                "attention_multiplier": with_config(attention_multiplier=8**-0.5),
                "residual_multiplier": with_config(residual_multiplier=1.0),
                "epsilon": with_config(residual_multiplier=1.0, embedding_multiplier=1.0),
                "logits_scaling": with_config(logits_scaling=1.0),
            },
        ),
    ]  # fmt: skip


CASES = [*llama_cases(), *like_llama_cases(), *gemma_cases(), *phi3_cases(), *gpt2_cases(), *neox_cases(), *starcoder2_cases(), *even_cases()]
