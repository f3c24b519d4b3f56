"""Writes four_bit.json: tensors that bitsandbytes quantises to NF4 and FP4 on the CPU, and the values that it decodes from them.

Elements come from integers that `whole` computes, so that a test need not read them; special cases list theirs. Bytes are hexadecimal, in
the order of memory. `offset` is the mean of the absmax values by torch, whose order of summation is its own, `mean` the exact mean rounded
once to float32.

Where bitsandbytes' codes differ, this is stored: Nested codes of its code in Python, which takes the nearest number; its library for the CPU
looks codes up in a table and takes the second nearest near the middle of two. Codes of FP4 with the sign of the element, as on the GPU; its
code for the CPU confuses 0 and -0. No case depends on how it computes the last, shorter block (on the CPU it divides by the absmax, on the
GPU it multiplies by an approximate 1 / absmax).
"""

import fractions
import hashlib
import json
import os

import numpy as np
import torch

import bitsandbytes as bnb
from bitsandbytes import functional

HERE = os.path.dirname(os.path.abspath(__file__))
LARGE = 512  # of results with more bytes only the SHA-256 is stored


def whole(count, bits):
    """The high bits of a linear congruential sequence, as signed numbers."""
    numbers, state = [], 12345
    for _ in range(count):
        state = (state * 1664525 + 1013904223) % 2**32
        numbers.append((state >> (32 - bits)) - 2 ** (bits - 1))
    return numbers


def elements(count, bits):
    """Every block of 64 has another magnitude."""
    return [float(np.float32(x) * np.float32(2.0 ** (-bits - i // 64 % 5))) for i, x in enumerate(whole(count, bits))]


def whole_bytes(tensor):
    return tensor.contiguous().view(torch.uint8).numpy().tobytes().hex()


def stored(tensor):
    text = whole_bytes(tensor)
    return text if len(text) <= 2 * LARGE else "sha256 " + hashlib.sha256(bytes.fromhex(text)).hexdigest()


def case(name, quant_type, dtype, shape, values=None, bits=24, is_nested=False):
    count = shape[0] * shape[1]
    source = elements(count, bits) if values is None else values
    x = torch.tensor(source, dtype=torch.float32).to(dtype).reshape(shape)
    assert torch.isfinite(x).all() and (values is not None or x.float().flatten().tolist() == source)
    codes, plain = functional.quantize_4bit(x, blocksize=64, compress_statistics=False, quant_type=quant_type)
    _, state = functional.quantize_4bit(x, blocksize=64, compress_statistics=is_nested, quant_type=quant_type)
    if quant_type == "fp4":
        codes = with_signs(codes, x)
    if is_nested:
        distances = plain.absmax - state.offset
        state.absmax, again = torch.ops.bitsandbytes.quantize_blockwise.default(distances.double(), state.state2.code, 256)
        assert torch.equal(again, state.state2.absmax)
    result = {
        "name": name,
        "quant_type": quant_type,
        "dtype": str(dtype).removeprefix("torch."),
        "shape": shape,
        "bits": bits,
        "codes": stored(codes.flatten()),
        "absmax": stored(plain.absmax),
        "float32": stored(decoded(codes, state, torch.float32)),
        "bfloat16": stored(bfloat16(codes, state)),
        "float16": stored(decoded(codes, state, torch.float16)),
    }
    if values is not None:
        result["values"] = whole_bytes(x.float())
    if is_nested:
        exact = sum(map(fractions.Fraction, plain.absmax.tolist())) / len(plain.absmax)
        result["nested"] = {
            "absmax": whole_bytes(plain.absmax),
            "codes": whole_bytes(state.absmax),
            "factors": whole_bytes(state.state2.absmax),
            "offset": whole_bytes(state.offset.reshape(1)),
            "mean": whole_bytes(torch.tensor([float(exact)], dtype=torch.float64).float()),
        }
        assert torch.equal(state.state2.code, functional.create_dynamic_map())
    return result


def with_signs(codes, x):
    """Codes of 0 with the sign of the element."""
    both = torch.stack((codes.flatten() >> 4, codes.flatten() & 15), 1).flatten()
    zero = both % 8 == 0
    both[zero] = (x.flatten()[zero] < 0).to(torch.uint8) * 8
    return (both[::2] << 4 | both[1::2]).reshape(codes.shape)


def decoded(codes, state, dtype):
    """quant_state.dtype is the type of the tensor that was quantised; the values are rounded to it."""
    before = state.dtype
    state.dtype = dtype
    values = functional.dequantize_4bit(codes, state)
    state.dtype = before
    return values + 0.0  # -0 becomes 0: not all of bitsandbytes' maps have it


def bfloat16(codes, state):
    """On processors with avx512_bf16, bitsandbytes turns subnormal numbers into 0."""
    values, exact = decoded(codes, state, torch.bfloat16), decoded(codes, state, torch.float32)
    subnormal = exact.abs() < 2.0**-126
    assert torch.equal(values[~subnormal], exact.to(torch.bfloat16)[~subnormal])
    return torch.where(subnormal, exact.to(torch.bfloat16), values)


def middles(quant_type):
    """A block of 1, and blocks with the numbers halfway between two of the map, and their neighbours."""
    code = functional.get_4bit_type(quant_type, device="cpu").sort().values
    numbers = [1.0]
    for one, two in zip(code[:-1], code[1:]):
        middle = ((one + two) / 2).to(torch.float32)
        numbers += [
            middle.item(),
            torch.nextafter(middle, torch.tensor(2.0)).item(),
            torch.nextafter(middle, torch.tensor(-2.0)).item(),
        ]
    return (numbers + [0.0] * 64)[:64]


def main():
    f32, bf16, f16 = torch.float32, torch.bfloat16, torch.float16
    huge, tiny = float(np.finfo(np.float32).max), float(np.float32(2.0**-149))
    zeros = [0.0] * 64 + [-0.0] * 64 + [0.0, 1.0] * 32
    extremes = [huge, -huge, 1.0, 0.0] * 16 + [tiny, -tiny, 0.0, 2 * tiny] * 16 + [2.0**-126, 2.0**-130, -(2.0**-127), 0.0] * 16
    cases = [
        case("columns that are no multiple of the block", "nf4", f32, [8, 125]),
        case("fp4", "fp4", f32, [8, 125]),
        case("nested", "nf4", f32, [150, 128], is_nested=True),
        case("nested fp4", "fp4", f32, [4, 40], is_nested=True),
        case("bfloat16", "nf4", bf16, [6, 100], bits=8, is_nested=True),
        case("float16", "nf4", f16, [6, 100], bits=8, is_nested=True),
        case("blocks of zeros", "nf4", f32, [3, 64], zeros),
        case("blocks of zeros, nested", "nf4", f32, [3, 64], zeros, is_nested=True),
        case("extremes", "nf4", f32, [3, 64], extremes),
        case("extremes of fp4", "fp4", f32, [3, 64], extremes),
        case("halfway", "nf4", f32, [1, 64], middles("nf4")),
        case("halfway of fp4", "fp4", f32, [1, 64], middles("fp4")),
    ]
    maps = {name: whole_bytes(functional.get_4bit_type(name, device="cpu")) for name in ("nf4", "fp4")}
    with open(os.path.join(HERE, "four_bit.json"), "w") as file:
        json.dump({"maps": maps, "nested_map": whole_bytes(functional.create_dynamic_map()), "cases": cases}, file, indent=1)
        file.write("\n")
    print(bnb.__version__, len(cases))


if __name__ == "__main__":
    main()
