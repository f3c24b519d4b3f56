/*
 * dpo4j: operations for Direct Preference Optimization on one device. This is the only public header.
 *
 * Conventions of every operation below, unless it says otherwise
 *   context    the first argument: a device, and the stream or threads that run the work. Only one thread at a time may use a context.
 *   addresses  memory of the context's device, owned by the caller. Fields of params list outputs first, then inputs. An operation keeps no
 *              address after its work has run. Outputs may not overlap inputs, unless the operation says "may alias".
 *   alignment  16 bytes, for addresses and for every row of a tensor with a row stride. 4 bytes are enough for index arrays (i32). They are
 *              also enough for arrays with one f32 per row, token, completion or pair in scale_rows, column_sum, token_logprob,
 *              lm_head_forward, lm_head_exponentials, sequence_sum and the losses, and for the words of sample_tokens, so that a call may start at any row; and for
 *              single f32 and i32 of optimizers and count_step.
 *              `statistics` has four f32 per row and needs 16 bytes.
 *   strides    in elements, between the starts of consecutive rows. Memory is row-major.
 *   dtype      the storage type of tensors whose comment names no type: DPO4J_F32 or DPO4J_BF16. Logits of
 *              token_logprob can be DPO4J_F16 too. A tensor marked f32, i32 or f64 always has that type. Arithmetic is fp32
 *              or wider.
 *   params     a struct in host memory, read before the call returns. Addresses in it are device addresses unless a field says otherwise.
 *              dpo4j_struct_layout returns the offsets of its fields, which this header declares one per line.
 *   status     DPO4J_OK, or why the call was refused; dpo4j_error_text(context) then names the argument. A refused call does nothing.
 *   order      sums have a fixed order that depends only on the sizes of the operation: same inputs, same bits. The result of a row does
 *              not depend on other rows of the call.
 *   sizes      below 2^31, except `count`; products of sizes may exceed 2^31. A call of zero rows does nothing.
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

/* Increases by one with every change of a signature, a struct or the meaning of an argument. */
#define DPO4J_ABI_VERSION 26

enum dpo4j_status {
  DPO4J_OK = 0,
  DPO4J_INVALID_ARGUMENT = 1, /* a size, address, alignment or option; the text names the argument */
  DPO4J_UNSUPPORTED = 2,      /* this build or device cannot do it; the text says what is missing and what to do */
  DPO4J_DEVICE_ERROR = 3,     /* a CUDA call failed; the text contains CUDA's error message */
  DPO4J_NULL_CONTEXT = 4      /* the context is null, so there is nowhere to store a text */
};

enum dpo4j_dtype { DPO4J_F32 = 0, DPO4J_BF16 = 1, DPO4J_F16 = 2 };

enum dpo4j_device { DPO4J_CPU = 0, DPO4J_CUDA = 1 };

/* Instruction set of a cpu context. AUTO is the widest that the processor supports. */
enum dpo4j_cpu_isa { DPO4J_ISA_AUTO = 0, DPO4J_ISA_PORTABLE = 1, DPO4J_ISA_AVX2 = 2, DPO4J_ISA_AVX512 = 3 };

typedef struct dpo4j_context dpo4j_context;

/* ---- library, devices, contexts ------------------------------------------------------------------------------------------------------ */

/* Unless it says otherwise, a function with an argument `text` writes to it one sentence that says why the call failed, or "" if it did
   not. The text is cut to text_bytes, including the final 0. `text` may be null. */

DPO4J_API int32_t dpo4j_abi_version(void);

/* One line of key=value pairs, separated by spaces: version, compiler, cuda (compiled architectures, or none), emulated (0 or 1). Static
   storage. */
DPO4J_API const char* dpo4j_build_info(void);

/* Writes the layout of a struct of this header to `text`, for bindings in other languages: for each field, in order, a line `field offset
   size type`, then a line `size` with the bytes of the struct. With a null name it writes the names of all structs, one per line.
   INVALID_ARGUMENT: there is no such struct. */
DPO4J_API int32_t dpo4j_struct_layout(const char* name, char* text, size_t text_bytes);

/* The widest dpo4j_cpu_isa that the processor supports. */
DPO4J_API int32_t dpo4j_cpu_isa_best(void);

/* The number of devices that the CUDA driver offers. Can be called without a driver. UNSUPPORTED: this build has no CUDA kernels.
   DEVICE_ERROR: there is no driver, or it is too old. */
DPO4J_API int32_t dpo4j_cuda_device_count(int32_t* count, char* text, size_t text_bytes);

/* Properties of a CUDA device: name (cut to name_bytes including the final 0), compute capability times ten (sm_90: 90), bytes of memory,
   and the version of the driver in CUDA's encoding (13.0: 13000). Outputs may be null. Status as in dpo4j_cuda_device_count. */
DPO4J_API int32_t dpo4j_cuda_device_info(int32_t ordinal, char* name, size_t name_bytes, int32_t* capability, int64_t* memory_bytes,
                                         int32_t* driver_version, char* text, size_t text_bytes);

/* The max number of blocks in a thread block cluster on device `ordinal`, but at most 8; 1 if the device or the build does not support
   clusters. Creates the device's CUDA context. Status as in dpo4j_cuda_device_count. */
DPO4J_API int32_t dpo4j_cuda_max_cluster(int32_t ordinal, int32_t* blocks, char* text, size_t text_bytes);

/* Writes the message for a nonzero cudaError_t that `call` returned; "" in a build without CUDA kernels. After some errors, every later
   CUDA call of the process fails. Their messages name the first such error, and say to restart the process. */
DPO4J_API void dpo4j_cuda_describe_failure(int32_t error, const char* call, char* text, size_t text_bytes);

/* Checks a comma-separated list of kernels to turn off. A kernel can be turned off if it needs one architecture and other kernels compute
   the same results. Null and "" are empty lists. INVALID_ARGUMENT: a name is unknown; the text names it and all known ones. */
DPO4J_API int32_t dpo4j_cuda_check_kernels(const char* names, char* text, size_t text_bytes);

/* Creates a context with `threads` CPU threads (0: as many as the process may use). On it, a call returns when its work has finished.
   INVALID_ARGUMENT: threads is not in [0, 1024], or isa is unknown. UNSUPPORTED: the processor lacks isa. DEVICE_ERROR: threads or memory
   could not be allocated. */
DPO4J_API int32_t dpo4j_cpu_context_create(dpo4j_context** context, int32_t threads, int32_t isa);

/* Creates a context on device `ordinal` and a stream that the caller owns (a cudaStream_t; null is the default stream). The context does
   not use the kernels in `without`, a list as in dpo4j_cuda_check_kernels. `resident_clusters` is for tests. If it is 0, the device is
   asked how many blocks or clusters it can run at once. A number above 0 replaces the device's answer, so that a persistent block processes
   several tiles even if the shape is small. Status as in dpo4j_cuda_device_count; INVALID_ARGUMENT names the argument. */
DPO4J_API int32_t dpo4j_cuda_context_create(dpo4j_context** context, int32_t ordinal, void* stream, const char* without,
                                            int32_t resident_clusters, char* text, size_t text_bytes);

/* 1 if calls on this context use the kernel `name` for the shapes and types that it supports, else 0. Names as in
   dpo4j_cuda_check_kernels. */
DPO4J_API int32_t dpo4j_cuda_has_kernel(const dpo4j_context*, const char* name);

/* Does not wait for work that is queued on the stream. The context may be null. */
DPO4J_API void dpo4j_context_destroy(dpo4j_context* context);

/* Why the last call on this context was refused, with the names of the operation and the argument; "" if it was not refused. Valid until
   the next call on the context. */
DPO4J_API const char* dpo4j_error_text(const dpo4j_context* context);

/* Allocates host memory for cpu contexts, 64-byte aligned, with undefined contents. Returns null on failure. */
DPO4J_API void* dpo4j_host_allocate(size_t bytes);
DPO4J_API void dpo4j_host_free(void* address);
/* memcpy and memset, for languages that cannot access raw memory. */
DPO4J_API void dpo4j_host_copy(void* destination, const void* source, size_t bytes);
DPO4J_API void dpo4j_host_fill(void* destination, int32_t byte, size_t bytes);

/* ---- matmul: matrix products on cpu contexts (for cuda, Java calls cuBLASLt) --------------------------------------------------------- */

/* Loads the oneDNN library (libdnnl.so.3) whose sgemm computes dpo4j_matmul, once per process. INVALID_ARGUMENT: it could not be loaded. */
DPO4J_API int32_t dpo4j_matmul_library(const char* path, char* text, size_t text_bytes);

/* Loads a shared library (oneDNN, cudart or cublasLt; needs no CUDA driver), asks it for its version, and writes the version to `text`,
   such as 3.11.0. The library stays loaded. INVALID_ARGUMENT: it could not be loaded, or has no function that returns a version. */
DPO4J_API int32_t dpo4j_library_version(const char* path, char* text, size_t text_bytes);

/* op(a) is [m,k]: a itself, or the transpose of an a stored as [k,m]. op(b) is [k,n]: b itself, or the transpose of a b stored as [n,k].
   Addresses need 4-byte alignment, strides none. */
