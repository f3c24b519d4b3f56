// The stand-in libcublasLt: handles, descriptors, heuristics, and products of fp32 and bf16 matrices with fp32 accumulation. It refuses
// what the library refuses, with the same status. What it refuses only because it is not emulated, it names on stderr.
#include "cublaslt.h"

#include <stdio.h>
#include <string.h>

#include <algorithm>

#include "cublas_status.h"
#include "gemm.h"

// A descriptor starts with a mark of its type. It fits in the opaque struct that callers may allocate themselves and initialise here.
struct cublasLtMatmulDesc {
  static constexpr uint64_t kMark = 0x6473656d74616d31;
  static constexpr size_t kOpaqueBytes = 256;
  uint64_t mark;
  int32_t compute_type, scale_type, pointer_mode, transpose_a, transpose_b, transpose_c;
  uint32_t epilogue;
  const void* bias;
  int32_t invariance;
};

struct cublasLtMatrixLayout {
  static constexpr uint64_t kMark = 0x74756f79616c6d32;
  static constexpr size_t kOpaqueBytes = 64;
  uint64_t mark;
  uint32_t type;
  int32_t order;
  uint64_t rows, columns;
  int64_t ld;
  int32_t batches;
};

struct cublasLtMatmulPreference {
  static constexpr uint64_t kMark = 0x65636e6572656633;
  static constexpr size_t kOpaqueBytes = 64;
  uint64_t mark;
  uint64_t workspace_bytes;
  uint32_t search_mode, reduction_schemes;
  uint32_t alignments[4];  // of a, b, c, d
};

struct cublasLtContext {};

