/*
 * dpo4j: operations for Direct Preference Optimization on one device. This is the only public header.
 *
 * Conventions of every operation below, unless it says otherwise
 *   context    the first argument: a device, and the stream or threads that run the work. One thread at a time may use a context.
 *   addresses  memory of the context's device, owned by the caller. Fields of params list outputs first, then inputs. An operation keeps no
 *              address after its work has run. Outputs may not overlap inputs, unless the operation says "may alias".
 *   alignment  16 bytes, for addresses and for the start of each row (row stride times the element size) where there is a row stride. 4 bytes
 *              suffice for index arrays (int32), and for the f32 arrays with one number per token, completion or pair of scale_rows, column_sum,
 *              token_logprob, sequence_sum and the losses, so that a call may start at any of these. statistics, four per row, need 16.
 *   strides    in elements, between the starts of consecutive rows. Memory is row-major.
 *   dtype      the storage type of tensors without another mark: DPO4J_F32 on every device, DPO4J_BF16 on cuda. Only token_logprob takes all
 *              three everywhere. A tensor that a shape comment marks f32, i32 or f64 has that type for every dtype. Arithmetic is fp32 or wider.
 *   params     a struct in host memory, read before the call returns. Addresses in it are device addresses unless a field says otherwise.
 *              dpo4j_struct_layout gives the offsets of its fields, which are one a line.
 *   status     DPO4J_OK, or why the call was refused; dpo4j_error_text(context) then names the argument. A refused call does nothing.
 *   order      sums have a fixed order that depends only on the sizes of the operation: same inputs, same bits. The result of a row does not
 *              depend on other rows of the call.
 *   sizes      a call of zero rows does nothing. Products of sizes may exceed 2^31.
 * No operation allocates, synchronises, prints or throws. Each can be captured in a CUDA graph.
 */
#ifndef DPO4J_H
#define DPO4J_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define DPO4J_API __attribute__((visibility("default")))
#else
#define DPO4J_API
#endif

/* Raised by one whenever a signature, a struct or the meaning of an argument changes. */
#define DPO4J_ABI_VERSION 9

enum dpo4j_status {
  DPO4J_OK = 0,
  DPO4J_INVALID_ARGUMENT = 1, /* a size, address, alignment or option; the text names the argument */
  DPO4J_UNSUPPORTED = 2,      /* this build or device lacks it; the text says which and what to do */
  DPO4J_DEVICE_ERROR = 3,     /* the CUDA runtime refused; the text carries its words */
  DPO4J_NULL_CONTEXT = 4      /* there is no context to hold a text */
};

enum dpo4j_dtype { DPO4J_F32 = 0, DPO4J_BF16 = 1, DPO4J_F16 = 2 };

enum dpo4j_device { DPO4J_CPU = 0, DPO4J_CUDA = 1 };

/* Instruction set of a cpu context. AUTO takes the widest that the processor has; naming one that it lacks is refused. */
enum dpo4j_cpu_isa { DPO4J_ISA_AUTO = 0, DPO4J_ISA_PORTABLE = 1, DPO4J_ISA_AVX2 = 2, DPO4J_ISA_AVX512 = 3 };

typedef struct dpo4j_context dpo4j_context;

/* ---- library, devices, contexts ------------------------------------------------------------------------------------------------------ */

DPO4J_API int32_t dpo4j_abi_version(void);

/* One line of space-separated key=value: version, compiler, cuda (architectures compiled in, or none), emulated (0 or 1). Static storage. */
DPO4J_API const char* dpo4j_build_info(void);

/* The layout of a struct that this header declares, for bindings from other languages: a line `field offset size type` for each field, in order,
   then `size` and the bytes of the struct. A null name: the names of all structs, one a line. INVALID_ARGUMENT: no such struct; `text`, at most
   `text_bytes` including the final 0, says so. */
DPO4J_API int32_t dpo4j_struct_layout(const char* name, char* text, size_t text_bytes);

/* The widest dpo4j_cpu_isa that this processor runs. */
DPO4J_API int32_t dpo4j_cpu_isa_best(void);

/* Devices the driver offers. UNSUPPORTED: no CUDA kernels in this build; DEVICE_ERROR: no driver, or one too old. `text` (may be null)
   receives a sentence of at most `text_bytes` including the final 0: the reason on failure, "" on success. Never throws, needs no driver. */
DPO4J_API int32_t dpo4j_cuda_device_count(int32_t* count, char* text, size_t text_bytes);

/* Facts of one CUDA device: name (at most name_bytes including the final 0), compute capability times ten (sm_90 is 90), bytes of memory,
   and driver version as CUDA writes it (13000 for 13.0). Null outputs are skipped. Text as in dpo4j_cuda_device_count. */
DPO4J_API int32_t dpo4j_cuda_device_info(int32_t ordinal, char* name, size_t name_bytes, int32_t* capability, int64_t* memory_bytes,
                                         int32_t* driver_version, char* text, size_t text_bytes);

/* The number of blocks that a thread block cluster of device `ordinal` may have, at most 8; 1 where device or build has no clusters. Makes the
   device's CUDA context. Status and text as in dpo4j_cuda_device_count. */
DPO4J_API int32_t dpo4j_cuda_max_cluster(int32_t ordinal, int32_t* blocks, char* text, size_t text_bytes);

/* Words for a cudaError_t other than 0 that `call` returned; "" in a build without CUDA kernels. After some errors no CUDA call of the process
   works any more: the first such failure is remembered, and the text of every later one names it and says to restart the process. */
DPO4J_API void dpo4j_cuda_describe_failure(int32_t error, const char* call, char* text, size_t text_bytes);

/* Whether `names` is a comma-separated list of kernels that can be turned off: those for one architecture, beside which another kernel does the
   same work. Null and "" name none. INVALID_ARGUMENT: a name is unknown; text names it and those there are. */
DPO4J_API int32_t dpo4j_cuda_check_kernels(const char* names, char* text, size_t text_bytes);