typedef struct dpo4j_matmul_params {
  void* c;          /* [m,n] of c_dtype */
  const void* a;    /* of dtype */
  const void* b;    /* of dtype */
  const void* bias; /* [n] of c_dtype, added to every row of c; null for none */
  int64_t m;
  int64_t n;
  int64_t k;
  int64_t c_stride; /* elements between the rows of c, a and b as stored */
  int64_t a_stride;
  int64_t b_stride;
  int32_t transpose_a; /* 0 or 1 */
  int32_t transpose_b; /* 0 or 1 */
  int32_t accumulate;  /* 0 or 1 */
  int32_t b_panels;    /* 0; or 1: dpo4j_pack_panels has stored b [n,k]. Then transpose_a is 0, transpose_b 1, b_stride k, alpha 1 */
  float alpha;         /* finite; 1 with a bias */
  int32_t c_dtype;     /* DPO4J_F32, or DPO4J_BF16 if dtype is */
  int32_t dtype;
} dpo4j_matmul_params;

/* c = alpha op(a) op(b) + bias, or c += alpha op(a) op(b) if accumulate is 1, without a bias. Sums are fp32. The bits of a row of c depend
   neither on m, nor on the number of threads, nor on b_panels. */
DPO4J_API int32_t dpo4j_matmul(dpo4j_context*, const dpo4j_matmul_params* params);

typedef struct dpo4j_pack_panels_params {
  void* matrix; /* [rows,columns], contiguous */
  int64_t rows;
  int64_t columns;
  int32_t dtype;
  int32_t unpacks; /* 0: from rows to panels; 1: from panels to rows */
} dpo4j_pack_panels_params;

/* Stores a matrix in panels, in place, so that products read it in the order of memory and need not pack it. A panel has 16 rows. Its words of
   32 bits are stored column by column. UNSUPPORTED: dpo4j_has_panels is 0. */
DPO4J_API int32_t dpo4j_pack_panels(dpo4j_context*, const dpo4j_pack_panels_params* params);

/* 1 if dpo4j_matmul takes a b [rows,columns] in panels: on a cpu context with AVX2 or AVX-512 (for bf16, with avx512_bf16) whose library of
   products is loaded, if rows is a multiple of 16, a row a multiple of 16 bytes, and 16 rows fit 1.25 MiB. Otherwise 0. */
DPO4J_API int32_t dpo4j_has_panels(const dpo4j_context*, int64_t rows, int64_t columns, int32_t dtype);

/* ---- embedding: rows of a table by index --------------------------------------------------------------------------------------------- */

typedef struct dpo4j_embedding_forward_params {
  void* out;              /* [rows,width] */
  const void* table;      /* [table_rows,width] */
  const int32_t* indices; /* i32[rows] */
  int64_t rows;
  int64_t table_rows;
  int64_t width;
  float scale; /* finite */
  int32_t dtype;
} dpo4j_embedding_forward_params;

/* out[row] = scale * table[indices[row]]. If the index is outside [0, table_rows), the row is NaN and the table is not read. */
DPO4J_API int32_t dpo4j_embedding_forward(dpo4j_context*, const dpo4j_embedding_forward_params* params);

typedef struct dpo4j_embedding_backward_params {
  void* d_table;           /* [table_rows,width] of d_table_dtype, accumulated */
  const void* d_out;       /* [rows,width] of dtype */
  const int32_t* order;    /* i32[rows], the row numbers, stably sorted by index */
  const int32_t* offsets;  /* i32[segments+1]: order[offsets[s]] to order[offsets[s+1]-1] are the rows with index distinct[s] */
  const int32_t* distinct; /* i32[segments], the indices that occur, each once */
  int64_t segments;
  int64_t width;
  float scale; /* finite */
  int32_t d_table_dtype;
  int32_t dtype;
} dpo4j_embedding_backward_params;

/* d_table[distinct[s]] += scale * sum of d_out[order[i]] for i in [offsets[s], offsets[s+1]), for s in [0, segments). The caller sorts on the host,
   once per batch. Rows are added in the order of the range; the device may cut a range into parts, whose sums it adds in order. So the sum is
   deterministic, and its bits depend on the range alone. If the range of s is empty, distinct[s] is not read and no row of d_table changes. So
   `segments` can be padded, for example to the number of rows. */
DPO4J_API int32_t dpo4j_embedding_backward(dpo4j_context*, const dpo4j_embedding_backward_params* params);

/* ---- copy_rows: gather rows, scatter rows, or both ----------------------------------------------------------------------------------- */

typedef struct dpo4j_copy_rows_params {
  void* out;
  const void* in;
  const int32_t* out_rows; /* i32[rows], no value twice; null: out_rows[i] = i */
  const int32_t* in_rows;  /* i32[rows]; null: in_rows[i] = i */
  int64_t rows;
  int64_t width;
  int64_t out_stride;
  int64_t in_stride;
  int32_t dtype;
} dpo4j_copy_rows_params;

/* out[out_rows[i]] = in[in_rows[i]] for i in [0, rows). A row has `width` elements. */
DPO4J_API int32_t dpo4j_copy_rows(dpo4j_context*, const dpo4j_copy_rows_params* params);

/* ---- rms_norm: y = w * x / sqrt(mean(x^2) + epsilon) (Zhang and Sennrich 2019) ------------------------------------------------------- */

/* A row has `groups` groups of `width` elements, one after the other, such as the heads of a query. Each group is normalised by itself, and
   all have the same weight. Rows start `x_stride` or `out_stride` elements apart; elements between rows are neither read nor written.

   The mean is the sum over a group divided by mean_width. If it is below width, the other width - mean_width elements of each group are
   padding: they must be 0 in x, residual, weight, d_out and d_residual, and then they are 0 in out, sum, d_x and the sum for d_weight.

   w is weight + weight_offset, in fp32: with an offset of 1, a weight of 0 only normalises. */

typedef struct dpo4j_rms_norm_forward_params {
  void* out;            /* [rows,groups,width] with row stride out_stride */
  float* rstd;          /* f32[rows,groups] = 1 / sqrt(mean(x^2) + epsilon), saved for backward */
  void* sum;            /* [rows,groups,width] with row stride x_stride, may alias x or residual; null if and only if residual is null */
  const void* x;        /* [rows,groups,width] with row stride x_stride */
  const void* residual; /* as x, or null */
  const void* weight;   /* [width] */
  int64_t rows;
  int64_t groups; /* at most 65535 */
  int64_t width;
  int64_t mean_width;  /* at most width */
  int64_t out_stride;  /* at least groups * width */
  int64_t x_stride;    /* at least groups * width */
  float epsilon;       /* finite, at least 0 */
  float weight_offset; /* finite */
  int32_t dtype;
} dpo4j_rms_norm_forward_params;

/* out = norm(x). With a residual: sum = x + residual, rounded to dtype, and out = norm(sum), in one pass. The bits are those of
   residual_forward followed by rms_norm_forward. */
DPO4J_API int32_t dpo4j_rms_norm_forward(dpo4j_context*, const dpo4j_rms_norm_forward_params* params);

typedef struct dpo4j_rms_norm_backward_params {
  void* d_x;              /* [rows,groups,width] with row stride out_stride = d_residual + the gradient of x; may alias d_out */
  float* d_weight;        /* f32[width], accumulated; null: not computed, for a frozen weight */
  void* workspace;        /* dpo4j_rms_norm_backward_workspace_bytes; contents undefined before and after */
  const void* d_out;      /* [rows,groups,width] with row stride out_stride */
  const void* d_residual; /* as d_out, may alias d_x, so that d_x accumulates the residual stream's gradient; null: 0 */
  const void* x;          /* the input of the norm, with row stride x_stride: x of forward, or its sum if it had a residual */
  const void* weight;     /* [width] */
  const float* rstd;      /* f32[rows,groups] from forward */
  int64_t rows;
  int64_t groups; /* as in forward, like all that follow */
  int64_t width;
  int64_t mean_width;
  int64_t out_stride;
  int64_t x_stride;
  float weight_offset;
  int32_t dtype;
} dpo4j_rms_norm_backward_params;

/* With groups, `rows` is rows * groups. */
DPO4J_API size_t dpo4j_rms_norm_backward_workspace_bytes(int64_t rows, int64_t width);
DPO4J_API int32_t dpo4j_rms_norm_backward(dpo4j_context*, const dpo4j_rms_norm_backward_params* params);

/* ---- layer_norm: y = weight * (x - mean) / sqrt(variance + epsilon) + bias (Ba, Kiros and Hinton 2016) ------------------------------- */

/* Mean and variance are those of the first mean_width elements of a row, and the variance is their sum of squares divided by mean_width. The
   other width - mean_width elements are padding. Padding of inputs has no effect. It is 0 in out, sum and d_x, and adds nothing to d_weight and
   d_bias. */