namespace {

template <class T>
constexpr bool fits = sizeof(T) <= T::kOpaqueBytes;
static_assert(fits<cublasLtMatmulDesc> && fits<cublasLtMatrixLayout> && fits<cublasLtMatmulPreference>, "CUDA 13's opaque structs");

constexpr size_t kWorkspaceBytes = 64 << 10;  // an algorithm uses so much, if the preference allows it
constexpr uint32_t kMaxAccess = 16;           // no algorithm needs a larger alignment of operands
constexpr uint64_t kWorkspaceAlignment = 256;

cublasStatus_t not_emulated(const char* what, long long value) {
  fprintf(stderr, "cuBLASLt stand-in: %s %lld is not emulated\n", what, value);
  return CUBLAS_STATUS_NOT_SUPPORTED;
}

cublasStatus_t invalid(const char* why) {
  fprintf(stderr, "cuBLASLt stand-in: invalid value: %s\n", why);
  return CUBLAS_STATUS_INVALID_VALUE;
}

template <class T>
bool is_valid(const T* descriptor) {
  return descriptor != nullptr && descriptor->mark == T::kMark;
}

template <class T>
cublasStatus_t make(T** descriptor, const T& value) {
  if (descriptor == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  *descriptor = new T(value);
  dpo4j_standin_add_handle(*descriptor, "cublasLt descriptor");
  return CUBLAS_STATUS_SUCCESS;
}

template <class T>
cublasStatus_t initialise(T* descriptor, size_t bytes, const T& value) {
  if (descriptor == nullptr || bytes < sizeof(T)) return CUBLAS_STATUS_INVALID_VALUE;
  *descriptor = value;
  return CUBLAS_STATUS_SUCCESS;
}

template <class T>
cublasStatus_t destroy(T* descriptor) {
  if (descriptor == nullptr) return CUBLAS_STATUS_SUCCESS;
  if (!dpo4j_standin_remove_handle(descriptor, "cublasLt descriptor")) return invalid("a descriptor that is not live is destroyed");
  descriptor->mark = 0;
  delete descriptor;
  return CUBLAS_STATUS_SUCCESS;
}

// Sets a whole attribute; its size must match.
template <class T>
cublasStatus_t set(T* attribute, const void* value, size_t bytes) {
  if (value == nullptr || bytes != sizeof(T)) return invalid("an attribute of another size");
  memcpy(attribute, value, sizeof(T));
  return CUBLAS_STATUS_SUCCESS;
}

bool is_type(int64_t type) { return type == CUDA_R_32F || type == CUDA_R_16BF; }

cublasLtMatmulDesc matmul_description(int32_t compute_type, int32_t scale_type) {
  return {cublasLtMatmulDesc::kMark,
          compute_type,
          scale_type,
          CUBLASLT_POINTER_MODE_HOST,
          CUBLAS_OP_N,
          CUBLAS_OP_N,
          CUBLAS_OP_N,
          CUBLASLT_EPILOGUE_DEFAULT,
          nullptr,
          CUBLASLT_BATCH_INVARIANCE_UNSET};
}

cublasLtMatrixLayout matrix_layout(uint32_t type, uint64_t rows, uint64_t columns, int64_t ld) {
  return {cublasLtMatrixLayout::kMark, type, CUBLASLT_ORDER_COL, rows, columns, ld, 1};
}

cublasLtMatmulPreference matmul_preference() { return {cublasLtMatmulPreference::kMark, 0, 0, ~0u, {256, 256, 256, 256}}; }

// ---- what is computed
// ---------------------------------------------------------------------------------------------------------------------

struct Product {
  const cublasLtMatmulDesc* desc;
  const cublasLtMatrixLayout *a, *b, *c, *d;
  int64_t m, n, k;
};

uint64_t leading_rows(const cublasLtMatrixLayout& layout) { return layout.order == CUBLASLT_ORDER_COL ? layout.rows : layout.columns; }

size_t bytes_of(const cublasLtMatrixLayout& layout) {
  const uint64_t lines = layout.order == CUBLASLT_ORDER_COL ? layout.columns : layout.rows;
  const size_t element = layout.type == CUDA_R_32F ? 4 : 2;
  return ((lines - 1) * static_cast<uint64_t>(layout.ld) + leading_rows(layout)) * element;
}

Matrix matrix(const void* elements, const cublasLtMatrixLayout& layout, bool transpose) {
  const bool columns_apart = (layout.order == CUBLASLT_ORDER_COL) != transpose;
  return {const_cast<void*>(elements), layout.type == CUDA_R_16BF, columns_apart ? 1 : layout.ld, columns_apart ? layout.ld : 1};
}

cublasStatus_t check_layout(const cublasLtMatrixLayout* layout) {
  if (!is_valid(layout)) return invalid("a matrix layout that is not live");
  if (layout->order != CUBLASLT_ORDER_COL && layout->order != CUBLASLT_ORDER_ROW) return not_emulated("matrix order", layout->order);
  if (layout->batches != 1) return not_emulated("batch count", layout->batches);
  if (layout->rows == 0 || layout->columns == 0) return invalid("a matrix without elements");
  if (layout->ld < 0 || static_cast<uint64_t>(layout->ld) < leading_rows(*layout)) return invalid("a leading dimension too small");
  return CUBLAS_STATUS_SUCCESS;
}

// All fp32, or bf16 operands with a result of either type: the combinations that cuBLASLt supports with fp32 accumulation.
cublasStatus_t check_types(const Product& product) {
  const cublasLtMatmulDesc& desc = *product.desc;
  if (desc.compute_type != CUBLAS_COMPUTE_32F && desc.compute_type != CUBLAS_COMPUTE_32F_PEDANTIC) {
    return not_emulated("compute type", desc.compute_type);
  }
  if (desc.scale_type != CUDA_R_32F) return CUBLAS_STATUS_NOT_SUPPORTED;
  if (desc.pointer_mode != CUBLASLT_POINTER_MODE_HOST) return not_emulated("pointer mode", desc.pointer_mode);
  if (desc.transpose_c != CUBLAS_OP_N) return CUBLAS_STATUS_NOT_SUPPORTED;
  if (desc.epilogue != CUBLASLT_EPILOGUE_DEFAULT && desc.epilogue != CUBLASLT_EPILOGUE_BIAS) return not_emulated("epilogue", desc.epilogue);
  const uint32_t a = product.a->type, b = product.b->type, c = product.c->type, d = product.d->type;
  if (a != b || c != d || (a == CUDA_R_32F && d != CUDA_R_32F)) return CUBLAS_STATUS_NOT_SUPPORTED;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t describe(Product* product, const cublasLtMatmulDesc* desc, const cublasLtMatrixLayout* a, const cublasLtMatrixLayout* b,
                        const cublasLtMatrixLayout* c, const cublasLtMatrixLayout* d) {
  if (!is_valid(desc)) return invalid("a matmul descriptor that is not live");
  for (const cublasLtMatrixLayout* layout : {a, b, c, d}) {
    const cublasStatus_t status = check_layout(layout);
    if (status != CUBLAS_STATUS_SUCCESS) return status;
  }
  const uint64_t m = desc->transpose_a == CUBLAS_OP_N ? a->rows : a->columns,
                 a_depth = desc->transpose_a == CUBLAS_OP_N ? a->columns : a->rows;
  const uint64_t n = desc->transpose_b == CUBLAS_OP_N ? b->columns : b->rows,
                 b_depth = desc->transpose_b == CUBLAS_OP_N ? b->rows : b->columns;
  if (a_depth != b_depth) return invalid("a and b differ in the dimension they share");
  if (d->rows != m || d->columns != n || c->rows != m || c->columns != n) return invalid("c or d is not of the product's shape");
  if (c->order != d->order) return CUBLAS_STATUS_NOT_SUPPORTED;
  *product = {desc, a, b, c, d, static_cast<int64_t>(m), static_cast<int64_t>(n), static_cast<int64_t>(a_depth)};
  return check_types(*product);
}

// ---- algorithms
// ---------------------------------------------------------------------------------------------------------------------------

// The result of a heuristic. It is valid for products of one kind, of any size, whose addresses and leading dimensions have at least the
// given alignments. As with the library, it decides in which order an element is summed: backwards if it was chosen for at most kFewColumns
// columns of an untransposed b. So a caller whose algorithm depends on the size of a product has bits that do.
struct Algorithm {
  static constexpr uint64_t kMark = 0x6d687469726f6734;
  uint64_t mark, kind, workspace_bytes;
  uint32_t alignments[4];
  uint32_t is_backwards;
};
constexpr int64_t kFewColumns = 64;
static_assert(sizeof(Algorithm) <= sizeof(cublasLtMatmulAlgo_t), "an algorithm fits its opaque struct");

// All that the choice of an algorithm depends on, except sizes: one digit each.
uint64_t kind_of(const Product& product) {
  const cublasLtMatmulDesc& desc = *product.desc;
  uint64_t kind = 0;
  const auto add = [&kind](uint64_t digit) { kind = kind * 128 + digit; };
  for (int32_t value : {desc.compute_type, desc.transpose_a, desc.transpose_b}) add(static_cast<uint64_t>(value));
  add(desc.epilogue);
  for (const cublasLtMatrixLayout* layout : {product.a, product.b, product.d}) {
    add(layout->type * 2 + static_cast<uint64_t>(layout->order));
  }
  return kind;
}

uint64_t line_bytes(const cublasLtMatrixLayout& layout) { return static_cast<uint64_t>(layout.ld) * (layout.type == CUDA_R_32F ? 4 : 2); }

bool sums_backwards(const Product& product) { return product.desc->transpose_b == CUBLAS_OP_N && product.n <= kFewColumns; }

// The same matrix with its columns, or rows, in reverse.
Matrix reversed_columns(const Matrix& matrix, int64_t columns) {
  const int64_t last = (columns - 1) * matrix.column_step * (matrix.bf16 ? 2 : 4);
  return {static_cast<char*>(matrix.elements) + last, matrix.bf16, matrix.row_step, -matrix.column_step};
}
Matrix reversed_rows(const Matrix& matrix, int64_t rows) {
  const int64_t last = (rows - 1) * matrix.row_step * (matrix.bf16 ? 2 : 4);
  return {static_cast<char*>(matrix.elements) + last, matrix.bf16, -matrix.row_step, matrix.column_step};
}

// The max alignment, in bytes, at which every line of the matrix starts.
uint32_t line_alignment(const cublasLtMatrixLayout& layout, uint32_t address_alignment) {
  uint32_t alignment = std::min(address_alignment, kMaxAccess);
  while (line_bytes(layout) % alignment != 0) alignment /= 2;
  return alignment;
}

cublasStatus_t check_algorithm(const Product& product, const Algorithm& algorithm, const void* const operands[4], void* workspace,
                               size_t workspace_bytes, size_t* used_workspace_bytes) {
  if (algorithm.mark != Algorithm::kMark) return invalid("an algorithm that no heuristic returned");
  if (algorithm.kind != kind_of(product)) return invalid("an algorithm that was chosen for another kind of product");
  if (workspace_bytes < algorithm.workspace_bytes) return invalid("a workspace smaller than the algorithm's");
  const cublasLtMatrixLayout* const layouts[] = {product.a, product.b, product.c, product.d};
  for (int i = 0; i < 4; i++) {
    const uint32_t alignment = algorithm.alignments[i];
    if (reinterpret_cast<uintptr_t>(operands[i]) % alignment != 0 || line_bytes(*layouts[i]) % alignment != 0) {
      fprintf(stderr, "cuBLASLt stand-in: operand %c is less aligned than it was when the algorithm was chosen\n", "abcd"[i]);
      return CUBLAS_STATUS_NOT_SUPPORTED;
    }
  }
  if (algorithm.workspace_bytes == 0) return CUBLAS_STATUS_SUCCESS;
  if (workspace == nullptr) return invalid("no workspace for an algorithm that wants one");
  if (!dpo4j_standin_touch(workspace, algorithm.workspace_bytes, "cublasLtMatmul workspace")) return CUBLAS_STATUS_EXECUTION_FAILED;
  *used_workspace_bytes = algorithm.workspace_bytes;
  return CUBLAS_STATUS_SUCCESS;
}

bool overlap(const void* a, size_t a_bytes, const void* b, size_t b_bytes) {
  const uintptr_t a_start = reinterpret_cast<uintptr_t>(a), b_start = reinterpret_cast<uintptr_t>(b);
  return a_start < b_start + b_bytes && b_start < a_start + a_bytes;
}

}  // namespace

// ---- library
// ------------------------------------------------------------------------------------------------------------------------------

DPO4J_STANDIN size_t cublasLtGetVersion() { return dpo4j_standin_cublaslt_version(); }
DPO4J_STANDIN size_t cublasLtGetCudartVersion() { return 13010; }
DPO4J_STANDIN const char* cublasLtGetStatusName(cublasStatus_t status) { return cublas_status_name(status); }
DPO4J_STANDIN const char* cublasLtGetStatusString(cublasStatus_t status) { return cublas_status_text(status); }

DPO4J_STANDIN cublasStatus_t cublasLtCreate(cublasLtContext** handle) {
  if (handle == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  *handle = new cublasLtContext;
  dpo4j_standin_add_handle(*handle, "cublasLt");
  return CUBLAS_STATUS_SUCCESS;
}

DPO4J_STANDIN cublasStatus_t cublasLtDestroy(cublasLtContext* handle) {
  if (!dpo4j_standin_remove_handle(handle, "cublasLt")) return CUBLAS_STATUS_NOT_INITIALIZED;
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}

// ---- descriptors
// --------------------------------------------------------------------------------------------------------------------------

DPO4J_STANDIN cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc** desc, int32_t compute_type, int32_t scale_type) {
  return make(desc, matmul_description(compute_type, scale_type));
}
DPO4J_STANDIN cublasStatus_t cublasLtMatmulDescInit_internal(cublasLtMatmulDesc* desc, size_t bytes, int32_t compute_type,
                                                             int32_t scale_type) {
  return initialise(desc, bytes, matmul_description(compute_type, scale_type));
}
DPO4J_STANDIN cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc* desc) { return destroy(desc); }

DPO4J_STANDIN cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc* desc, int32_t attribute, const void* value, size_t bytes) {
  if (!is_valid(desc)) return invalid("a matmul descriptor that is not live");
  const auto set_transpose = [&](int32_t* transpose) {
    int32_t operation;
    const cublasStatus_t status = set(&operation, value, bytes);
    if (status != CUBLAS_STATUS_SUCCESS) return status;
    if (operation < CUBLAS_OP_N || operation > CUBLAS_OP_C) return invalid("a transpose that is none");
    *transpose = operation;
    return CUBLAS_STATUS_SUCCESS;
  };
  switch (attribute) {
    case CUBLASLT_MATMUL_DESC_COMPUTE_TYPE:
      return set(&desc->compute_type, value, bytes);
    case CUBLASLT_MATMUL_DESC_SCALE_TYPE:
      return set(&desc->scale_type, value, bytes);
    case CUBLASLT_MATMUL_DESC_POINTER_MODE:
      return set(&desc->pointer_mode, value, bytes);
    case CUBLASLT_MATMUL_DESC_TRANSA:
      return set_transpose(&desc->transpose_a);
    case CUBLASLT_MATMUL_DESC_TRANSB:
      return set_transpose(&desc->transpose_b);
    case CUBLASLT_MATMUL_DESC_TRANSC:
      return set_transpose(&desc->transpose_c);
    case CUBLASLT_MATMUL_DESC_EPILOGUE:
      return set(&desc->epilogue, value, bytes);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
      return set(&desc->bias, value, bytes);
    case CUBLASLT_MATMUL_DESC_BATCH_INVARIANCE_FLAGS: {
      constexpr size_t kSinceVersion = 131000;
      int32_t flags;
      if (dpo4j_standin_cublaslt_version() < kSinceVersion) return invalid("a matmul descriptor attribute of a later version");
      const cublasStatus_t status = set(&flags, value, bytes);
      if (status != CUBLAS_STATUS_SUCCESS) return status;
      if (flags != CUBLASLT_BATCH_INVARIANCE_DISABLED && flags != CUBLASLT_BATCH_INVARIANCE_AUTO) {
        return not_emulated("batch invariance", flags);
      }
      desc->invariance = flags;
      return CUBLAS_STATUS_SUCCESS;
    }
  }
  return not_emulated("matmul descriptor attribute", attribute);
}

