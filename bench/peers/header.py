"""What the scripts here call of native/dpo4j.h: types and fields are read from the header itself."""
import ctypes
import pathlib
import re

HEADER = (pathlib.Path(__file__).parents[2] / "native" / "dpo4j.h").read_text()

FUNCTIONS = (
    "dpo4j_abi_version",
    "dpo4j_cpu_isa_best",
    "dpo4j_cpu_context_create",
    "dpo4j_error_text",
    "dpo4j_token_logprob_forward",
    "dpo4j_token_logprob_backward",
)

TYPES = {"int32_t": ctypes.c_int32, "int64_t": ctypes.c_int64, "float": ctypes.c_float, "const char*": ctypes.c_char_p}


def load(path):
    """The library, its functions typed as declared. Refused where it was built from another version of the header."""
    library = ctypes.CDLL(path)
    for name in FUNCTIONS:
        result, arguments = re.search(rf"DPO4J_API (int32_t|const char\*) {name}\(([^)]*)\);", HEADER).groups()
        function = getattr(library, name)
        function.restype = TYPES[result]
        function.argtypes = [] if arguments == "void" else [type_of(argument) for argument in arguments.split(",")]
    version, expected = library.dpo4j_abi_version(), int(re.search(r"#define DPO4J_ABI_VERSION (\d+)", HEADER)[1])
    if version != expected:
        raise RuntimeError(f"{path} has version {version} of dpo4j.h, which is at version {expected} here: build the library anew")
    return library


def struct(name):
    """The ctypes.Structure of a struct of the header."""
    body = re.search(rf"typedef struct {name} {{\n(.*?)\n}} {name};", HEADER, re.S)[1]
    fields = [(field, type_of(kind)) for kind, field in re.findall(r"^  ([a-z][\w *]*[ *])(\w+);", body, re.M)]
    return type(name, (ctypes.Structure,), {"_fields_": fields})


def type_of(declaration):
    """Addresses of any type are one type here: the arrays of a context are typed by its dtype."""
    if "*" in declaration:
        return ctypes.c_void_p
    kind = declaration.split()[0]
    return TYPES[kind] if kind in TYPES else struct(kind)