typedef struct dpo4j_layer_norm_forward_params {
  void* out;            /* [rows,width] */
  float* mean;          /* f32[rows], saved for backward */
  float* rstd;          /* f32[rows] = 1 / sqrt(variance + epsilon), saved for backward */
  void* sum;            /* [rows,width], may alias x or residual; null if and only if residual is null */
  const void* x;        /* [rows,width] */
  const void* residual; /* [rows,width], or null */
  const void* weight;   /* [width] */
  const void* bias;     /* [width] */
  int64_t rows;
  int64_t width;
  int64_t mean_width; /* at most width */
  float epsilon;      /* finite, at least 0 */
  int32_t dtype;
} dpo4j_layer_norm_forward_params;

/* out = norm(x). With a residual: sum = x + residual, rounded to dtype, and out = norm(sum), in one pass. The bits are those of
   residual_forward followed by layer_norm_forward. */
DPO4J_API int32_t dpo4j_layer_norm_forward(dpo4j_context*, const dpo4j_layer_norm_forward_params* params);

typedef struct dpo4j_layer_norm_backward_params {
  void* d_x;              /* [rows,width] = d_residual + the gradient of x; may alias d_out */
  float* d_weight;        /* f32[width], accumulated; null: not computed, for a frozen weight */
  float* d_bias;          /* f32[width], accumulated; null exactly where d_weight is */
  void* workspace;        /* dpo4j_layer_norm_backward_workspace_bytes; contents undefined before and after */
  const void* d_out;      /* [rows,width] */
  const void* d_residual; /* [rows,width], may alias d_x, so that d_x accumulates the residual stream's gradient; null: 0 */
  const void* x;          /* [rows,width], the input of the norm: x of forward, or its sum if it had a residual */
  const void* weight;     /* [width] */
  const float* mean;      /* f32[rows] from forward */
  const float* rstd;      /* f32[rows] from forward */
  int64_t rows;
  int64_t width;
  int64_t mean_width; /* as in forward */
  int32_t dtype;
} dpo4j_layer_norm_backward_params;

DPO4J_API size_t dpo4j_layer_norm_backward_workspace_bytes(int64_t rows, int64_t width);
DPO4J_API int32_t dpo4j_layer_norm_backward(dpo4j_context*, const dpo4j_layer_norm_backward_params* params);

/* ---- rope: rotary position embedding (Su et al. 2021) on the two halves of a head's first elements, as in Hugging Face's Llama ------- */

typedef struct dpo4j_rope_params {
  void* x;                  /* [rows,heads,head_width], rotated in place; in backward, the gradient of forward's result */
  const int32_t* positions; /* i32[rows]; a position outside [0, positions_end) makes its row NaN */
  const float* cosine;      /* f32[positions_end,rotary_width/2] */
  const float* sine;        /* f32[positions_end,rotary_width/2] */
  int64_t rows;
  int64_t heads;
  int64_t head_width;
  int64_t rotary_width; /* the first elements of a head, which are rotated; the others do not change. Even, at most head_width */
  int64_t row_stride;   /* between rows of x */
  int64_t positions_end;
  int32_t dtype;
} dpo4j_rope_params;

/* (x1, x2) -> (x1 cos - x2 sin, x2 cos + x1 sin), where x1 and x2 are the two halves of a head's first rotary_width elements. */
DPO4J_API int32_t dpo4j_rope_forward(dpo4j_context*, const dpo4j_rope_params* params);
/* The transpose of forward: (x1, x2) -> (x1 cos + x2 sin, x2 cos - x1 sin). */
DPO4J_API int32_t dpo4j_rope_backward(dpo4j_context*, const dpo4j_rope_params* params);

/* ---- attention: causal, grouped-query, over packed segments that may share a prefix -------------------------------------------------- */

/* A run of query rows. Query i of the segment (i = 0, 1, ...) attends to the key rows [prefix_begin, prefix_begin + prefix_count), and to
   those from key_begin to key_begin + key_offset + i. In training, a prompt is a segment without a prefix, and its two completions are
   segments whose prefix is the prompt. In generation, a segment has one query row, and key_offset is the number of tokens in the KV
   cache. */
typedef struct dpo4j_segment {
  int32_t query_begin;
  int32_t query_count;
  int32_t key_begin;
  int32_t key_offset;
  int32_t prefix_begin;
  int32_t prefix_count;
  int32_t dependents; /* the number of segments directly after this one whose prefix is the rows of this one; 0 for a completion */
  int32_t reserved;   /* 0 */
} dpo4j_segment;

/* The parameters that the model fixes, for forward and backward. Strides let q, k and v lie in one buffer. */
typedef struct dpo4j_attention_shape {
  int64_t heads;      /* query heads, a multiple of kv_heads; query head h uses key and value head h / (heads / kv_heads) */
  int64_t kv_heads;   /* key and value heads */
  int64_t head_width; /* elements of a head: a multiple of 8, at most 256 */
  int64_t out_stride; /* between rows of out and d_out */
  int64_t q_stride;   /* between rows of q and d_q */
  int64_t kv_stride;  /* between rows of k, v, d_k and d_v */
  float scale;        /* factor of q.k before the softmax, finite */
  float soft_cap;     /* score = soft_cap tanh(scale q.k / soft_cap); from 1e-30 to 1e30, or 0 for score = scale q.k */
  int32_t window;     /* if above 0, a query attends only to the last `window` of its keys, which it counts as one list: the prefix, then
                         the keys from key_begin on. So it attends to itself and the window - 1 tokens before it. 0 for none */
  int32_t dtype;
} dpo4j_attention_shape;

typedef struct dpo4j_attention_forward_params {
  void* out;       /* [query_rows,heads,head_width]; query rows outside all segments are not written */
  float* lse;      /* f32[query_rows,heads] = log of the sum of exp(score), saved for backward */
  void* workspace; /* dpo4j_attention_forward_workspace_bytes, or dpo4j_attention_decode_workspace_bytes if max_keys is above 0;
                                    contents undefined before and after */
  const void* q;   /* [query_rows,heads,head_width] */
  const void* k;   /* [key_rows,kv_heads,head_width] */
  const void* v;   /* [key_rows,kv_heads,head_width] */
  const dpo4j_segment* segments; /* [segment_count], on the device */
  int64_t segment_count;
  int64_t max_queries; /* max query_count of the segments */
  int64_t key_rows;    /* number of rows of k and v; segments may not name others */
  int64_t max_keys;    /* 0, or for decoding an upper bound on the keys of a query, prefix included. Then max_queries is at most 1 */
  dpo4j_attention_shape shape;
} dpo4j_attention_forward_params;

typedef struct dpo4j_attention_backward_params {
  void* d_q; /* shapes and strides of q, k and v */
  void* d_k;
  void* d_v;
  void* workspace;   /* dpo4j_attention_backward_workspace_bytes; contents undefined before and after */
  const void* d_out; /* shape and stride of out */
  const void* q;     /* q, k, v, out and lse as in forward */
  const void* k;
  const void* v;
  const void* out;
  const float* lse;
  const dpo4j_segment* segments; /* [segment_count], on the device */
  int64_t segment_count;
  int64_t max_queries; /* max query_count of the segments */
  int64_t query_rows;  /* number of rows of q, k and v; segments may not name others */
  dpo4j_attention_shape shape;
} dpo4j_attention_backward_params;

DPO4J_API size_t dpo4j_attention_forward_workspace_bytes(void);
/* For a call with max_keys above 0, whatever its window. */
DPO4J_API size_t dpo4j_attention_decode_workspace_bytes(int64_t segment_count, int64_t heads, int64_t head_width, int64_t max_keys);
/* out = softmax(scores) v over the keys that each query attends to, lse as above. All sums are fp32. In BF16 on cuda, tensor cores multiply bf16:
   forward rounds softmax weights to bf16 before it multiplies them by v, but lse is computed from unrounded weights. Backward rounds weights
   and gradients of scores before it multiplies them by d_out, k and q.
   With max_keys above 0, cuda splits the keys of a query into ranges of 256, which are summed apart and then added in order. The result of a
   query depends on its keys alone, not on max_keys or on other segments. In F32 it has the bits of a call with max_keys 0 if all keys that it
   attends to are in one range; otherwise, and in BF16, it differs from these within the error of the sums. The max_keys of a
   segment are checked on cpu; on cuda, a query with too many ranges for the workspace gets NaN. */
DPO4J_API int32_t dpo4j_attention_forward(dpo4j_context*, const dpo4j_attention_forward_params* params);

/* Of a call with these sizes on this context; 0 if one of them is not above 0. On a Hopper GPU the workspace holds sums of d_q: of all
   heads, or of those that are computed at the same time. */
DPO4J_API size_t dpo4j_attention_backward_workspace_bytes(const dpo4j_context*, int64_t query_rows, int64_t heads, int64_t kv_heads,
                                                          int64_t head_width, int32_t dtype);
/* Gradients of q, k and v. Segments must be those of training: key_begin = query_begin and key_offset = 0; every row of k is in one
   segment; a prefix is all rows of one earlier segment, directly followed by its dependents. On cpu, other segments are refused. On cuda,
   the call cannot check segments, because they are in device memory. On other segments the Hopper kernel traps, and the CUDA context is
   lost. */
DPO4J_API int32_t dpo4j_attention_backward(dpo4j_context*, const dpo4j_attention_backward_params* params);

/* ---- activation: y = f(x), or gated y = f(x) up (Shazeer 2020) ------------------------------------------------------------------------ */

