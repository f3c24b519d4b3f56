#include "attention_ranges.h"
#include "call.h"
#include "workspace.h"

using dpo4j::Call;

namespace {

constexpr int64_t kMaxHeadWidth = 256;

template <class Params>
Call& check_shape(Call& call, const Params& p) {
  const dpo4j_attention_shape& shape = p.shape;
  return call.dtype("dtype", shape.dtype)
      .rows("segment_count", p.segment_count)
      .rows("max_queries", p.max_queries)
      .extent("heads", shape.heads)
      .extent("kv_heads", shape.kv_heads)
      .require(shape.kv_heads <= 0 || shape.heads % shape.kv_heads == 0, "heads", "must be a multiple of kv_heads")
      .extent("head_width", shape.head_width)
      .require(shape.head_width % 8 == 0 && shape.head_width <= kMaxHeadWidth, "head_width", "must be a multiple of 8, at most 256")
      .stride("out_stride", shape.out_stride, "heads * head_width", shape.heads * shape.head_width, shape.dtype)
      .stride("q_stride", shape.q_stride, "heads * head_width", shape.heads * shape.head_width, shape.dtype)
      .stride("kv_stride", shape.kv_stride, "kv_heads * head_width", shape.kv_heads * shape.head_width, shape.dtype)
      .require(dpo4j::finite(shape.scale), "scale", "must be finite")
      .cap("soft_cap", shape.soft_cap)
      .require(shape.window >= 0, "window", "must not be negative")
      .words("segments", p.segments);
}

// Checks the segments of a cpu context. Those of a cuda context are in device memory. find_problem(p, s) returns what is wrong with segment
// s, or null.
template <class Params, class FindProblem>
void check_segments(Call& call, const Params& p, const FindProblem& find_problem) {
  for (int64_t s = 0; !call.skipped() && call.on_cpu() && s < p.segment_count; s++) {
    const char* broken = find_problem(p, s);
    call.require(broken == nullptr, "segments", broken);
  }
}

// The checks of either direction.
template <class Params>
const char* broken_segment(const Params& p, int64_t s) {
  const dpo4j_segment& segment = p.segments[s];
  if (segment.query_begin < 0 || segment.query_count < 0 || segment.key_begin < 0 || segment.key_offset < 0 || segment.prefix_begin < 0 ||
      segment.prefix_count < 0 || segment.dependents < 0) {
    return "must have no negative field";
  }
  if (segment.reserved != 0) return "must have 0 in the reserved field";
  if (segment.query_count > p.max_queries) return "must have no query_count above max_queries";
  return nullptr;
}

const char* broken_reading_segment(const dpo4j_attention_forward_params& p, int64_t s) {
  const char* broken = broken_segment(p, s);
  if (broken != nullptr) return broken;
  const dpo4j_segment& segment = p.segments[s];
  const int64_t end = int64_t{segment.key_begin} + segment.key_offset + segment.query_count;
  const bool within = end <= p.key_rows && int64_t{segment.prefix_begin} + segment.prefix_count <= p.key_rows;
  if (segment.query_count > 0 && !within) return "must see no row beyond key_rows";
  const int64_t keys = int64_t{segment.prefix_count} + segment.key_offset + segment.query_count;
  return segment.query_count == 0 || p.max_keys == 0 || keys <= p.max_keys ? nullptr : "must have no query with more keys than max_keys";
}

// The dependents of a prefix must directly follow it, and no other segment may have a prefix. So one task can own all gradients of a
// prompt.
const char* broken_family(const dpo4j_attention_backward_params& p, int64_t prefix) {
  const dpo4j_segment& owner = p.segments[prefix];
  if (owner.prefix_count > 0) return owner.dependents == 0 ? nullptr : "must have dependents on segments without prefix only";
  if (owner.dependents > 0 && owner.query_count == 0) return "must have rows where they have dependents";
  if (owner.dependents >= p.segment_count - prefix) return "must be followed by as many segments as they have dependents";
  for (int64_t s = prefix + 1; s <= prefix + owner.dependents; s++) {
    const dpo4j_segment& dependent = p.segments[s];
    if (dependent.prefix_begin != owner.key_begin || dependent.prefix_count != owner.query_count) {
      return "must name exactly the rows before them as prefix where they are dependents";
    }
  }
  const int64_t next = prefix + owner.dependents + 1;
  if (next < p.segment_count && p.segments[next].prefix_count > 0) return "must directly follow the segment that is their prefix";
  return nullptr;
}

const char* broken_training_segment(const dpo4j_attention_backward_params& p, int64_t s) {
  const char* broken = broken_segment(p, s);
  if (broken != nullptr) return broken;
  const dpo4j_segment& segment = p.segments[s];
  if (segment.key_begin != segment.query_begin || segment.key_offset != 0) return "must have key_begin = query_begin and key_offset = 0";
  if (int64_t{segment.query_begin} + segment.query_count > p.query_rows) return "must have no row beyond query_rows";
  if (s == 0 && segment.prefix_count > 0) return "must directly follow the segment that is their prefix";
  return broken_family(p, s);
}

}  // namespace