/* A context on `threads` threads of the cpu (0: all that the process may use). Work has finished when a call returns. */
DPO4J_API int32_t dpo4j_cpu_context_create(dpo4j_context** context, int32_t threads, int32_t isa);

/* A context on a stream the caller owns (a cudaStream_t; null is the default stream), of device `ordinal`. `without` lists kernels that the
   context does not use, as in dpo4j_cuda_check_kernels. `resident_clusters` is for tests: 0 asks the device how many blocks or clusters it runs at
   once, a number above 0 is taken for its answer, so that persistent blocks take several tiles in small shapes too. Status and text as in
   dpo4j_cuda_device_count. */
DPO4J_API int32_t dpo4j_cuda_context_create(dpo4j_context** context, int32_t ordinal, void* stream, const char* without,
                                            int32_t resident_clusters, char* text, size_t text_bytes);

/* 1: calls on this context use the kernel of this name (one that can be turned off) for the shapes and types it has. 0: they do not. */
DPO4J_API int32_t dpo4j_cuda_has_kernel(const dpo4j_context*, const char* name);

/* Null is allowed. Work already queued on the stream is not waited for. */
DPO4J_API void dpo4j_context_destroy(dpo4j_context* context);

/* Why the last call on this context was refused, naming the operation and the argument; "" if it was not. Valid until the next call. */
DPO4J_API const char* dpo4j_error_text(const dpo4j_context* context);

/* Host memory for cpu contexts, 64-byte aligned. Null on failure. Contents undefined. */
DPO4J_API void* dpo4j_host_allocate(size_t bytes);
DPO4J_API void dpo4j_host_free(void* address);
/* memcpy and memset for languages without raw memory. */
DPO4J_API void dpo4j_host_copy(void* destination, const void* source, size_t bytes);
DPO4J_API void dpo4j_host_fill(void* destination, int32_t byte, size_t bytes);

/* ---- matmul: matrix products of cpu contexts (cuda uses cuBLASLt, called from Java) -------------------------------------------------- */

/* Names the oneDNN library (libdnnl.so.3) whose sgemm serves dpo4j_matmul, once a process. INVALID_ARGUMENT: it could not be loaded; text as
   in dpo4j_cuda_device_count. */
DPO4J_API int32_t dpo4j_matmul_library(const char* path, char* text, size_t text_bytes);

/* The version that a shared library itself says it has: oneDNN, or NVIDIA's cudart or cublasLt, which need no driver for it. `text` receives
   it, as 3.11.0. INVALID_ARGUMENT: it could not be loaded, or says none; text says why. What was loaded stays loaded. */
DPO4J_API int32_t dpo4j_library_version(const char* path, char* text, size_t text_bytes);

/* op(a) is [m,k]: a itself, or the transpose of a stored as [k,m]. Likewise op(b), [k,n]. All f32; 4 bytes of alignment are enough. */
typedef struct dpo4j_matmul_params {
  float* c; /* [m,n] */
  const float* a;
  const float* b;
  int64_t m;
  int64_t n;
  int64_t k;
  int64_t c_stride; /* between rows as stored, as the next two */
  int64_t a_stride;
  int64_t b_stride;
  int32_t transpose_a; /* 0 or 1, as the next two */
  int32_t transpose_b;
  int32_t accumulate; /* 1: the product is added to c */
} dpo4j_matmul_params;

/* c = op(a) op(b), or c += op(a) op(b). A row of c has the same bits whatever m is and however many threads work. */
DPO4J_API int32_t dpo4j_matmul(dpo4j_context*, const dpo4j_matmul_params* params);

/* ---- embedding: rows of a table by index --------------------------------------------------------------------------------------------- */

typedef struct dpo4j_embedding_forward_params {
  void* out;              /* [rows,width] */
  const void* table;      /* [table_rows,width] */
  const int32_t* indices; /* i32[rows] */
  int64_t rows;
  int64_t table_rows;
  int64_t width;
  int32_t dtype;
} dpo4j_embedding_forward_params;

/* out[row] = table[indices[row]]. An index outside [0, table_rows) yields a row of NaN: nothing is read outside. */
DPO4J_API int32_t dpo4j_embedding_forward(dpo4j_context*, const dpo4j_embedding_forward_params* params);

typedef struct dpo4j_embedding_backward_params {
  void* d_table;           /* [table_rows,width] of d_table_dtype, added to */
  const void* d_out;       /* [rows,width] of dtype */
  const int32_t* order;    /* i32[rows], the rows sorted by index, stably */
  const int32_t* offsets;  /* i32[segments+1], where in order the rows of each distinct index begin and end */
  const int32_t* distinct; /* i32[segments], the indices that occur */
  int64_t segments;
  int64_t width;
  int32_t d_table_dtype;
  int32_t dtype;
} dpo4j_embedding_backward_params;

/* d_table[distinct[s]] += sum of d_out[order[i]] for i in [offsets[s], offsets[s+1]), in that order, for s in [0, segments).
   An empty range touches no row of d_table, whatever distinct[s] is: a caller may have as many segments as it has rows. The caller sorts on
   the host, once a batch: that is what makes the sum deterministic. */
DPO4J_API int32_t dpo4j_embedding_backward(dpo4j_context*, const dpo4j_embedding_backward_params* params);

/* ---- copy_rows: rows gathered, scattered, or both ------------------------------------------------------------------------------------ */

typedef struct dpo4j_copy_rows_params {
  void* out;
  const void* in;
  const int32_t* out_rows; /* i32[rows], no row twice; or null for i itself */
  const int32_t* in_rows;  /* i32[rows]; or null for i itself */
  int64_t rows;
  int64_t width;
  int64_t out_stride;
  int64_t in_stride;
  int32_t dtype;
} dpo4j_copy_rows_params;

/* out[out_rows[i]] = in[in_rows[i]] for i in [0, rows), `width` elements each. */
DPO4J_API int32_t dpo4j_copy_rows(dpo4j_context*, const dpo4j_copy_rows_params* params);