enum dpo4j_activation_kind {
  DPO4J_ACTIVATION_SILU = 0,     /* x sigmoid(x) */
  DPO4J_ACTIVATION_GELU_ERF = 1, /* x Phi(x), Phi(x) = 0.5 (1 + erf(x / sqrt(2))) */
  DPO4J_ACTIVATION_GELU_TANH = 2 /* 0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) */
};

typedef struct dpo4j_activation_forward_params {
  void* out;     /* [rows,width] */
  const void* x; /* [rows,width]; gated: [rows,2*width], a row is x, then up */
  int64_t rows;
  int64_t width;
  int32_t dtype;
  int32_t kind;  /* dpo4j_activation_kind */
  int32_t gated; /* 0 or 1 */
} dpo4j_activation_forward_params;

DPO4J_API int32_t dpo4j_activation_forward(dpo4j_context*, const dpo4j_activation_forward_params* params);

typedef struct dpo4j_activation_backward_params {
  void* d_x;         /* as x: the gradient of up too if gated; may alias x */
  const void* d_out; /* [rows,width] */
  const void* x;     /* as in forward */
  int64_t rows;
  int64_t width;
  int32_t dtype;
  int32_t kind;
  int32_t gated;
} dpo4j_activation_backward_params;

DPO4J_API int32_t dpo4j_activation_backward(dpo4j_context*, const dpo4j_activation_backward_params* params);

/* ---- residual: out = a + b. There is no backward: the gradient of a and of b is d_out, which rms_norm_backward adds ------------------ */

typedef struct dpo4j_residual_forward_params {
  void* out; /* [count], may alias a or b */
  const void* a;
  const void* b;
  int64_t count;
  int32_t dtype;
} dpo4j_residual_forward_params;

DPO4J_API int32_t dpo4j_residual_forward(dpo4j_context*, const dpo4j_residual_forward_params* params);

/* ---- scale_rows: a factor per row, such as d loss / d log-prob for the unit gradient of token_logprob -------------------------------- */

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

/* ---- token_logprob: the log-prob of a row's target, log softmax(z)[target] ----------------------------------------------------------- */

/* The softmax is that of z[j] = cap tanh(scale (x[j] + bias[j]) / cap), where x[j] are the logits, or of z[j] = scale (x[j] + bias[j]) if
   cap is 0. If a logit or a bias is -inf, so is z[j]. With {null, 1, 0}, z is x, and no transform is computed. */
typedef struct dpo4j_logit_transform {
  const float* bias; /* f32[vocabulary]; null: 0 */
  float scale;       /* finite and above 0 */
  float cap;         /* 0, or from 1e-30 to 1e30 */
} dpo4j_logit_transform;

/* Fields of all three params
     logits     x[..,vocabulary] in F32, BF16 or F16 on every device. -inf marks a column that is not part of the vocabulary. If a whole row
                is -inf, its lse is -inf and its log-prob is NaN.
     row_index  i32[rows], no value twice; null: row_index[i] = i. Row i of the call is row row_index[i] of logits and d_logits. Rows that
                it does not name are neither read nor written. Row i of all other arrays belongs to row i of the call.
     targets    i32[rows]. If negative, the row is masked: its logits are not read, and its log-prob, lse, statistics and gradient are
                exactly 0. If at least vocabulary, they are all NaN. */

/* Columns of `statistics` f32[rows, DPO4J_TOKEN_STATISTICS]; p is the softmax of the row. */
enum dpo4j_token_statistic {
  DPO4J_TOKEN_ENTROPY = 0,    /* -sum_j p_j log p_j, in nats */
  DPO4J_TOKEN_HIT = 1,        /* 1 if the target is the argmax of z (the first, if several are equal), else 0 */
  DPO4J_TOKEN_MEAN_LOGIT = 2, /* the mean of z over columns that are not -inf */
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
  void* d_logits; /* [..,vocabulary], may alias logits if dtype and stride are the same */
  int64_t d_logits_stride;
  int32_t d_logits_dtype;
  const void* logits;
  const int32_t* row_index;
  int64_t vocabulary;
  int64_t logits_stride;
  dpo4j_logit_transform transform;
  int32_t dtype;
  const int32_t* targets;
  const float* lse;       /* f32[rows], from forward */
  const float* d_logprob; /* f32[rows] */
  int64_t rows;
} dpo4j_token_logprob_backward_params;

typedef struct dpo4j_token_logprob_forward_backward_params {
  void* d_logits; /* as in backward; may also alias F32 logits if it has 16 bits, see dpo4j_token_logprob_narrows_in_place */
  int64_t d_logits_stride;
  int32_t d_logits_dtype;
  float* logprob; /* logprob, lse and statistics as in forward */
  float* lse;
  float* statistics;
  const void* logits;
  const int32_t* row_index;
  int64_t vocabulary;
  int64_t logits_stride;
  dpo4j_logit_transform transform;
  int32_t dtype;
  const int32_t* targets;
  const float* d_logprob; /* f32[rows]; null: 1, so that d_logits is the unit gradient, which scale_rows can scale later */
  int64_t rows;
} dpo4j_token_logprob_forward_backward_params;

/* The log-prob of each row's target. */
DPO4J_API int32_t dpo4j_token_logprob_forward(dpo4j_context*, const dpo4j_token_logprob_forward_params* params);
/* d_logits[row,j] = d_logprob[row] * ((j == target) - exp(z[row,j] - lse[row])) dz/dx, with dz/dx = scale (1 - (z[row,j] / cap)^2), or
   scale if cap is 0. The gradient of the bias is the column_sum of d_logits. */
DPO4J_API int32_t dpo4j_token_logprob_backward(dpo4j_context*, const dpo4j_token_logprob_backward_params* params);
/* Forward and backward in one read of the logits, for a d_logprob that does not depend on the log-probs. */
DPO4J_API int32_t dpo4j_token_logprob_forward_backward(dpo4j_context*, const dpo4j_token_logprob_forward_backward_params* params);
/* Whether forward_backward may write a gradient of 16 bits over its own rows of F32 logits: 1 or 0. Then d_logits is at the address of logits,
   d_logits_stride is 2 logits_stride, and each row of the gradient is in the first half of its row of logits. A cuda context can do it if the
   shared memory of a block, or of the blocks of a cluster, holds a row. A cpu context always can. */
DPO4J_API int32_t dpo4j_token_logprob_narrows_in_place(const dpo4j_context*, int64_t vocabulary);

/* ---- sample_tokens: the next token of each row of logits ----------------------------------------------------------------------------- */

/* A bitmap of ids is u32[(vocabulary + 31) / 32]: bit id % 32 of word id / 32. */
typedef struct dpo4j_sample_tokens_params {
  int32_t* tokens;            /* i32[rows] */
  uint32_t* seen;             /* a bitmap per sequence, of the ids that it contains; updated. Null: repetition_penalty must be 1 */
  const float* logits;        /* f32[..,vocabulary] */
  const int32_t* logits_rows; /* i32[rows], the row of logits; null: row i */
  const int32_t* seen_rows;   /* i32[rows], the row of seen, no value twice; null: row i */
  const uint32_t* suppressed; /* a bitmap of ids that are not sampled before token min_new_tokens; null: none */
  const uint32_t* draws;      /* u32[rows,4] = {low half of the seed, high half of the seed, sample, number of the token, from 0} */
  int64_t rows;
  int64_t vocabulary;
  int64_t logits_stride;
  int64_t seen_stride; /* words */
  dpo4j_logit_transform transform;
  float repetition_penalty; /* finite and above 0; 1: none */
  float temperature;        /* from 1e-30 to 1e30, or 0: greedy */
  float top_p;              /* in [0, 1]; 1: none */
  float min_p;              /* in [0, 1]; 0: none */
  int32_t top_k;            /* at least 0; 0: none */
  int32_t min_new_tokens;   /* at least 0 */
} dpo4j_sample_tokens_params;

/* tokens[row] = an id, by the steps below, in the order of transformers' LogitsProcessorList. A row with a logit that is not finite gets
   -1 - id, with the first such id; so does a row where step 1, 2 or 4 overflows. Then seen does not change.
     1. z = the transform of the logits, as in token_logprob.
     2. z of ids in seen is divided by repetition_penalty if it is at least 0, else multiplied by it (Keskar et al. 2019).
     3. If the number of the token is below min_new_tokens, z of suppressed ids is -inf.
     4. With temperature 0, the token is the id with the max z, the lowest among equal ones. Else z is divided by temperature.
     5. top_k keeps ids whose z is at least the k-th largest; so it keeps all that equal it.
     6. top_p removes ids in ascending order of z, while their probability together is at most 1 - top_p. It keeps at least one id. The
        probabilities are those of the ids that top_k keeps. Of ids with equal z, the highest are removed first.
     7. min_p removes ids whose probability is below min_p times the max probability.
     8. A token is drawn from softmax(z) of the remaining ids: the first, in order of ids, whose cumulative probability exceeds u.
   u in [0, 1) has 64 bits, words 0 and 1 (low and high half) of Philox4x32-10 (Salmon et al. 2011) with the seed as key and the counter
   {sample, number of the token, 0, 0}. So a text depends on seed and sample, and not on the batch. At last, the token is added to seen.

   Probabilities are sums of integers, exp(z - max z) 2^s rounded down, with s = 62 minus the bits of vocabulary - 1. Integer sums do not
   depend on their order. An id whose probability is below 2^-s times the max is never drawn. */
