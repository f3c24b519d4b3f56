// Tests the stand-in cuBLASLt: compares products of every transpose, order and type with double precision, and checks what it refuses.
// Exits 0 if every check holds.
#include "../standin/cublaslt.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "../include/cuda_bf16.h"

namespace {

int failures = 0;

#define CHECK(condition) \
  if (!(condition)) printf("line %d: %s does not hold\n", __LINE__, #condition), failures++

template <class T>
void set(cublasLtMatmulDesc* desc, cublasLtMatmulDescAttributes_t attribute, T value) {
  CHECK(cublasLtMatmulDescSetAttribute(desc, attribute, &value, sizeof value) == CUBLAS_STATUS_SUCCESS);
}

template <class T>
void set(cublasLtMatrixLayout* layout, cublasLtMatrixLayoutAttribute_t attribute, T value) {
  CHECK(cublasLtMatrixLayoutSetAttribute(layout, attribute, &value, sizeof value) == CUBLAS_STATUS_SUCCESS);
}

// A matrix on the device in row-major or column-major order. Its leading dimension is 3 larger than necessary.
struct Operand {
  cublasLtMatrixLayout* layout = nullptr;
  void* elements = nullptr;
  bool bf16, row_order;
  int64_t rows, columns, ld;

  Operand(bool bf16, bool row_order, int64_t rows, int64_t columns) : bf16(bf16), row_order(row_order), rows(rows), columns(columns) {
    ld = (row_order ? columns : rows) + 3;
    CHECK(cublasLtMatrixLayoutCreate(&layout, bf16 ? CUDA_R_16BF : CUDA_R_32F, rows, columns, ld) == CUBLAS_STATUS_SUCCESS);
    if (row_order) set(layout, CUBLASLT_MATRIX_LAYOUT_ORDER, int32_t{CUBLASLT_ORDER_ROW});
    CHECK(cudaMalloc(&elements, static_cast<size_t>((row_order ? rows : columns) * ld) * (bf16 ? 2 : 4)) == cudaSuccess);
    for (int64_t i = 0; i < rows; i++) {
      for (int64_t j = 0; j < columns; j++) put(i, j, static_cast<float>(std::sin(static_cast<double>(i * 37 + j * 11))));
    }
  }
  ~Operand() {
    CHECK(cublasLtMatrixLayoutDestroy(layout) == CUBLAS_STATUS_SUCCESS);
    CHECK(cudaFree(elements) == cudaSuccess);
  }
  Operand(const Operand&) = delete;
  Operand& operator=(const Operand&) = delete;

  int64_t at(int64_t i, int64_t j) const { return row_order ? i * ld + j : j * ld + i; }
  void put(int64_t i, int64_t j, float value) {
    if (bf16) {
      static_cast<__nv_bfloat16*>(elements)[at(i, j)] = __float2bfloat16_rn(value);
    } else {
      static_cast<float*>(elements)[at(i, j)] = value;
    }
  }
  double get(int64_t i, int64_t j) const {
    return bf16 ? __bfloat162float(static_cast<const __nv_bfloat16*>(elements)[at(i, j)]) : static_cast<const float*>(elements)[at(i, j)];
  }
};

struct Library {
  cublasLtContext* handle = nullptr;
  cublasLtMatmulDesc* desc = nullptr;
  cublasLtMatmulPreference* preference = nullptr;
  void* workspace = nullptr;
  static constexpr uint64_t kWorkspaceBytes = 1 << 20;

  Library() {
    CHECK(cublasLtCreate(&handle) == CUBLAS_STATUS_SUCCESS);
    CHECK(cublasLtMatmulDescCreate(&desc, CUBLAS_COMPUTE_32F, CUDA_R_32F) == CUBLAS_STATUS_SUCCESS);
    CHECK(cublasLtMatmulPreferenceCreate(&preference) == CUBLAS_STATUS_SUCCESS);
    CHECK(cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &kWorkspaceBytes, 8) ==
          CUBLAS_STATUS_SUCCESS);
    CHECK(cudaMalloc(&workspace, kWorkspaceBytes) == cudaSuccess);
  }
  ~Library() {
    CHECK(cublasLtMatmulDescDestroy(desc) == CUBLAS_STATUS_SUCCESS);
    CHECK(cublasLtMatmulPreferenceDestroy(preference) == CUBLAS_STATUS_SUCCESS);
    CHECK(cublasLtDestroy(handle) == CUBLAS_STATUS_SUCCESS);
    CHECK(cudaFree(workspace) == cudaSuccess);
  }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  cublasStatus_t choose(const Operand& d, const Operand& a, const Operand& b, cublasLtMatmulHeuristicResult_t* result) const {
    int found = 0;
    const cublasStatus_t status =
        cublasLtMatmulAlgoGetHeuristic(handle, desc, a.layout, b.layout, d.layout, d.layout, preference, 1, result, &found);
    CHECK((status == CUBLAS_STATUS_SUCCESS) == (found == 1));
    return status;
  }

  cublasStatus_t multiply(Operand& d, const Operand& a, const Operand& b, float beta, const cublasLtMatmulAlgo_t* algorithm,
                          size_t workspace_bytes = kWorkspaceBytes) const {
    const float one = 1;
    return cublasLtMatmul(handle, desc, &one, a.elements, a.layout, b.elements, b.layout, &beta, d.elements, d.layout, d.elements, d.layout,
                          algorithm, workspace, workspace_bytes, nullptr);
  }
};

// Max error of an fp32 sum of k products of numbers up to 1: k roundings of a sum up to k; for bf16 also the rounding to 8 bits.
double tolerance(int64_t k, bool bf16, double value) {
  return static_cast<double>(k * k) * 0x1p-24 + (bf16 ? (std::fabs(value) + 1e-3) * 0x1p-8 : 0);
}

void product(bool bf16, bool bf16_result, bool row_order, bool transpose_a, bool transpose_b, float beta, bool has_bias) {
  const int64_t m = 70, n = 37, k = 300;
  Library library;
  set(library.desc, CUBLASLT_MATMUL_DESC_TRANSA, int32_t{transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N});
  set(library.desc, CUBLASLT_MATMUL_DESC_TRANSB, int32_t{transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N});
  const Operand a(bf16, row_order, transpose_a ? k : m, transpose_a ? m : k), b(bf16, row_order, transpose_b ? n : k, transpose_b ? k : n);
  Operand d(bf16_result, row_order, m, n);
  const Operand bias(bf16_result, false, m, 1);
  if (has_bias) {
    set(library.desc, CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
    set(library.desc, CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias.elements);
  }
  std::vector<double> expected;
  for (int64_t i = 0; i < m; i++) {
    for (int64_t j = 0; j < n; j++) {
      double sum = beta * d.get(i, j) + (has_bias ? bias.get(i, 0) : 0);
      for (int64_t l = 0; l < k; l++) sum += (transpose_a ? a.get(l, i) : a.get(i, l)) * (transpose_b ? b.get(j, l) : b.get(l, j));
      expected.push_back(sum);
      if (beta == 0) d.put(i, j, NAN);  // must not be read
    }
  }
  cublasLtMatmulHeuristicResult_t result;
  CHECK(library.choose(d, a, b, &result) == CUBLAS_STATUS_SUCCESS);
  CHECK(library.multiply(d, a, b, beta, &result.algo) == CUBLAS_STATUS_SUCCESS);
  for (int64_t i = 0; i < m; i++) {
    for (int64_t j = 0; j < n; j++) {
      const double value = expected[static_cast<size_t>(i * n + j)];
      CHECK(std::fabs(d.get(i, j) - value) <= tolerance(k, bf16_result, value));
    }
  }
}

void refusals() {
  Library library;
  const Operand a(false, false, 8, 16), b(false, false, 16, 24), other(false, false, 17, 24), bf16(true, false, 16, 24);
  Operand d(false, false, 8, 24), d_bf16(true, false, 8, 24);
  cublasLtMatmulHeuristicResult_t result;
  CHECK(library.choose(d, a, other, &result) == CUBLAS_STATUS_INVALID_VALUE);
  CHECK(library.choose(d, a, bf16, &result) == CUBLAS_STATUS_NOT_SUPPORTED);
  CHECK(library.choose(d_bf16, a, b, &result) == CUBLAS_STATUS_NOT_SUPPORTED);
  CHECK(library.choose(d, a, b, &result) == CUBLAS_STATUS_SUCCESS);
  CHECK(library.multiply(d, a, b, 0, &result.algo) == CUBLAS_STATUS_SUCCESS);
  CHECK(library.multiply(d, a, b, 0, nullptr) == CUBLAS_STATUS_SUCCESS);
  CHECK(library.multiply(d, a, b, 0, &result.algo, result.workspaceSize - 1) == CUBLAS_STATUS_INVALID_VALUE);
  const cublasLtMatmulAlgo_t unknown{};
  CHECK(library.multiply(d, a, b, 0, &unknown) == CUBLAS_STATUS_INVALID_VALUE);

  // An algorithm is chosen for an epilogue. An epilogue with a bias needs the bias's address.
  set(library.desc, CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
  CHECK(library.multiply(d, a, b, 0, &result.algo) == CUBLAS_STATUS_INVALID_VALUE);
  CHECK(library.choose(d, a, b, &result) == CUBLAS_STATUS_SUCCESS);
  CHECK(library.multiply(d, a, b, 0, &result.algo) == CUBLAS_STATUS_INVALID_VALUE);
  set(library.desc, CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_DEFAULT);

  const int32_t transpose = 7;
  CHECK(cublasLtMatmulDescSetAttribute(library.desc, CUBLASLT_MATMUL_DESC_TRANSA, &transpose, 4) == CUBLAS_STATUS_INVALID_VALUE);
  CHECK(cublasLtMatmulDescSetAttribute(library.desc, CUBLASLT_MATMUL_DESC_TRANSA, &transpose, 8) == CUBLAS_STATUS_INVALID_VALUE);
  const int64_t short_ld = 7;
  set(d.layout, CUBLASLT_MATRIX_LAYOUT_LD, short_ld);
  CHECK(library.choose(d, a, b, &result) == CUBLAS_STATUS_INVALID_VALUE);
  set(d.layout, CUBLASLT_MATRIX_LAYOUT_LD, d.ld);

  cublasLtContext* stranger = reinterpret_cast<cublasLtContext*>(&library);
  CHECK(cublasLtDestroy(stranger) == CUBLAS_STATUS_NOT_INITIALIZED);
}

// An operand in host memory is a fault: the call is queued, and the next wait reports that the device has failed. No call works afterwards,
// so this check is the last.
[[noreturn]] void host_memory_is_a_fault() {
  Library library;
  const Operand a(false, false, 8, 16), b(false, false, 16, 24);
  Operand d(false, false, 8, 24);
  std::vector<float> host(1024);
  void* const elements = d.elements;
  d.elements = host.data();
  CHECK(library.multiply(d, a, b, 0, nullptr) == CUBLAS_STATUS_SUCCESS);
  d.elements = elements;
  CHECK(cudaDeviceSynchronize() == cudaErrorIllegalAddress);
  CHECK(library.multiply(d, a, b, 0, nullptr) == CUBLAS_STATUS_EXECUTION_FAILED);
  fflush(stdout);
  _Exit(failures == 0 ? 0 : 1);
}

}  // namespace

int main() {
  for (int choice = 0; choice < 8; choice++) {
    for (bool bf16 : {false, true}) {
      for (bool bf16_result : {false, true}) {
        if (bf16_result && !bf16) continue;
        product(bf16, bf16_result, choice & 1, choice & 2, choice & 4, 0, false);
        product(bf16, bf16_result, choice & 1, choice & 2, choice & 4, 1, false);
        product(bf16, bf16_result, choice & 1, choice & 2, choice & 4, 0, true);
      }
    }
  }
  refusals();
  CHECK(dpo4j_standin_live_allocations() == 0 && dpo4j_standin_live_handles() == 0);
  host_memory_is_a_fault();
}