/* ---- rms_norm: y = w * x / sqrt(mean(x^2) + epsilon) (Zhang and Sennrich 2019) ------------------------------------------------------- */

typedef struct dpo4j_rms_norm_forward_params {
  void* out;            /* [rows,width] */
  float* rstd;          /* f32[rows], 1 / the root, kept for backward */
  void* sum;            /* [rows,width], may alias x or residual; null where residual is */
  const void* x;        /* [rows,width] */
  const void* residual; /* [rows,width], or null */
  const void* weight;   /* [width] */
  int64_t rows;
  int64_t width;
  float epsilon; /* finite, not negative */
  int32_t dtype;
} dpo4j_rms_norm_forward_params;

/* out = norm(x). With residual: sum = x + residual is written, rounded, and is what is normed, in one pass and with the bits of
   residual_forward before it. */
DPO4J_API int32_t dpo4j_rms_norm_forward(dpo4j_context*, const dpo4j_rms_norm_forward_params* params);

typedef struct dpo4j_rms_norm_backward_params {
  void* d_x;              /* [rows,width] = d_residual + the gradient of x */
  float* d_weight;        /* f32[width], added to */
  void* workspace;        /* dpo4j_rms_norm_backward_workspace_bytes; contents undefined before and after */
  const void* d_out;      /* [rows,width] */
  const void* d_residual; /* [rows,width], may alias d_x, as the residual stream wants; or null for 0 */
  const void* x;          /* as in forward; its sum where it had a residual */
  const void* weight;
  const float* rstd;
  int64_t rows;
  int64_t width;
  int32_t dtype;
} dpo4j_rms_norm_backward_params;

DPO4J_API size_t dpo4j_rms_norm_backward_workspace_bytes(int64_t rows, int64_t width);
DPO4J_API int32_t dpo4j_rms_norm_backward(dpo4j_context*, const dpo4j_rms_norm_backward_params* params);

/* ---- rope: rotary positions, half-split pairs as in Hugging Face Llama (Su et al. 2021) ---------------------------------------------- */

typedef struct dpo4j_rope_params {
  void* x;                  /* [rows,heads,head_width], rotated in place; backward: the gradient of forward's result */
  const int32_t* positions; /* i32[rows], each in [0, positions_end), else the row becomes NaN */
  const float* cosine;      /* f32[positions_end,head_width/2] */
  const float* sine;        /* f32[positions_end,head_width/2] */
  int64_t rows;
  int64_t heads;
  int64_t head_width; /* even */
  int64_t row_stride; /* between rows of x */
  int64_t positions_end;
  int32_t dtype;
} dpo4j_rope_params;

/* (x1, x2) -> (x1 cos - x2 sin, x2 cos + x1 sin) with x1, x2 the two halves of a head. */
DPO4J_API int32_t dpo4j_rope_forward(dpo4j_context*, const dpo4j_rope_params* params);
/* The inverse rotation. */
DPO4J_API int32_t dpo4j_rope_backward(dpo4j_context*, const dpo4j_rope_params* params);

/* ---- attention: causal, grouped-query, over packed segments that may share a prefix -------------------------------------------------- */

/* One run of query rows. Query i of the segment (i from 0) sees the rows [prefix_begin, prefix_begin + prefix_count) of k and v, and the rows
   key_begin + j for j in [0, key_offset + i]. A prompt is a segment without prefix; its two completions name it as theirs; the plain layout
   has no prefix at all. With a key cache, one query row at key_offset = tokens already cached. */
typedef struct dpo4j_segment {
  int32_t query_begin;
  int32_t query_count;
  int32_t key_begin;
  int32_t key_offset;
  int32_t prefix_begin;
  int32_t prefix_count;
  int32_t dependents; /* segments directly after this one whose prefix is exactly this segment's own keys; 0 for a completion */
  int32_t reserved;   /* 0 */
} dpo4j_segment;

/* What a model fixes of attention; both directions take it. */
typedef struct dpo4j_attention_shape {
  int64_t heads;      /* query heads, a multiple of kv_heads; head h reads key and value head h / (heads / kv_heads) */
  int64_t kv_heads;   /* key and value heads */
  int64_t head_width; /* elements of a head: a multiple of 8 up to 256 */
  int64_t out_stride; /* between rows of out and d_out */
  int64_t q_stride;   /* between rows of q and d_q; the strides let q, k and v lie in one buffer */
  int64_t kv_stride;  /* between rows of k, v, d_k and d_v */
  float scale;        /* of q.k before the softmax, finite */
  int32_t dtype;
} dpo4j_attention_shape;

typedef struct dpo4j_attention_forward_params {
  void* out;                     /* [query_rows,heads,head_width]. Query rows of no segment are not written */
  float* lse;                    /* f32[query_rows,heads] = log of the sum of exp(scale q.k), kept for backward */
  void* workspace;               /* dpo4j_attention_forward_workspace_bytes; contents undefined before and after */
  const void* q;                 /* [query_rows,heads,head_width] */
  const void* k;                 /* [key_rows,kv_heads,head_width] */
  const void* v;                 /* [key_rows,kv_heads,head_width] */
  const dpo4j_segment* segments; /* [segment_count], on the device */
  int64_t segment_count;
  int64_t max_queries; /* the largest query_count of a segment */
  int64_t key_rows;    /* bound of the rows of k and v that segments name; rows beyond it are not read */
  dpo4j_attention_shape shape;
} dpo4j_attention_forward_params;

typedef struct dpo4j_attention_backward_params {
  void* d_q; /* gradients, laid out as q, k and v */
  void* d_k;
  void* d_v;
  void* workspace;   /* dpo4j_attention_backward_workspace_bytes; contents undefined before and after */
  const void* d_out; /* laid out as out */
  const void* q;     /* these five as in forward */
  const void* k;
  const void* v;
  const void* out;
  const float* lse;
  const dpo4j_segment* segments; /* [segment_count], on the device */
  int64_t segment_count;
  int64_t max_queries; /* the largest query_count of a segment */
  int64_t query_rows;  /* bound of the rows that segments name */
  dpo4j_attention_shape shape;
} dpo4j_attention_backward_params;