DPO4J_STANDIN cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout** layout, uint32_t type, uint64_t rows, uint64_t columns,
                                                        int64_t ld) {
  if (!is_type(type)) return not_emulated("matrix type", type);
  return make(layout, matrix_layout(type, rows, columns, ld));
}
DPO4J_STANDIN cublasStatus_t cublasLtMatrixLayoutInit_internal(cublasLtMatrixLayout* layout, size_t bytes, uint32_t type, uint64_t rows,
                                                               uint64_t columns, int64_t ld) {
  if (!is_type(type)) return not_emulated("matrix type", type);
  return initialise(layout, bytes, matrix_layout(type, rows, columns, ld));
}
DPO4J_STANDIN cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout* layout) { return destroy(layout); }

DPO4J_STANDIN cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout* layout, int32_t attribute, const void* value,
                                                              size_t bytes) {
  if (!is_valid(layout)) return invalid("a matrix layout that is not live");
  switch (attribute) {
    case CUBLASLT_MATRIX_LAYOUT_ORDER:
      return set(&layout->order, value, bytes);
    case CUBLASLT_MATRIX_LAYOUT_ROWS:
      return set(&layout->rows, value, bytes);
    case CUBLASLT_MATRIX_LAYOUT_COLS:
      return set(&layout->columns, value, bytes);
    case CUBLASLT_MATRIX_LAYOUT_LD:
      return set(&layout->ld, value, bytes);
    case CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT:
      return set(&layout->batches, value, bytes);
  }
  return not_emulated("matrix layout attribute", attribute);
}

