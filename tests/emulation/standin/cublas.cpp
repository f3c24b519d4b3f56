// The stand-in libcublas, to which the JavaCPP presets link besides libcublasLt. It has only handles; products go through cuBLASLt.
#include "cublas_status.h"
#include "standin.h"

struct cublasContext {};

DPO4J_STANDIN cublasStatus_t cublasCreate_v2(cublasContext** handle) {
  if (handle == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  *handle = new cublasContext;
  dpo4j_standin_add_handle(*handle, "cublas");
  return CUBLAS_STATUS_SUCCESS;
}

DPO4J_STANDIN cublasStatus_t cublasDestroy_v2(cublasContext* handle) {
  if (!dpo4j_standin_remove_handle(handle, "cublas")) return CUBLAS_STATUS_NOT_INITIALIZED;
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}

DPO4J_STANDIN cublasStatus_t cublasGetVersion_v2(cublasContext* handle, int* version) {
  if (!dpo4j_standin_has_handle(handle, "cublas")) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (version == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  *version = 130100;
  return CUBLAS_STATUS_SUCCESS;
}

DPO4J_STANDIN const char* cublasGetStatusName(cublasStatus_t status) { return cublas_status_name(status); }
DPO4J_STANDIN const char* cublasGetStatusString(cublasStatus_t status) { return cublas_status_text(status); }