DPO4J_API size_t dpo4j_attention_forward_workspace_bytes(void);
/* out = softmax(scale q k^T) v over the keys that each query sees.
   In BF16, on tensor cores, weights are rounded to bf16 before they multiply v, and lse is that of the unrounded ones; in backward, weights and
   gradients of scores before they multiply d_out, k and q. All sums are fp32. */
DPO4J_API int32_t dpo4j_attention_forward(dpo4j_context*, const dpo4j_attention_forward_params* params);

DPO4J_API size_t dpo4j_attention_backward_workspace_bytes(int64_t query_rows, int64_t heads, int64_t head_width);
/* Segments must be of the training kind: key_begin = query_begin, key_offset = 0, every prefix the rows of one earlier segment, directly
   followed by its dependents. Every row of k belongs to one segment. Segments of another kind are refused where the call can read them. On
   Hopper they trap instead of waiting for ever; the CUDA context is then lost. */
DPO4J_API int32_t dpo4j_attention_backward(dpo4j_context*, const dpo4j_attention_backward_params* params);

/* ---- swiglu: y = silu(gate) * up (Shazeer 2020) -------------------------------------------------------------------------------------- */

typedef struct dpo4j_swiglu_forward_params {
  void* out;           /* [rows,width] */
  const void* gate_up; /* [rows,2*width], a row holding gate then up */
  int64_t rows;
  int64_t width;
  int32_t dtype;
} dpo4j_swiglu_forward_params;

DPO4J_API int32_t dpo4j_swiglu_forward(dpo4j_context*, const dpo4j_swiglu_forward_params* params);

typedef struct dpo4j_swiglu_backward_params {
  void* d_gate_up;     /* [rows,2*width], may alias gate_up */
  const void* d_out;   /* [rows,width] */
  const void* gate_up; /* as in forward */
  int64_t rows;
  int64_t width;
  int32_t dtype;
} dpo4j_swiglu_backward_params;

DPO4J_API int32_t dpo4j_swiglu_backward(dpo4j_context*, const dpo4j_swiglu_backward_params* params);

/* ---- residual: out = a + b. Backward needs no call: both inputs receive d_out (rms_norm_backward adds it in) ------------------------- */

typedef struct dpo4j_residual_forward_params {
  void* out; /* [count], may alias a or b */
  const void* a;
  const void* b;
  int64_t count;
  int32_t dtype;
} dpo4j_residual_forward_params;

DPO4J_API int32_t dpo4j_residual_forward(dpo4j_context*, const dpo4j_residual_forward_params* params);

/* ---- scale_rows: out = diag(scale) in, a gradient that is linear in one number a row ------------------------------------------------- */

typedef struct dpo4j_scale_rows_params {
  void* out; /* [rows,width], may alias in */
  const void* in;
  const float* scale; /* f32[rows] */
  int64_t rows;
  int64_t width;
  int32_t dtype;
} dpo4j_scale_rows_params;

/* out[row,:] = scale[row] in[row,:], rounded once. */
DPO4J_API int32_t dpo4j_scale_rows(dpo4j_context*, const dpo4j_scale_rows_params* params);

/* ---- token_logprob: log softmax of a row of logits at its target --------------------------------------------------------------------- */

/* What the softmax is taken of: z[j] = cap tanh(scale (x[j] + bias[j]) / cap) of a logit x[j], or scale (x[j] + bias[j]) where cap is 0. A logit
   or a bias of -inf gives -inf. {null, 1, 0}: z is x, and no time is spent on it. */
typedef struct dpo4j_logit_transform {
  const float* bias; /* f32[vocabulary], null for 0 */
  float scale;       /* finite and above 0 */
  float cap;         /* 0, or from 1e-30 to 1e30 */
} dpo4j_logit_transform;

/* Fields that these params share
     logits     x[.., vocabulary], rows logits_stride apart, in F32, BF16 or F16 on every device. Columns of -inf are vocabulary that does not
                exist; a row of nothing else has lse -inf, and its log-prob is NaN.
     row_index  i32[rows], or null for 0, 1, ...: call row i is logits row row_index[i]. No logits row twice; rows that it does not name are
                neither read nor written. Every other array has one entry a call row.
     targets    i32[rows]. Negative: the row is masked, its numbers are 0, its gradient exactly 0, and its logits are not read. At or beyond
                vocabulary: all of them NaN. */

/* What a row of `statistics` f32[rows, DPO4J_TOKEN_STATISTICS] holds; p is the softmax of the row. */
enum dpo4j_token_statistic {
  DPO4J_TOKEN_ENTROPY = 0,    /* -sum_j p_j log p_j, in nats */
  DPO4J_TOKEN_HIT = 1,        /* 1 where the target is the first of the largest logits, else 0 */
  DPO4J_TOKEN_MEAN_LOGIT = 2, /* of z, over the vocabulary that exists */
  DPO4J_TOKEN_LOG_WEIGHT = 3, /* logprob - log sum_j p_j^2 = logprob - (LSE(2 z) - 2 lse): WPO (Zhou et al. 2024, eq. 2) */
  DPO4J_TOKEN_STATISTICS = 4
};

typedef struct dpo4j_token_logprob_forward_params {
  float* logprob;    /* f32[rows] = z[target] - lse */
  float* lse;        /* f32[rows] = log sum_j exp(z[j]) */
  float* statistics; /* f32[rows, DPO4J_TOKEN_STATISTICS], or null */
  const void* logits;
  const int32_t* row_index;
  int64_t vocabulary;
  int64_t logits_stride;
  dpo4j_logit_transform transform;
  int32_t dtype;
  const int32_t* targets;
  int64_t rows;
} dpo4j_token_logprob_forward_params;