DPO4J_STANDIN cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference** preference) {
  return make(preference, matmul_preference());
}
DPO4J_STANDIN cublasStatus_t cublasLtMatmulPreferenceInit_internal(cublasLtMatmulPreference* preference, size_t bytes) {
  return initialise(preference, bytes, matmul_preference());
}
DPO4J_STANDIN cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference* preference) { return destroy(preference); }

DPO4J_STANDIN cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference* preference, int32_t attribute,
                                                                  const void* value, size_t bytes) {
  if (!is_valid(preference)) return invalid("a matmul preference that is not live");
  switch (attribute) {
    case CUBLASLT_MATMUL_PREF_SEARCH_MODE:
      return set(&preference->search_mode, value, bytes);
    case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES:
      return set(&preference->workspace_bytes, value, bytes);
    case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK:
      return set(&preference->reduction_schemes, value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES:
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES:
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES:
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES: {
      uint32_t alignment;
      const cublasStatus_t status = set(&alignment, value, bytes);
      if (status != CUBLAS_STATUS_SUCCESS) return status;
      if (alignment == 0) return invalid("an alignment of 0 bytes");
      preference->alignments[attribute - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES] = alignment;
      return CUBLAS_STATUS_SUCCESS;
    }
  }
  return not_emulated("matmul preference attribute", attribute);
}

// ---- products
// -----------------------------------------------------------------------------------------------------------------------------

DPO4J_STANDIN cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtContext* handle, const cublasLtMatmulDesc* desc,
                                                            const cublasLtMatrixLayout* a, const cublasLtMatrixLayout* b,
                                                            const cublasLtMatrixLayout* c, const cublasLtMatrixLayout* d,
                                                            const cublasLtMatmulPreference* preference, int requested,
                                                            cublasLtMatmulHeuristicResult_t results[], int* returned) {
  if (!dpo4j_standin_has_handle(handle, "cublasLt")) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (!is_valid(preference) || requested < 1 || results == nullptr || returned == nullptr) return invalid("a null or empty argument");
  *returned = 0;
  dpo4j_standin_count(kHeuristics);
  if (preference->reduction_schemes & (CUBLASLT_REDUCTION_SCHEME_INPLACE | CUBLASLT_REDUCTION_SCHEME_OUTPUT_TYPE)) {
    dpo4j_standin_count(kUnorderedSums);
  }
  Product product;
  const cublasStatus_t status = describe(&product, desc, a, b, c, d);
  if (status != CUBLAS_STATUS_SUCCESS) return status;
  if (desc->invariance == CUBLASLT_BATCH_INVARIANCE_AUTO) dpo4j_standin_count(kInvariants);
  Algorithm algorithm{
      Algorithm::kMark, kind_of(product), preference->workspace_bytes < kWorkspaceBytes ? 0 : kWorkspaceBytes, {}, sums_backwards(product)};
  const cublasLtMatrixLayout* const layouts[] = {a, b, c, d};
  for (int i = 0; i < 4; i++) algorithm.alignments[i] = line_alignment(*layouts[i], preference->alignments[i]);
  results[0] = {};
  memcpy(&results[0].algo, &algorithm, sizeof algorithm);
  results[0].workspaceSize = algorithm.workspace_bytes;
  results[0].state = CUBLAS_STATUS_SUCCESS;
  results[0].wavesCount = 1;
  *returned = 1;
  return CUBLAS_STATUS_SUCCESS;
}