DPO4J_API int32_t dpo4j_sample_tokens(dpo4j_context*, const dpo4j_sample_tokens_params* params);

/* ---- column_sum: the gradient of a bias ---------------------------------------------------------------------------------------------- */

typedef struct dpo4j_column_sum_params {
  float* sums;    /* f32[width], accumulated */
  const void* in; /* [rows,width] */
  int64_t rows;
  int64_t width;
  int64_t in_stride;
  int32_t dtype;
  const float* scale; /* f32[rows]; null: 1 */
} dpo4j_column_sum_params;

/* sums += sum over rows of scale[row] in[row,:], in an order that depends only on rows and width. */
DPO4J_API int32_t dpo4j_column_sum(dpo4j_context*, const dpo4j_column_sum_params* params);

/* ---- lm_head_forward: token_logprob of the logits hidden weight^T, which are never in memory ----------------------------------------- */

/* Why the context cannot run lm_head_forward, or "". It needs a Hopper GPU (compute capability 9.0), a library with code for sm_90a, a
   context that does not turn the kernel off, and DPO4J_BF16. Otherwise use a matrix product and token_logprob_forward. Static storage. */
DPO4J_API const char* dpo4j_lm_head_forward_lacks(const dpo4j_context*, int32_t dtype);

typedef struct dpo4j_lm_head_forward_params {
  float* logprob;     /* f32[rows] */
  float* lse;         /* f32[rows] */
  float* statistics;  /* f32[rows, DPO4J_TOKEN_STATISTICS], or null */
  void* workspace;    /* dpo4j_lm_head_forward_workspace_bytes; contents undefined before and after */
  const void* hidden; /* hidden states [rows,hidden_width]; a masked row has no effect */
  int64_t hidden_stride;
  const int32_t* targets; /* i32[rows] */
  int64_t rows;
  const void* weight; /* [vocabulary,hidden_width] */
  int64_t weight_stride;
  int64_t vocabulary;
  int64_t hidden_width;
  dpo4j_logit_transform transform;
  int32_t dtype; /* of hidden and weight */
} dpo4j_lm_head_forward_params;

DPO4J_API size_t dpo4j_lm_head_forward_workspace_bytes(int64_t rows, int64_t vocabulary);
/* logprob, lse and statistics of token_logprob_forward for the fp32 logits x[row,j] = hidden[row] . weight[j], also for masked rows and for
   logits of -inf or NaN. The bits of logprob and lse do not depend on statistics. */
DPO4J_API int32_t dpo4j_lm_head_forward(dpo4j_context*, const dpo4j_lm_head_forward_params* params);

/* ---- lm_head_exponentials: lm_head_forward, and the exponentials of the softmax for the backward pass -------------------------------- */

/* Why the context cannot run lm_head_exponentials, or "": as dpo4j_lm_head_forward_lacks. Otherwise use a matrix product and
   token_logprob_forward_backward. Static storage. */
DPO4J_API const char* dpo4j_lm_head_exponentials_lacks(const dpo4j_context*, int32_t dtype);

typedef struct dpo4j_lm_head_exponentials_params {
  float* logprob;     /* f32[rows] */
  float* lse;         /* f32[rows] */
  float* statistics;  /* f32[rows, DPO4J_TOKEN_STATISTICS], or null */
  float* factors;     /* f32[rows]; 0 in masked rows */
  void* exponentials; /* [rows,vocabulary rounded up to 8]; 0 beyond the vocabulary, and in masked rows */
  int64_t exponentials_stride;
  void* workspace;    /* dpo4j_lm_head_exponentials_workspace_bytes; contents undefined before and after */
  const void* hidden; /* hidden states [rows,hidden_width]; a masked row has no effect */
  int64_t hidden_stride;
  const int32_t* targets; /* i32[rows] */
  int64_t rows;
  const void* weight; /* [vocabulary,hidden_width] */
  int64_t weight_stride;
  int64_t vocabulary;
  int64_t hidden_width;
  dpo4j_logit_transform transform;
  int32_t dtype; /* of exponentials, hidden and weight */
} dpo4j_lm_head_exponentials_params;

DPO4J_API size_t dpo4j_lm_head_exponentials_workspace_bytes(int64_t rows, int64_t vocabulary);
/* logprob, lse and statistics with the bits of lm_head_forward, and d logprob[row] / d x[row,j] = factors[row] exponentials[row,j]. The exponentials of a
   row share a power of two, so the sizes of factors differ between rows. */
DPO4J_API int32_t dpo4j_lm_head_exponentials(dpo4j_context*, const dpo4j_lm_head_exponentials_params* params);

/* ---- sequence_sum: sums of per-token values over completions ------------------------------------------------------------------------- */

/* Ranges of tokens, and a factor for each token. Sequences 2i and 2i+1 are a pair (their number must be even unless tail_factor is 1). The
   factor of a token is 1 up to the length of the shorter sequence of its pair, and tail_factor beyond it (LD-DPO, Liu et al. 2024). */
