"""The part of native/dpo4j.h that the scripts here call, word for word: a test of bench/device compares it with the header."""
import ctypes
import re

ABI_VERSION = 8

DECLARATIONS = """
int32_t dpo4j_abi_version(void);
int32_t dpo4j_cpu_isa_best(void);
int32_t dpo4j_cpu_context_create(dpo4j_context** context, int32_t threads, int32_t isa);
const char* dpo4j_error_text(const dpo4j_context* context);
int32_t dpo4j_token_logprob_forward(dpo4j_context*, float* logprob, float* lse, float* statistics, const void* logits, const int32_t* targets,
    const int32_t* row_index, const float* bias, int64_t rows, int64_t vocabulary, int64_t logits_stride, float scale, float cap, int32_t dtype);
int32_t dpo4j_token_logprob_backward(dpo4j_context*, void* d_logits, const void* logits, const int32_t* targets, const int32_t* row_index,
    const float* bias, const float* lse, const float* d_logprob, int64_t rows, int64_t vocabulary, int64_t d_logits_stride, int64_t logits_stride,
    float scale, float cap, int32_t d_logits_dtype, int32_t dtype);
"""

TYPES = {"int32_t": ctypes.c_int32, "int64_t": ctypes.c_int64, "float": ctypes.c_float, "const char*": ctypes.c_char_p}


def load(path):
    """The library, its functions typed as declared. Refused where its header was another version's."""
    library = ctypes.CDLL(path)
    for result, name, arguments in re.findall(r"(int32_t|const char\*) (\w+)\(([^)]*)\);", DECLARATIONS):
        function = getattr(library, name)
        function.restype = TYPES[result]
        function.argtypes = [] if arguments == "void" else [type_of(argument) for argument in arguments.split(",")]
    version = library.dpo4j_abi_version()
    if version != ABI_VERSION:
        raise RuntimeError(f"{path} has version {version} of dpo4j.h, the declarations in {__file__} are of {ABI_VERSION}: build the library anew, "
                           "or bring the declarations up to date")
    return library


def type_of(argument):
    """Addresses of any type are one type here: the arrays of a context are typed by its dtype."""
    return ctypes.c_void_p if "*" in argument else TYPES[argument.split()[0]]