typedef struct dpo4j_token_logprob_backward_params {
  void* d_logits; /* rows as those of logits; may be logits where dtype and stride are its own (in place) */
  int64_t d_logits_stride;
  int32_t d_logits_dtype;
  const void* logits;
  const int32_t* row_index;
  int64_t vocabulary;
  int64_t logits_stride;
  dpo4j_logit_transform transform;
  int32_t dtype;
  const int32_t* targets;
  const float* lse;       /* f32[rows], of forward */
  const float* d_logprob; /* f32[rows] */
  int64_t rows;
} dpo4j_token_logprob_backward_params;

typedef struct dpo4j_token_logprob_forward_backward_params {
  void* d_logits; /* these three as in backward */
  int64_t d_logits_stride;
  int32_t d_logits_dtype;
  float* logprob; /* these three as in forward */
  float* lse;
  float* statistics;
  const void* logits;
  const int32_t* row_index;
  int64_t vocabulary;
  int64_t logits_stride;
  dpo4j_logit_transform transform;
  int32_t dtype;
  const int32_t* targets;
  const float* d_logprob; /* f32[rows], or null for 1: the unit gradient, which a row scale makes any other */
  int64_t rows;
} dpo4j_token_logprob_forward_backward_params;

/* The log-prob of each row's target. */
DPO4J_API int32_t dpo4j_token_logprob_forward(dpo4j_context*, const dpo4j_token_logprob_forward_params* params);
/* d_logits[row,j] = d_logprob[row] * ((j == target) - exp(z[row,j] - lse[row])) dz/dx, dz/dx = scale (1 - (z[row,j] / cap)^2), or scale where
   cap is 0. The gradient by the bias is column_sum's of d_logits. */
DPO4J_API int32_t dpo4j_token_logprob_backward(dpo4j_context*, const dpo4j_token_logprob_backward_params* params);
/* Both in one read of the row, for a gradient that is known before the log-prob is. */
DPO4J_API int32_t dpo4j_token_logprob_forward_backward(dpo4j_context*, const dpo4j_token_logprob_forward_backward_params* params);

/* ---- column_sum: the gradient of a bias ---------------------------------------------------------------------------------------------- */

typedef struct dpo4j_column_sum_params {
  float* sums;    /* f32[width], added to */
  const void* in; /* [rows,width], rows in_stride apart */
  int64_t rows;
  int64_t width;
  int64_t in_stride;
  int32_t dtype;
  const float* scale; /* f32[rows], or null for 1 */
} dpo4j_column_sum_params;

/* sums += sum over rows of scale[row] in[row,:], in an order that depends on rows and width alone. */
DPO4J_API int32_t dpo4j_column_sum(dpo4j_context*, const dpo4j_column_sum_params* params);

/* ---- lm_head_forward: token_logprob of hidden weight^T, without logits in memory ------------------------------------------------------ */

/* What the context lacks for lm_head_forward, or "": it needs a Hopper GPU (compute capability 9.0), a library with code for sm_90a, a context that
   does not turn the kernel off, and DPO4J_BF16. Elsewhere a matrix product and token_logprob_forward are the way. Static storage. */
DPO4J_API const char* dpo4j_lm_head_forward_lacks(const dpo4j_context*, int32_t dtype);

typedef struct dpo4j_lm_head_forward_params {
  float* logprob;     /* f32[rows] */
  float* lse;         /* f32[rows] */
  void* workspace;    /* dpo4j_lm_head_forward_workspace_bytes; contents undefined before and after */
  const void* hidden; /* [rows,hidden_width], rows hidden_stride apart; a masked row has no effect */
  int64_t hidden_stride;
  const int32_t* targets; /* i32[rows] */
  int64_t rows;
  const void* weight; /* [vocabulary,hidden_width], rows weight_stride apart */
  int64_t weight_stride;
  int64_t vocabulary;
  int64_t hidden_width;
  dpo4j_logit_transform transform;
  int32_t dtype; /* of hidden and weight */
} dpo4j_lm_head_forward_params;

DPO4J_API size_t dpo4j_lm_head_forward_workspace_bytes(int64_t rows, int64_t vocabulary);
/* logprob and lse as token_logprob_forward gives them for the logits x[row,j] = hidden[row] . weight[j], from fp32 accumulators; so do masked rows
   and rows of -inf or NaN. */
DPO4J_API int32_t dpo4j_lm_head_forward(dpo4j_context*, const dpo4j_lm_head_forward_params* params);

/* ---- sequence_sum: sums of per-token values over completions ------------------------------------------------------------------------- */

/* Ranges of tokens, and the factor that each token counts with. */
typedef struct dpo4j_sequences {
  const int32_t* offsets; /* i32[sequences+1], not decreasing: sequence s is the tokens [offsets[s], offsets[s+1]) */
  int64_t sequences;
  int64_t width;     /* values of a token */
  float tail_factor; /* a in [0,1]: factor_i is 1 for the first min(tokens of s, tokens of its partner) tokens and a for the rest, where
                             sequences 2i and 2i+1 are partners (LD-DPO, Liu et al. 2024); `sequences` is then even. 1: every factor is 1 */
  int32_t average;   /* 1: divided by max(1, the number of tokens) */
} dpo4j_sequences;

typedef struct dpo4j_sequence_sum_forward_params {
  float* sums;         /* f32[sequences,width] */
  const float* values; /* f32[offsets[sequences],width] */
  dpo4j_sequences sequences;
} dpo4j_sequence_sum_forward_params;

typedef struct dpo4j_sequence_sum_backward_params {
  float* d_values;     /* f32[offsets[sequences],width] */
  const float* d_sums; /* f32[sequences,width] */
  dpo4j_sequences sequences;
} dpo4j_sequence_sum_backward_params;