size_t dpo4j_attention_forward_workspace_bytes(void) { return sizeof(uint32_t); }

size_t dpo4j_attention_decode_workspace_bytes(int64_t segment_count, int64_t heads, int64_t head_width, int64_t max_keys) {
  if (!dpo4j::all_positive(segment_count, heads, head_width, max_keys)) return dpo4j_attention_forward_workspace_bytes();
  return dpo4j::ranges_bytes(segment_count, heads, head_width, dpo4j::max_ranges(max_keys, 0));
}

int32_t dpo4j_attention_forward(dpo4j_context* context, const dpo4j_attention_forward_params* params) {
  Call call(context, "attention_forward");
  if (call.params(params).refused()) return call.status();
  const dpo4j_attention_forward_params& p = *params;
  check_shape(call, p)
      .rows("key_rows", p.key_rows)
      .require(p.max_keys >= 0 && p.max_keys <= INT32_MAX, "max_keys", "must be from 0 to 2147483647")
      .require(p.max_keys == 0 || p.max_queries <= 1, "max_queries", "must be at most 1 if max_keys is above 0")
      .tensor("out", p.out)
      .tensor("lse", p.lse)
      .tensor("workspace", p.workspace)
      .tensor("q", p.q)
      .tensor("k", p.k)
      .tensor("v", p.v);
  check_segments(call, p, broken_reading_segment);
  return call.run(p);
}

size_t dpo4j_attention_backward_workspace_bytes(const dpo4j_context* context, int64_t query_rows, int64_t heads, int64_t kv_heads,
                                                int64_t head_width, [[maybe_unused]] int32_t dtype) {
  if (context == nullptr || !dpo4j::all_positive(query_rows, heads, kv_heads, head_width)) return 0;
#ifdef DPO4J_WITH_CUDA
  dpo4j_attention_shape shape{};
  shape.heads = heads;
  shape.kv_heads = kv_heads;
  shape.head_width = head_width;
  shape.dtype = dtype;
  if (context->device == DPO4J_CUDA) return dpo4j::cuda::attention_backward_workspace_bytes(context->cuda, query_rows, shape);
#endif
  return dpo4j::cpu::attention_backward_workspace_bytes(query_rows, heads, head_width);
}

int32_t dpo4j_attention_backward(dpo4j_context* context, const dpo4j_attention_backward_params* params) {
  Call call(context, "attention_backward");
  if (call.params(params).refused()) return call.status();
  const dpo4j_attention_backward_params& p = *params;
  check_shape(call, p)
      .rows("query_rows", p.query_rows)
      .tensor("d_q", p.d_q)
      .tensor("d_k", p.d_k)
      .tensor("d_v", p.d_v)
      .tensor("workspace", p.workspace)
      .tensor("d_out", p.d_out)
      .tensor("q", p.q)
      .tensor("k", p.k)
      .tensor("v", p.v)
      .tensor("out", p.out)
      .tensor("lse", p.lse);
  check_segments(call, p, broken_training_segment);
  return call.run(p);
}