typedef struct dpo4j_sequences {
  const int32_t* offsets; /* i32[sequences+1], not decreasing: sequence s is the tokens [offsets[s], offsets[s+1]) */
  int64_t sequences;
  int64_t width;     /* values per token */
  float tail_factor; /* in [0,1] */
  int32_t average;   /* 1: the factor is divided by max(1, tokens of the sequence); 0: it is not */
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
/* d_values[i,:] = factor_i d_sums[s,:] for the tokens i of s. */
DPO4J_API int32_t dpo4j_sequence_sum_backward(dpo4j_context*, const dpo4j_sequence_sum_backward_params* params);

/* ---- preference_loss: losses of pairs, their gradients and metrics, from summed log-probs, in one launch ----------------------------- */

/* Names are TRL's loss_type, if TRL has the loss. c: chosen; r: rejected; pi, ref: log-prob of a completion, summed over its tokens, under
   the policy and the reference; u = pi - ref; s(u): score of the divergence, u itself for reverse_kl; D = s(u_c) - s(u_r); n: tokens of a
   completion, at least 1; b: beta; e: label_smoothing; ls: log sigmoid; sg: sigmoid. */
enum dpo4j_loss {
  DPO4J_LOSS_SIGMOID = 0,      /* -(1-e) ls(bD) - e ls(-bD): Rafailov et al. 2023, eq. 7; e > 0 is conservative DPO */
  DPO4J_LOSS_HINGE = 1,        /* max(0, 1 - bD): Zhao et al. 2023 (SLiC) */
  DPO4J_LOSS_IPO = 2,          /* (s(u_c)/n_c - s(u_r)/n_r - 1/(2b))^2: Azar et al. 2023, eq. 17, on averages, as its authors recommend */
  DPO4J_LOSS_EXO_PAIR = 3,     /* sg(bD) (ls(bD) - log(1-e)) + sg(-bD) (ls(-bD) - log e), e > 0: Ji et al. 2024, eq. 16 */
  DPO4J_LOSS_NCA_PAIR = 4,     /* -ls(b u_c) - ls(-b u_c)/2 - ls(-b u_r)/2: Chen et al. 2024 */
  DPO4J_LOSS_ROBUST = 5,       /* (-(1-e) ls(bD) + e ls(-bD)) / (1-2e): Chowdhury et al. 2024 */
  DPO4J_LOSS_BCO_PAIR = 6,     /* -ls(b u_c - d) - ls(-(b u_r - d)), d: mean of running_mean, 0 if it is null: Jung et al. 2024 */
  DPO4J_LOSS_SPPO_HARD = 7,    /* (u_c - 1/(2b))^2 + (u_r + 1/(2b))^2: Wu et al. 2024, eq. 4.7 */
  DPO4J_LOSS_AOT = 8,          /* SIGMOID with D = sort(pi_c - pi_r) - sort(ref_c - ref_r) over the pairs of the call: Melnyk et al. 2024 */
  DPO4J_LOSS_AOT_UNPAIRED = 9, /* SIGMOID with D = sort(u_c) - sort(u_r) over the pairs of the call: Melnyk et al. 2024 */
  DPO4J_LOSS_APO_ZERO = 10,    /* 1 - sg(b u_c) + sg(b u_r): D'Oosterlinck et al. 2024, eq. 7 */
  DPO4J_LOSS_APO_DOWN = 11,    /* sg(b u_c) + 1 - sg(b (u_c - u_r)): D'Oosterlinck et al. 2024, eq. 8 */
  DPO4J_LOSS_DISCOPOP = 12,    /* -ls(bD) (1-m) + exp(-bD) m, m = sg(bD/discopop_tau): Lu et al. 2024, eq. 5 */
  DPO4J_LOSS_SFT = 13,         /* -pi_c token_scale / pair_scale: cross entropy, a mean over chosen tokens */
  DPO4J_LOSS_SIGMOID_NORM = 14,  /* -ls(b (s(u_c)/n_c - s(u_r)/n_r)): Lambert et al. 2024 (Tulu 3) */
  DPO4J_LOSS_DPOP = 15,          /* -ls(b (u_c - u_r - dpop_lambda max(0, ref_c - pi_c))): Pal et al. 2024, eq. 4 */
  DPO4J_LOSS_DPOP_ADDITIVE = 16, /* -ls(b (u_c - u_r)) + dpop_lambda max(0, ref_c - pi_c): as in some trainers */
  DPO4J_LOSS_CPO = 17,           /* -(1-e) ls(b (pi_c - pi_r)) - e ls(-b (pi_c - pi_r)): Xu et al. 2024, eq. 3, without NLL: add sft */
  DPO4J_LOSS_CPO_HINGE = 18,     /* max(0, 1 - b (pi_c - pi_r)) */
  DPO4J_LOSS_CPO_IPO = 19,       /* (pi_c/n_c - pi_r/n_r - 1/(2b))^2 */
  DPO4J_LOSS_SIMPO = 20,         /* -(1-e) ls(x) - e ls(-x), x = b (pi_c/n_c - pi_r/n_r) - simpo_gamma: Meng et al. 2024, eq. 6 */
  DPO4J_LOSS_ALPHAPO = 21,       /* SIMPO with (1 - p^-a)/a, p = exp(pi/n), a = alphapo_alpha, for pi/n: Gupta et al. 2025; same if a = 0 */
  DPO4J_LOSS_ORPO = 22,          /* -b ls(log odds_c - log odds_r), odds = p/(1-p), p = exp(pi/n): Hong et al. 2024, without NLL: add sft */
  DPO4J_LOSSES = 23
};

/* What a loss reads. If none of the losses of a call reads an argument that is given, the call is refused. */
enum dpo4j_trait {
  DPO4J_TRAIT_REFERENCE = 1 << 0,       /* the log-probs of a reference; without a reference, they are 0 */
  DPO4J_TRAIT_NEEDS_REFERENCE = 1 << 1, /* a call without a reference is refused */
  DPO4J_TRAIT_DIVERGENCE = 1 << 2,      /* the formula contains s(u), so the loss is defined for every divergence */
  DPO4J_TRAIT_SMOOTHING = 1 << 3,       /* label_smoothing */
  DPO4J_TRAIT_NEEDS_SMOOTHING = 1 << 4, /* label_smoothing must be above 0 */
  DPO4J_TRAIT_LENGTHS = 1 << 5,         /* the formula contains n, so lengths must not be null */
  DPO4J_TRAIT_WEIGHTING = 1 << 6,       /* use_weighting: the loss is a sum over pairs, and each pair can have a weight */
  DPO4J_TRAIT_TOKEN_SCALE = 1 << 7,     /* token_scale: the loss is a mean over the chosen tokens of the optimizer step */
  DPO4J_TRAIT_RUNNING_MEAN = 1 << 8,    /* running_mean */
  DPO4J_TRAIT_SORTS_PAIRS = 1 << 9,     /* the loss sorts the pairs of the call, so it depends on all of them together */
  DPO4J_TRAIT_DISCOPOP_TAU = 1 << 16,   /* the option of this name; likewise the next three */
  DPO4J_TRAIT_DPOP_LAMBDA = 1 << 17,
  DPO4J_TRAIT_SIMPO_GAMMA = 1 << 18,
  DPO4J_TRAIT_ALPHAPO_ALPHA = 1 << 19
};

/* The dpo4j_trait bits of a dpo4j_loss; 0 for any other number. */
DPO4J_API int32_t dpo4j_loss_traits(int32_t loss);

/* The score s(u) of a log-ratio u: f'(exp(u)) - f'(1) with the f of Wang et al. 2024. So s(0) is 0. Exponents are limited to 80, so that no
   score is infinite. A loss with DPO4J_TRAIT_REFERENCE and without DPO4J_TRAIT_DIVERGENCE is defined only for reverse_kl, and is refused
   with any other divergence. */
enum dpo4j_divergence {
  DPO4J_DIVERGENCE_REVERSE_KL = 0, /* u */
  DPO4J_DIVERGENCE_FORWARD_KL = 1, /* 1 - exp(-u) */
  DPO4J_DIVERGENCE_JS = 2,         /* log 2 + ls(u) */
  DPO4J_DIVERGENCE_ALPHA = 3       /* (exp((a-1) u) - 1) / (a-1), or u if a is 1; a = f_alpha_divergence_coef */
};

enum { DPO4J_TERMS = 8 };

/* The loss of a pair is the sum of weight times loss over the terms. With use_weighting, it is multiplied by exp(mean log weight of chosen
   + mean log weight of rejected), which has no gradient (WPO). An option that no term reads must be 0. */
typedef struct dpo4j_preference {
  int32_t terms;                 /* number of terms, 1 to DPO4J_TERMS */
  int32_t loss[DPO4J_TERMS];     /* a dpo4j_loss per term */
  float weight[DPO4J_TERMS];     /* a weight per term, finite */
  float beta;                    /* above 0, finite */
  float label_smoothing;         /* in [0, 0.5); above 0 if a term is exo_pair */
  int32_t f_divergence_type;     /* a dpo4j_divergence */
  float f_alpha_divergence_coef; /* finite */
  float discopop_tau;            /* in (0, 1] */
  float dpop_lambda;             /* at least 0, finite */
  float simpo_gamma;             /* finite; for simpo and alphapo */
  float alphapo_alpha;           /* finite */
  int32_t use_weighting;         /* 0 or 1 */
} dpo4j_preference;

/* Rows of metrics, f64[DPO4J_METRICS,2] = (sum, count). A call adds to both, so the metrics of several micro-batches accumulate exactly. */
enum dpo4j_metric {
  DPO4J_METRIC_LOSS = 0,          /* losses of pairs, or of completions; with weights: (sum of weighted losses, sum of weights) */
  DPO4J_METRIC_REWARD_CHOSEN = 1, /* reward = beta u, or beta pi without a reference */
  DPO4J_METRIC_REWARD_REJECTED = 2,
  DPO4J_METRIC_ACCURACY = 3,    /* 1 if reward chosen > reward rejected, else 0 */
  DPO4J_METRIC_MARGIN = 4,      /* reward chosen - reward rejected */
  DPO4J_METRIC_LOGP_CHOSEN = 5, /* pi */
  DPO4J_METRIC_LOGP_REJECTED = 6,
  DPO4J_METRIC_LOGIT_CHOSEN = 7, /* this and the next three: means over tokens, counted only if statistics are given */
  DPO4J_METRIC_LOGIT_REJECTED = 8,
  DPO4J_METRIC_ENTROPY = 9,         /* over chosen and rejected tokens */
  DPO4J_METRIC_TOKEN_ACCURACY = 10, /* over chosen tokens */
  DPO4J_METRIC_LENGTH_CHOSEN = 11,  /* tokens of chosen completions; this and the next four are counted only if lengths are given */
  DPO4J_METRIC_LENGTH_REJECTED = 12,
  DPO4J_METRIC_LENGTH_SQUARE = 13, /* squares of the length difference: tokens of chosen - tokens of rejected */
  DPO4J_METRIC_MARGIN_SQUARE = 14, /* squares of margins */
  DPO4J_METRIC_MARGIN_LENGTH = 15, /* margin times length difference: with these sums follows the correlation of both */
  DPO4J_METRIC_KL = 16,            /* unpaired_loss: kl of the call, once for each of its completions */
  DPO4J_METRICS = 17
};

/* Checks options without a context. INVALID_ARGUMENT: the text names the option. */
DPO4J_API int32_t dpo4j_preference_check(const dpo4j_preference* preference, char* text, size_t text_bytes);

typedef struct dpo4j_preference_loss_params {
  float* losses;           /* f32[pairs] */
  float* d_sums;           /* f32[2*pairs] = pair_scale times d (sum of losses) / d sums */
  double* metrics;         /* f64[DPO4J_METRICS,2], accumulated; or null */
  double* running_mean;    /* f64[2] = (sum, count) of rewards, for bco_pair; the call adds its rewards first. Null: d is 0 */
  void* workspace;         /* dpo4j_preference_loss_workspace_bytes; may be null if that is 0 */
  const float* sums;       /* f32[2*pairs] = pi: chosen and rejected of pair 0, chosen and rejected of pair 1, ... */
  const float* reference;  /* f32[2*pairs] = ref, in the same order; null for a reference-free loss, or if no term reads a reference */
  const int32_t* lengths;  /* i32[2*pairs] = n; may be null if no term averages and statistics is null */
  const float* statistics; /* f32[2*pairs, DPO4J_TOKEN_STATISTICS], sums over each completion; may be null if use_weighting is 0 */
  const float* weights; /* f32[pairs], finite and at least 0, which is not checked: factors of the pairs' losses and gradients. Null: all 1;
                              it must be null if a loss sorts the pairs */
  int64_t pairs;
  float pair_scale;    /* 1 / pairs of the optimizer step; with weights, 1 / sum of their weights */
  float token_scale;   /* 1 / chosen tokens of the optimizer step, if a term is sft; else 0. With weights, a token counts as often as its
                          pair's weight says */
  const float* scales; /* f32[2] = (pair_scale, token_scale) on the device, read when the kernel runs, so that a replayed CUDA graph can
                          use new values; these are not checked, and the two fields above must be 0. Or null */
  dpo4j_preference preference;
} dpo4j_preference_loss_params;

/* 0 unless a loss has DPO4J_TRAIT_SORTS_PAIRS. *preference is in host memory. */
DPO4J_API size_t dpo4j_preference_loss_workspace_bytes(int64_t pairs, const dpo4j_preference* preference);
/* Loss, gradient and metrics of each pair. */
DPO4J_API int32_t dpo4j_preference_loss(dpo4j_context*, const dpo4j_preference_loss_params* params);

/* ---- unpaired_loss: losses of single completions, each desirable or undesirable, in one launch --------------------------------------- */

/* w: desirable_weight or undesirable_weight; the other symbols as in dpo4j_loss. */
enum dpo4j_unpaired {
  DPO4J_UNPAIRED_KTO = 0,      /* desirable: w (1 - sg(b (u - kl))); undesirable: w (1 - sg(b (kl - u))): Ethayarajh et al. 2024, eq. 7 */
  DPO4J_UNPAIRED_APO_ZERO = 1, /* desirable: w (1 - sg(b u)); undesirable: w sg(b u): D'Oosterlinck et al. 2024 */
  DPO4J_UNPAIRED_LOSSES = 2
};

typedef struct dpo4j_unpaired_options {
  int32_t loss;             /* a dpo4j_unpaired */
  float beta;               /* above 0, finite */
  float desirable_weight;   /* at least 0, finite */
  float undesirable_weight; /* at least 0, finite */
} dpo4j_unpaired_options;

typedef struct dpo4j_unpaired_loss_params {
  float* losses;            /* f32[completions] */
  float* d_sums;            /* f32[completions] = scale times d (sum of losses) / d sums */
  double* metrics;          /* as in preference_loss, or null; desirable counts as chosen; what compares a pair does not change */
  const float* sums;        /* f32[completions] */
  const float* reference;   /* f32[completions] */
  const int32_t* desirable; /* i32[completions], 0 or 1 */
  const int32_t* lengths;   /* i32[completions]; may be null if statistics is null */
  const float* statistics;  /* f32[completions, DPO4J_TOKEN_STATISTICS], sums over each completion; or null */
  int64_t completions;
  const float* kl_sums;      /* f32[kl_completions]: log-probs of completions, each given the prompt of another row */
  const float* kl_reference; /* f32[kl_completions] */
  int64_t kl_completions;    /* 0 for apo_zero, which has no kl */
  float scale;               /* 1 / completions of the optimizer step */
  const float* scale_at; /* f32[1] = scale on the device, read when the kernel runs, so that a replayed CUDA graph can use a new value; it
                                is not checked, and the field above must be 0. Or null */
  dpo4j_unpaired_options options;
} dpo4j_unpaired_loss_params;

/* Loss, gradient and metrics of each completion. kl = max(0, mean of kl_sums - kl_reference), without gradient. */
DPO4J_API int32_t dpo4j_unpaired_loss(dpo4j_context*, const dpo4j_unpaired_loss_params* params);

/* ---- gradient_norm: global L2 norm, and the factor of torch.nn.utils.clip_grad_norm_ ------------------------------------------------- */

typedef struct dpo4j_gradient_norm_params {
  float* norm;           /* f32[2] = {L2 norm, clip factor} */
  void* workspace;       /* dpo4j_gradient_norm_workspace_bytes; contents undefined before and after */
  const float* gradient; /* f32[count] */
  int64_t count;
  float max_norm; /* finite, at least 0; if 0, the clip factor is 1 */
} dpo4j_gradient_norm_params;

DPO4J_API size_t dpo4j_gradient_norm_workspace_bytes(int64_t count);
/* The clip factor is min(1, max_norm / (L2 norm + 1e-6)). If the norm is not finite, both results are NaN. */
DPO4J_API int32_t dpo4j_gradient_norm(dpo4j_context*, const dpo4j_gradient_norm_params* params);

/* ---- count_step: whether a step is applied, and what depends on how many were ------------------------------------------------------- */

typedef struct dpo4j_count_step_params {
  float* clip;        /* f32[1], the clip factor of gradient_norm, updated */
  int32_t* steps;     /* i32[1], the number of steps that were applied, updated */
  float* corrections; /* f32[2] = {1 / (1 - beta1^steps), 1 / (1 - beta2^steps)}, the bias corrections of adamw; or null */
  double* sums;       /* f64[count], updated; may be null if count is 0 */
  double* kept;       /* f64[count], updated; must be equal to sums before the step; may be null if count is 0 */
  const double* loss; /* f64[1], which the step must leave finite, such as one of the sums; or null */
  int64_t count;      /* at least 0 */
  double beta1;       /* in [0, 1); 0 if corrections is null */
  double beta2;
} dpo4j_count_step_params;

/* Between gradient_norm and the optimizer. If loss is not finite, clip becomes NaN, so that the optimizer changes nothing. If clip is NaN,
   the step is skipped: sums = kept, as if it had not been. Otherwise kept = sums, and steps increases by one. Powers are products in fp64. */
DPO4J_API int32_t dpo4j_count_step(dpo4j_context*, const dpo4j_count_step_params* params);

/* ---- adamw: decoupled weight decay (Loshchilov and Hutter 2019), as torch.optim.AdamW ------------------------------------------------ */

/* The fields are f64, because 1 - beta1 and 1 - beta2 are computed in f64 and then rounded to f32: in f32, 1 - 0.999 has a relative error
   of 1.3e-5. */
typedef struct dpo4j_adamw_options {
  double beta1;
  double beta2;
  double epsilon;
  double weight_decay;
} dpo4j_adamw_options;

typedef struct dpo4j_adamw_params {
  void* parameter;        /* dtype[count] */
  float* master;          /* f32[count]: exact values, of which parameter is the value rounded to nearest; or null, see below */
  void* m;                /* moments_dtype[count], mean of the gradient */
  void* v;                /* moments_dtype[count], mean of the squared gradient */
  const float* gradient;  /* f32[count] */
  const float* rates;     /* f32[3] on the device = {lr, c1 = 1/(1-b1^t), c2 = 1/(1-b2^t)} */
  const float* clip;      /* f32 on the device, the clip factor of gradient_norm; null: 1 */
  const uint32_t* random; /* u32[3] on the device = {low half of the seed, high half of the seed, step}; or null, see below */
  int64_t first;          /* the number of the call's first element; at least 0, a multiple of 8 */
  int64_t count;
  dpo4j_adamw_options options;
  int32_t dtype;
  int32_t moments_dtype; /* DPO4J_F32, or DPO4J_BF16 if random is given */
} dpo4j_adamw_params;

/* g = clip gradient; m = b1 m + (1-b1) g; v = b2 v + (1-b2) g^2; parameter -= lr (decay parameter + c1 m / (sqrt(c2 v) + epsilon)). If clip
   is NaN, nothing changes. DPO4J_F32 parameters: master may be null, and random must be null. DPO4J_BF16 parameters: either master or
   random is given, not both. With random, parameters are rounded stochastically: to one of the two neighbouring bf16 values, with
   probabilities that make the mean exact. Rounding drops the low 16 bits of an f32, and rounds away from 0 if these bits plus 16 random
   bits are at least 2^16. Element i of the call has number e = first + i. Its random bits are bits 16 j to 16 j + 15, j = e mod 8, of
   Philox4x32-10 (Salmon et al. 2011) with the seed as key and the counter {e / 8 (64 bits), step, 0}. DPO4J_BF16 moments are rounded in the
   same way, with 1 (m) or 2 (v) as the last word of the counter. The update of the parameter uses the moments before rounding. */
DPO4J_API int32_t dpo4j_adamw(dpo4j_context*, const dpo4j_adamw_params* params);

/* ---- adamw_8bit: adamw with moments of 8 bits, as AdamW8bit of bitsandbytes (Dettmers et al. 2022) ----------------------------------- */

/* A block is 256 consecutive elements of the call; the last block may be shorter. An element of m is signed_map[code] times the block's
   m_max, the max |m| of the block; an element of v is unsigned_map[code] times v_max. The maps are sorted and have 256 numbers each. For i
   from 0 to 6, unsigned_map has 10^(i-6) (0.1 + 0.9 (k + 1/2) / 2^(i+1)), k from 0 to 2^(i+1) - 1; signed_map has these with 2^i in place of
   2^(i+1), with both signs. Both also have 0 and 1. Code 0 with maximum 0 is moments of 0, with which a run begins. */
typedef struct dpo4j_adamw_8bit_params {
  void* parameter; /* dtype[count]; parameter, master, random and first are as in adamw */
  float* master;
  uint8_t* m;   /* u8[count] */
  uint8_t* v;   /* u8[count] */
  float* m_max; /* f32[ceil(count / 256)] */
  float* v_max; /* f32[ceil(count / 256)] */
  const float* gradient;
  const float* rates; /* f32[3], as in adamw */
  const float* clip;
  const uint32_t* random;
  int64_t first;
  int64_t count;
  dpo4j_adamw_options options;
  int32_t dtype;
} dpo4j_adamw_8bit_params;

/* The step of adamw. The update of the parameter uses the moments before they are stored: divided by the new max of their block, and
   rounded to the nearest number of the map (to the smaller one of two that are equally near). */
DPO4J_API int32_t dpo4j_adamw_8bit(dpo4j_context*, const dpo4j_adamw_8bit_params* params);

/* ---- sgd: with momentum, as torch.optim.SGD ------------------------------------------------------------------------------------------ */

typedef struct dpo4j_sgd_options {
  double momentum;
  double dampening; /* at most 1 */
  double weight_decay;
} dpo4j_sgd_options;

typedef struct dpo4j_sgd_params {
  void* parameter; /* dtype[count]; parameter, master, random and first are as in adamw */
  float* master;
  float* velocity;       /* f32[count], torch's momentum_buffer; null if momentum is 0 */
  const int32_t* steps;  /* i32[1] on the device, the number of applied steps, this one included; may be null if dampening is 0 */
  const float* gradient; /* f32[count] */
  const float* rates;    /* f32[1] on the device = {lr} */
  const float* clip;
  const uint32_t* random;
  int64_t first;
  int64_t count;
  dpo4j_sgd_options options;
  int32_t nesterov; /* 0 or 1; 1 needs a momentum */
  int32_t dtype;
} dpo4j_sgd_params;

/* g = clip gradient + decay parameter; velocity = momentum velocity + (1 - dampening) g, in the first step g; parameter -= lr velocity, or
   with nesterov lr (g + momentum velocity), or without momentum lr g. The velocity begins as 0. If clip is NaN, nothing changes. */
DPO4J_API int32_t dpo4j_sgd(dpo4j_context*, const dpo4j_sgd_params* params);

/* ---- rmsprop: as torch.optim.RMSprop (Hinton 2012; centered: Graves 2013) ------------------------------------------------------------ */

typedef struct dpo4j_rmsprop_options {
  double alpha;
  double epsilon;
  double momentum;
  double weight_decay;
} dpo4j_rmsprop_options;

typedef struct dpo4j_rmsprop_params {
  void* parameter; /* dtype[count]; parameter, master, random and first are as in adamw */
  float* master;
  float* square;         /* f32[count], mean of the squared gradient */
  float* mean;           /* f32[count], mean of the gradient; null: not centered */
  float* velocity;       /* f32[count], torch's momentum_buffer; null if momentum is 0 */
  const float* gradient; /* f32[count] */
  const float* rates;    /* f32[1] on the device = {lr} */
  const float* clip;
  const uint32_t* random;
  int64_t first;
  int64_t count;
  dpo4j_rmsprop_options options;
  int32_t dtype;
} dpo4j_rmsprop_params;

/* g = clip gradient + decay parameter; square = alpha square + (1-alpha) g^2; mean = alpha mean + (1-alpha) g; u = g / (sqrt(square) +
   epsilon), or centered g / (sqrt(max(0, square - mean^2)) + epsilon); velocity = momentum velocity + u; parameter -= lr velocity, or
   without momentum lr u. The states begin as 0. If clip is NaN, nothing changes. */
DPO4J_API int32_t dpo4j_rmsprop(dpo4j_context*, const dpo4j_rmsprop_params* params);

/* ---- lion: sign of an interpolated momentum (Chen et al. 2023), as Lion of bitsandbytes ---------------------------------------------- */

typedef struct dpo4j_lion_options {
  double beta1;
  double beta2;
  double weight_decay;
} dpo4j_lion_options;

typedef struct dpo4j_lion_params {
  void* parameter; /* dtype[count]; parameter, master, random and first are as in adamw */
  float* master;
  float* m;              /* f32[count], mean of the gradient */
  const float* gradient; /* f32[count] */
  const float* rates;    /* f32[1] on the device = {lr} */
  const float* clip;
  const uint32_t* random;
  int64_t first;
  int64_t count;
  dpo4j_lion_options options;
  int32_t dtype;
} dpo4j_lion_params;

/* g = clip gradient; parameter -= lr (decay parameter + sign(b1 m + (1-b1) g)); m = b2 m + (1-b2) g. sign(0) is 0. m begins as 0. If clip
   is NaN, nothing changes. */
DPO4J_API int32_t dpo4j_lion(dpo4j_context*, const dpo4j_lion_params* params);

/* ---- lerp: linear interpolation of arrays, for moving averages of weights ------------------------------------------------------------ */

typedef struct dpo4j_lerp_params {
  void* out;         /* dtype[count], updated */
  const void* in;    /* in_dtype[count] */
  const float* clip; /* f32 on the device, the clip factor of gradient_norm; may be null. If it is NaN, out keeps its bits */
  int64_t count;
  float share; /* in [0, 1] */
  int32_t dtype;
  int32_t in_dtype;
} dpo4j_lerp_params;

/* out += share (in - out), in fp32. If share is 0, out keeps its bits; if it is 1, out is in, rounded to dtype. */
DPO4J_API int32_t dpo4j_lerp(dpo4j_context*, const dpo4j_lerp_params* params);

/* ---- uniform_noise: noise on embeddings, as in NEFTune (Jain et al. 2023) ------------------------------------------------------------- */

typedef struct dpo4j_uniform_noise_params {
  void* out;               /* dtype[rows, stride], updated; elements from `width` on stay as they are */
  const float* scale;      /* f32[rows] */
  const int32_t* sequence; /* i32[rows] */
  const int32_t* position; /* i32[rows] */
  const uint32_t* random;  /* u32[3] on the device = {low half of the seed, high half of the seed, step} */
  int64_t rows;
  int64_t width;
  int64_t stride;
  int32_t dtype;
} dpo4j_uniform_noise_params;

/* out[row, column] += scale[row] u. u is uniform in (-1, 1): (2 b + 1) 2^-23 - 1, where b is the high 23 bits of word (column mod 4) of
   Philox4x32-10 with the seed as key and the counter {column / 4, position[row], sequence[row], step}. A row whose scale is 0 keeps its
   bits. */
DPO4J_API int32_t dpo4j_uniform_noise(dpo4j_context*, const dpo4j_uniform_noise_params* params);

/* ---- quantize_4bit, dequantize_4bit: NF4 and FP4, as in bitsandbytes (Dettmers et al. 2023) ------------------------------------------- */

/* An element of a quantised tensor is map[code] times the absmax of its block, the max |x|. A block is 64 consecutive elements in row-major
   order, without padding; the last one may be shorter. */
enum dpo4j_quant_type {
  DPO4J_NF4 = 0, /* 16 quantiles of a normal distribution */
  DPO4J_FP4 = 1  /* a sign and 0, 1/192, 2/3, 1, 1/3, 1/2, 1/6, 1/4 */
};

typedef struct dpo4j_quantize_4bit_params {
  uint8_t* codes; /* u8[ceil(count / 2)]: element 2 i in the high half of byte i, element 2 i + 1 in the low half. If count is odd, the
                       last low half is the code of 0 */
  float* absmax;  /* f32[ceil(count / 64)] */
  const void* in; /* [count] */
  int64_t count;
  int32_t quant_type; /* a dpo4j_quant_type */
  int32_t dtype;
} dpo4j_quantize_4bit_params;

/* The code of x is that of the number of the map nearest to x (1 / absmax), both rounded to fp32; of two that are equally near, the smaller
   number. An absmax below 1e-38 counts as 1e-38. The absmax of a block with a NaN or an infinity is NaN. */
DPO4J_API int32_t dpo4j_quantize_4bit(dpo4j_context*, const dpo4j_quantize_4bit_params* params);

typedef struct dpo4j_dequantize_4bit_params {
  void* out;                  /* [rows, width / group * group_stride] */
  const uint8_t* codes;       /* u8, as quantize_4bit writes them */
  const float* absmax;        /* f32, one for each block; null if and only if nested is given */
  const uint8_t* nested;      /* u8, a code for each block: absmax = nested_map[code] nested_absmax[block / 256] + nested_offset */
  const float* nested_map;    /* f32[256]; not read without nested, as the next two */
  const float* nested_absmax; /* f32, one for each 256 blocks */
  const int32_t* in_rows;     /* i32[rows]: the row of the quantised matrix that a row of out holds, or -1 for a row of zeros; null: the
                                   same row */
  int64_t rows;
  int64_t width;        /* of the quantised matrix */
  int64_t group;        /* out has groups of so many columns; it divides width */
  int64_t group_stride; /* elements between starts of groups, at least group; out is 0 between groups. Its rows are multiples of 16 bytes */
  float nested_offset;
  int32_t quant_type;  /* a dpo4j_quant_type */
  int32_t value_dtype; /* F32, BF16 or F16: values are rounded to it, then to dtype */
  int32_t dtype;
} dpo4j_dequantize_4bit_params;

/* The matrix. Each product and sum is rounded to fp32. */
DPO4J_API int32_t dpo4j_dequantize_4bit(dpo4j_context*, const dpo4j_dequantize_4bit_params* params);

#ifdef __cplusplus
}
#endif

#endif