/* sums[s,:] = sum over the tokens i of s of factor_i values[i,:], accumulated in f64 in token order. */
DPO4J_API int32_t dpo4j_sequence_sum_forward(dpo4j_context*, const dpo4j_sequence_sum_forward_params* params);
/* d_values[i,:] = factor_i d_sums[s,:] (divided likewise) for the tokens i of s. */
DPO4J_API int32_t dpo4j_sequence_sum_backward(dpo4j_context*, const dpo4j_sequence_sum_backward_params* params);

/* ---- preference_loss: losses of pairs, their gradient and their metrics from the sums of completions, in one launch ------------------ */

/* Names are TRL's loss_type where it has one. pi, ref: sums of log-probs; u = pi - ref; s(u) the score of the divergence, u itself for
   reverse_kl; D = s(u_c) - s(u_r); n: tokens of a completion, at least 1; b: beta; e: label_smoothing; ls = log sigmoid, sg = sigmoid. */
enum dpo4j_loss {
  DPO4J_LOSS_SIGMOID = 0,      /* -(1-e) ls(bD) - e ls(-bD): Rafailov et al. 2023, eq. 7; e > 0 is conservative DPO */
  DPO4J_LOSS_HINGE = 1,        /* max(0, 1 - bD): Zhao et al. 2023 (SLiC) */
  DPO4J_LOSS_IPO = 2,          /* (s(u_c)/n_c - s(u_r)/n_r - 1/(2b))^2: Azar et al. 2023, eq. 17, on averages as its authors say */
  DPO4J_LOSS_EXO_PAIR = 3,     /* sg(bD) (ls(bD) - log(1-e)) + sg(-bD) (ls(-bD) - log e), e > 0: Ji et al. 2024, eq. 16 */
  DPO4J_LOSS_NCA_PAIR = 4,     /* -ls(b u_c) - ls(-b u_c)/2 - ls(-b u_r)/2: Chen et al. 2024 */
  DPO4J_LOSS_ROBUST = 5,       /* (-(1-e) ls(bD) + e ls(-bD)) / (1-2e): Chowdhury et al. 2024 */
  DPO4J_LOSS_BCO_PAIR = 6,     /* -ls(b u_c - d) - ls(-(b u_r - d)), d the running mean or 0: Jung et al. 2024 */
  DPO4J_LOSS_SPPO_HARD = 7,    /* (u_c - 1/(2b))^2 + (u_r + 1/(2b))^2: Wu et al. 2024, eq. 4.7 */
  DPO4J_LOSS_AOT = 8,          /* sigmoid's of d = sort(pi_c - pi_r) - sort(ref_c - ref_r) over the pairs of the call: Melnyk et al. 2024 */
  DPO4J_LOSS_AOT_UNPAIRED = 9, /* the same of d = sort(u_c) - sort(u_r) */
  DPO4J_LOSS_APO_ZERO = 10,    /* 1 - sg(b u_c) + sg(b u_r): D'Oosterlinck et al. 2024, eq. 7 */
  DPO4J_LOSS_APO_DOWN = 11,    /* sg(b u_c) + 1 - sg(b (u_c - u_r)): the same, eq. 8 */
  DPO4J_LOSS_DISCOPOP = 12,    /* -ls(bD) (1-m) + exp(-bD) m, m = sg(bD/discopop_tau): Lu et al. 2024, eq. 5 */
  DPO4J_LOSS_SFT = 13,         /* -pi_c token_scale / pair_scale: cross entropy, a mean over chosen tokens */
  DPO4J_LOSS_SIGMOID_NORM = 14,  /* -ls(b (s_c/n_c - s_r/n_r)): Lambert et al. 2024 (Tulu 3) */
  DPO4J_LOSS_DPOP = 15,          /* -ls(b (u_c - u_r - dpop_lambda max(0, ref_c - pi_c))): Pal et al. 2024, eq. 4 */
  DPO4J_LOSS_DPOP_ADDITIVE = 16, /* -ls(b (u_c - u_r)) + dpop_lambda max(0, ref_c - pi_c): as some trainers have it */
  DPO4J_LOSS_CPO = 17,           /* -(1-e) ls(b (pi_c - pi_r)) - e ls(-b (pi_c - pi_r)): Xu et al. 2024, eq. 3; add sft for its NLL */
  DPO4J_LOSS_CPO_HINGE = 18,     /* max(0, 1 - b (pi_c - pi_r)) */
  DPO4J_LOSS_CPO_IPO = 19,       /* (pi_c/n_c - pi_r/n_r - 1/(2b))^2 */
  DPO4J_LOSS_SIMPO = 20,         /* -(1-e) ls(x) - e ls(-x), x = b (pi_c/n_c - pi_r/n_r) - simpo_gamma: Meng et al. 2024, eq. 6 */
  DPO4J_LOSS_ALPHAPO = 21,       /* simpo's of r = (1 - p^-alpha)/alpha, p = exp(pi/n): Gupta et al. 2025; alphapo_alpha 0: pi/n */
  DPO4J_LOSS_ORPO = 22,          /* -b ls(log odds_c - log odds_r), odds = p/(1-p), p = exp(pi/n): Hong et al. 2024; add sft for its NLL */
  DPO4J_LOSSES = 23
};

