// The cuBLASLt calls of the stand-in.
#pragma once

#include "cublas_types.h"
#include "standin.h"

struct cublasLtContext;
struct cublasLtMatmulDesc;
struct cublasLtMatrixLayout;
struct cublasLtMatmulPreference;

DPO4J_STANDIN size_t cublasLtGetVersion();
DPO4J_STANDIN size_t cublasLtGetCudartVersion();
DPO4J_STANDIN const char* cublasLtGetStatusName(cublasStatus_t status);
DPO4J_STANDIN const char* cublasLtGetStatusString(cublasStatus_t status);
DPO4J_STANDIN cublasStatus_t cublasLtCreate(cublasLtContext** handle);
DPO4J_STANDIN cublasStatus_t cublasLtDestroy(cublasLtContext* handle);
DPO4J_STANDIN cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc** desc, int32_t compute_type, int32_t scale_type);
DPO4J_STANDIN cublasStatus_t cublasLtMatmulDescInit_internal(cublasLtMatmulDesc* desc, size_t bytes, int32_t compute_type,
                                                             int32_t scale_type);
DPO4J_STANDIN cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc* desc);
DPO4J_STANDIN cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc* desc, int32_t attribute, const void* value, size_t bytes);
DPO4J_STANDIN cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout** layout, uint32_t type, uint64_t rows, uint64_t columns,
                                                        int64_t ld);
DPO4J_STANDIN cublasStatus_t cublasLtMatrixLayoutInit_internal(cublasLtMatrixLayout* layout, size_t bytes, uint32_t type, uint64_t rows,
                                                               uint64_t columns, int64_t ld);
DPO4J_STANDIN cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout* layout);
DPO4J_STANDIN cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout* layout, int32_t attribute, const void* value,
                                                              size_t bytes);
DPO4J_STANDIN cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference** preference);
DPO4J_STANDIN cublasStatus_t cublasLtMatmulPreferenceInit_internal(cublasLtMatmulPreference* preference, size_t bytes);
DPO4J_STANDIN cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference* preference);
DPO4J_STANDIN cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference* preference, int32_t attribute,
                                                                  const void* value, size_t bytes);
DPO4J_STANDIN cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtContext* handle, const cublasLtMatmulDesc* desc,
                                                            const cublasLtMatrixLayout* a, const cublasLtMatrixLayout* b,
                                                            const cublasLtMatrixLayout* c, const cublasLtMatrixLayout* d,
                                                            const cublasLtMatmulPreference* preference, int requested,
                                                            cublasLtMatmulHeuristicResult_t results[], int* returned);
DPO4J_STANDIN cublasStatus_t cublasLtMatmul(cublasLtContext* handle, const cublasLtMatmulDesc* desc, const void* alpha, const void* a,
                                            const cublasLtMatrixLayout* a_layout, const void* b, const cublasLtMatrixLayout* b_layout,
                                            const void* beta, const void* c, const cublasLtMatrixLayout* c_layout, void* d,
                                            const cublasLtMatrixLayout* d_layout, const cublasLtMatmulAlgo_t* algorithm, void* workspace,
                                            size_t workspace_bytes, cudaStream_t stream);