DPO4J_STANDIN cublasStatus_t cublasLtMatmul(cublasLtContext* handle, const cublasLtMatmulDesc* desc, const void* alpha, const void* a,
                                            const cublasLtMatrixLayout* a_layout, const void* b, const cublasLtMatrixLayout* b_layout,
                                            const void* beta, const void* c, const cublasLtMatrixLayout* c_layout, void* d,
                                            const cublasLtMatrixLayout* d_layout, const cublasLtMatmulAlgo_t* algorithm, void* workspace,
                                            size_t workspace_bytes, cudaStream_t stream) {
  if (!dpo4j_standin_has_handle(handle, "cublasLt")) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (alpha == nullptr || beta == nullptr || a == nullptr || b == nullptr || c == nullptr || d == nullptr) return invalid("a null address");
  Product product;
  cublasStatus_t status = describe(&product, desc, a_layout, b_layout, c_layout, d_layout);
  if (status != CUBLAS_STATUS_SUCCESS) return status;
  if (reinterpret_cast<uintptr_t>(workspace) % kWorkspaceAlignment != 0) return invalid("a workspace not aligned to 256 bytes");
  int device;  // this call fails, like every call, once the device has failed
  if (!dpo4j_standin_is_stream(stream) || cudaGetDevice(&device) != cudaSuccess) return CUBLAS_STATUS_EXECUTION_FAILED;
  size_t used_workspace_bytes = 0;
  bool is_backwards = sums_backwards(product);
  if (algorithm != nullptr) {
    const void* const operands[] = {a, b, c, d};
    Algorithm chosen;
    memcpy(&chosen, algorithm, sizeof chosen);
    status = check_algorithm(product, chosen, operands, workspace, workspace_bytes, &used_workspace_bytes);
    if (status != CUBLAS_STATUS_SUCCESS) return status;
    is_backwards = chosen.is_backwards != 0;
  }
  float alpha_value, beta_value;
  memcpy(&alpha_value, alpha, sizeof alpha_value);
  memcpy(&beta_value, beta, sizeof beta_value);
  const size_t d_bytes = bytes_of(*d_layout);
  if (!dpo4j_standin_touch(a, bytes_of(*a_layout), "cublasLtMatmul a") ||
      !dpo4j_standin_touch(b, bytes_of(*b_layout), "cublasLtMatmul b") || !dpo4j_standin_touch(d, d_bytes, "cublasLtMatmul d") ||
      (beta_value != 0 && !dpo4j_standin_touch(c, bytes_of(*c_layout), "cublasLtMatmul c"))) {
    return CUBLAS_STATUS_SUCCESS;  // as on a device: the launch succeeds, and synchronisation fails
  }
  if (overlap(d, d_bytes, a, bytes_of(*a_layout)) || overlap(d, d_bytes, b, bytes_of(*b_layout))) return invalid("d overlaps a or b");
  if (c == d ? c_layout->ld != d_layout->ld : beta_value != 0 && overlap(d, d_bytes, c, bytes_of(*c_layout))) {
    return invalid("c and d overlap but are not one matrix");
  }
  const void* const bias = desc->epilogue == CUBLASLT_EPILOGUE_BIAS ? desc->bias : nullptr;
  if (desc->epilogue == CUBLASLT_EPILOGUE_BIAS) {
    if (bias == nullptr) return invalid("an epilogue with a bias, and no address of it");
    const size_t bias_bytes = static_cast<size_t>(product.m) * (d_layout->type == CUDA_R_32F ? 4 : 2);
    if (!dpo4j_standin_touch(bias, bias_bytes, "cublasLtMatmul bias")) return CUBLAS_STATUS_SUCCESS;
    if (overlap(d, d_bytes, bias, bias_bytes)) return invalid("d overlaps the bias");
  }
  const Matrix d_matrix = matrix(d, *d_layout, false), c_matrix = matrix(c, *c_layout, false);
  const Matrix forwards_a = matrix(a, *a_layout, desc->transpose_a != CUBLAS_OP_N),
               forwards_b = matrix(b, *b_layout, desc->transpose_b != CUBLAS_OP_N);
  const Matrix a_matrix = is_backwards ? reversed_columns(forwards_a, product.k) : forwards_a,
               b_matrix = is_backwards ? reversed_rows(forwards_b, product.k) : forwards_b;
  const auto multiply = [=, m = product.m, n = product.n, k = product.k] {
    if (!dpo4j_standin_touch(d, d_bytes, "cublasLtMatmul d")) return cudaErrorIllegalAddress;
    if (used_workspace_bytes != 0) memset(workspace, 0xFF, used_workspace_bytes);  // an algorithm overwrites its workspace
    gemm(d_matrix, a_matrix, b_matrix, c_matrix, bias, m, n, k, alpha_value, beta_value);
    return cudaSuccess;
  };
  if (dpo4j_standin_is_capturing(stream)) {
    dpo4j_standin_capture(stream, multiply);
  } else {
    multiply();
  }
  return CUBLAS_STATUS_SUCCESS;
}