/* What a loss reads. A call that gives what none of its losses reads is refused. */
enum dpo4j_trait {
  DPO4J_TRAIT_REFERENCE = 1 << 0,       /* the log-probs of a reference; without one they are 0 */
  DPO4J_TRAIT_NEEDS_REFERENCE = 1 << 1, /* a call without a reference is refused */
  DPO4J_TRAIT_DIVERGENCE = 1 << 2,      /* the formula has s(u), so every divergence is defined for it */
  DPO4J_TRAIT_SMOOTHING = 1 << 3,       /* label_smoothing */
  DPO4J_TRAIT_NEEDS_SMOOTHING = 1 << 4, /* label_smoothing must be above 0 */
  DPO4J_TRAIT_LENGTHS = 1 << 5,         /* averages over the tokens of a completion */
  DPO4J_TRAIT_WEIGHTING = 1 << 6,       /* use_weighting: the loss is a sum over pairs, each of which can be weighted */
  DPO4J_TRAIT_TOKEN_SCALE = 1 << 7,     /* token_scale: the loss is a mean over the chosen tokens of the optimizer step */
  DPO4J_TRAIT_RUNNING_MEAN = 1 << 8,    /* running_mean */
  DPO4J_TRAIT_SORTS_PAIRS = 1 << 9,     /* the loss depends on all pairs of the call together */
  DPO4J_TRAIT_DISCOPOP_TAU = 1 << 16,   /* from here on: the option of this name */
  DPO4J_TRAIT_DPOP_LAMBDA = 1 << 17,
  DPO4J_TRAIT_SIMPO_GAMMA = 1 << 18,
  DPO4J_TRAIT_ALPHAPO_ALPHA = 1 << 19
};

/* The dpo4j_trait bits of a dpo4j_loss; 0 for any other number. */
DPO4J_API int32_t dpo4j_loss_traits(int32_t loss);

/* The score s(u) of a log-ratio: f'(exp(u)) of Wang et al. 2024, less f'(1), so that s(0) is 0. Exponents are taken as at most 80, so that no
   score is infinite. A loss that reads a reference and has no DPO4J_TRAIT_DIVERGENCE is defined for reverse_kl alone: a call that has
   one with another divergence is refused. */
enum dpo4j_divergence {
  DPO4J_DIVERGENCE_REVERSE_KL = 0, /* u */
  DPO4J_DIVERGENCE_FORWARD_KL = 1, /* 1 - exp(-u) */
  DPO4J_DIVERGENCE_JS = 2,         /* log 2 + ls(u) */
  DPO4J_DIVERGENCE_ALPHA = 3       /* (exp((a-1) u) - 1) / (a-1), u where a is 1: a = f_alpha_divergence_coef */
};

enum { DPO4J_TERMS = 8 };

/* The loss of a pair is the sum of weight times loss over its terms. An option that no term uses must be 0: nothing is ignored. */
typedef struct dpo4j_preference {
  int32_t terms;                 /* 1 to DPO4J_TERMS */
  int32_t loss[DPO4J_TERMS];     /* dpo4j_loss of each term, as many as terms says */
  float weight[DPO4J_TERMS];     /* of each term, finite */
  float beta;                    /* above 0, finite */
  float label_smoothing;         /* in [0, 0.5); above 0 where a term is exo_pair */
  int32_t f_divergence_type;     /* dpo4j_divergence */
  float f_alpha_divergence_coef; /* finite */
  float discopop_tau;            /* in (0, 1] */
  float dpop_lambda;             /* at least 0, finite */
  float simpo_gamma;             /* finite; of simpo and alphapo */
  float alphapo_alpha;           /* finite */
  int32_t use_weighting;         /* 1: losses are multiplied by exp of the mean log weight of chosen, and of rejected; no gradient: WPO */
} dpo4j_preference;

/* Metrics are f64[DPO4J_METRICS,2] = (sum, count), added to what is there, so that micro-batches add up exactly. */
enum dpo4j_metric {
  DPO4J_METRIC_LOSS = 0,          /* of pairs, or of completions */
  DPO4J_METRIC_REWARD_CHOSEN = 1, /* beta u, or beta pi without a reference */
  DPO4J_METRIC_REWARD_REJECTED = 2,
  DPO4J_METRIC_ACCURACY = 3,    /* reward chosen > reward rejected, strictly */
  DPO4J_METRIC_MARGIN = 4,      /* reward chosen - reward rejected */
  DPO4J_METRIC_LOGP_CHOSEN = 5, /* pi */
  DPO4J_METRIC_LOGP_REJECTED = 6,
  DPO4J_METRIC_LOGIT_CHOSEN = 7, /* from here: of tokens, counted only where statistics are given */
  DPO4J_METRIC_LOGIT_REJECTED = 8,
  DPO4J_METRIC_ENTROPY = 9,         /* chosen and rejected */
  DPO4J_METRIC_TOKEN_ACCURACY = 10, /* chosen */
  DPO4J_METRIC_KL = 11,             /* unpaired_loss: the baseline of each call */
  DPO4J_METRICS = 12
};

/* Whether a call could take these options; text as in dpo4j_cuda_device_count, naming the option. Needs no context. */
DPO4J_API int32_t dpo4j_preference_check(const dpo4j_preference* preference, char* text, size_t text_bytes);

typedef struct dpo4j_preference_loss_params {
  float* losses;           /* f32[pairs] */
  float* d_sums;           /* f32[2*pairs] = pair_scale times d (sum of losses) / d sums */
  double* metrics;         /* f64[DPO4J_METRICS,2], or null */
  double* running_mean;    /* f64[2] = (sum, count) of rewards, for bco_pair; this call's are added before it is read. Null: no shift */
  void* workspace;         /* dpo4j_preference_loss_workspace_bytes; null where that is 0 */
  const float* sums;       /* f32[2*pairs]: chosen, rejected of pair 0, of pair 1, ... */
  const float* reference;  /* the same; null for the reference-free loss, and where no term reads a reference */
  const int32_t* lengths;  /* i32[2*pairs], tokens of each completion; may be null where no term averages and there are no statistics */
  const float* statistics; /* f32[2*pairs, DPO4J_TOKEN_STATISTICS], sums over each completion; may be null without use_weighting */
  int64_t pairs;
  float pair_scale;    /* 1 / pairs of the whole optimizer step */
  float token_scale;   /* 1 / chosen tokens of the whole optimizer step, of the sft term; else 0 */
  const float* scales; /* null; or f32[2] = (pair_scale, token_scale), read when the device gets there, so that a call can be repeated with
                              other values: the two fields are then 0, and the values on the device are not checked */
  dpo4j_preference preference;
} dpo4j_preference_loss_params;

/* Bytes of scratch; 0 unless a loss has DPO4J_TRAIT_SORTS_PAIRS. *preference is host memory. */
DPO4J_API size_t dpo4j_preference_loss_workspace_bytes(int64_t pairs, const dpo4j_preference* preference);
/* Loss, gradient and metrics of each pair. */
DPO4J_API int32_t dpo4j_preference_loss(dpo4j_context*, const dpo4j_preference_loss_params* params);

/* ---- unpaired_loss: losses of single completions, each desirable or not, in one launch ----------------------------------------------- */

enum dpo4j_unpaired {
  DPO4J_UNPAIRED_KTO = 0,      /* desirable: w (1 - sg(b (u - kl))), else w (1 - sg(b (kl - u))): Ethayarajh et al. 2024, eq. 7 */
  DPO4J_UNPAIRED_APO_ZERO = 1, /* desirable: w (1 - sg(b u)), else w sg(b u): D'Oosterlinck et al. 2024 */
  DPO4J_UNPAIRED_LOSSES = 2
};

typedef struct dpo4j_unpaired_options {
  int32_t loss;             /* dpo4j_unpaired */
  float beta;               /* above 0, finite */
  float desirable_weight;   /* at least 0, finite */
  float undesirable_weight; /* at least 0, finite */
} dpo4j_unpaired_options;

typedef struct dpo4j_unpaired_loss_params {
  float* losses;            /* f32[completions] */
  float* d_sums;            /* f32[completions] = scale times d (sum of losses) / d sums */
  double* metrics;          /* as of preference_loss, or null; desirable counts as chosen, accuracy and margin stay as they were */
  const float* sums;        /* f32[completions] */
  const float* reference;   /* f32[completions] */
  const int32_t* desirable; /* i32[completions], 0 or 1 */
  const int32_t* lengths;   /* i32[completions], or null without statistics */
  const float* statistics;  /* as of preference_loss, or null */
  int64_t completions;
  const float* kl_sums;      /* f32[kl_completions]: sums of completions that belong to other prompts */
  const float* kl_reference; /* f32[kl_completions] */
  int64_t kl_completions;    /* 0 for apo_zero, which has no kl */
  float scale;               /* 1 / completions of the whole optimizer step */
  dpo4j_unpaired_options options;
} dpo4j_unpaired_loss_params;

/* Loss, gradient and metrics of each completion. kl = max(0, mean of kl_sums - kl_reference); it takes no gradient. */
DPO4J_API int32_t dpo4j_unpaired_loss(dpo4j_context*, const dpo4j_unpaired_loss_params* params);

/* ---- gradient_norm: global L2 norm and the clip factor of torch.nn.utils.clip_grad_norm_ --------------------------------------------- */

typedef struct dpo4j_gradient_norm_params {
  float* norm;           /* f32[2] = {L2 norm, clip factor} */
  void* workspace;       /* dpo4j_gradient_norm_workspace_bytes; contents undefined before and after */
  const float* gradient; /* f32[count] */
  int64_t count;
  float max_norm; /* finite; 0: the factor is 1 */
} dpo4j_gradient_norm_params;

DPO4J_API size_t dpo4j_gradient_norm_workspace_bytes(int64_t count);
/* The factor is min(1, max_norm / (L2 norm + 1e-6)). A norm that is not finite makes both NaN. */
DPO4J_API int32_t dpo4j_gradient_norm(dpo4j_context*, const dpo4j_gradient_norm_params* params);

/* ---- adamw: decoupled weight decay (Loshchilov and Hutter 2019), as torch.optim.AdamW ------------------------------------------------ */

/* f64, because a step takes 1 - beta1 and 1 - beta2, computed in f64 and then rounded to f32: 1 - 0.999 in f32 is 1.3e-5 of itself off. */
typedef struct dpo4j_adamw_options {
  double beta1;
  double beta2;
  double epsilon;
  double weight_decay;
} dpo4j_adamw_options;

typedef struct dpo4j_adamw_params {
  void* parameter; /* dtype[count] */
  float* master;   /* f32[count], the exact value, whose rounding to nearest the parameter is; or null, see below */
  void* m;         /* moments_dtype[count], as v: means of the gradient and of its square */
  void* v;
  const float* gradient;  /* f32[count] */
  const float* rates;     /* f32[3] on the device = {lr, c1 = 1/(1-b1^t), c2 = 1/(1-b2^t)} */
  const float* clip;      /* f32 on the device, gradient_norm's factor; or null for 1 */
  const uint32_t* random; /* u32[3] on the device = {low, high half of a seed, number of the step}; or null, see below */
  int64_t first;          /* number of the call's first element: at least 0, a multiple of 8 */
  int64_t count;
  dpo4j_adamw_options options;
  int32_t dtype;
  int32_t moments_dtype; /* DPO4J_F32; or DPO4J_BF16 where random is given */
} dpo4j_adamw_params;

/* g = clip * gradient; parameter *= 1 - lr decay; m = b1 m + (1-b1) g; v = b2 v + (1-b2) g^2;
   parameter -= lr c1 m / (sqrt(v c2) + epsilon). A NaN clip leaves everything as it was: no step is taken.
   A parameter of DPO4J_F32 is exact: master may be null, random is. With DPO4J_BF16 either master or random is null. With random the parameter
   becomes one of the two bfloat16 about the exact value, the further one with the probability that makes the mean exact. Element i of the call
   has number first + i, and is rounded up in magnitude where its bits that are dropped and 16 random bits reach 2^16: bits 16 j to 16 j + 15,
   j = number mod 8, of Philox4x32-10 (Salmon et al. 2011) with counter {number / 8 (64 bits), step, 0} and the seed as key. m and v of
   DPO4J_BF16 are rounded likewise, by the bits of counters that end in 1 and 2 where the parameter's ends in 0. The step computes with their
   exact values. */
DPO4J_API int32_t dpo4j_adamw(dpo4j_context*, const dpo4j_adamw_params* params);

#ifdef __cplusplus
}
#endif

#endif
