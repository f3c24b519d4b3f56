#include "call.h"

using dpo4j::Adamw;
using dpo4j::Call;
using dpo4j::finite;

namespace {

constexpr int64_t kElementsOfACounter = 8;

}  // namespace

int32_t dpo4j_adamw(dpo4j_context* context, void* parameter, float* master, void* m, void* v, const float* gradient, const float* rates,
                    const float* clip, const uint32_t* random, int64_t first, int64_t count, const dpo4j_adamw_options* options,
                    int32_t dtype, int32_t moments_dtype) {
  const dpo4j_adamw_options o = options != nullptr ? *options : dpo4j_adamw_options{};
  const float epsilon = static_cast<float>(o.epsilon), weight_decay = static_cast<float>(o.weight_decay);
  const float share1 = static_cast<float>(1 - o.beta1), share2 = static_cast<float>(1 - o.beta2);
  return Call(context, "adamw")
      .dtype("dtype", dtype)
      .dtype("moments_dtype", moments_dtype)
      .options("options", options)
      .require(o.beta1 >= 0 && o.beta1 < 1, "options.beta1", "must be at least 0 and below 1")
      .require(o.beta2 >= 0 && o.beta2 < 1, "options.beta2", "must be at least 0 and below 1")
      .require(finite(epsilon) && o.epsilon >= 0, "options.epsilon", "must be finite in fp32 and not negative")
      .require(finite(weight_decay) && o.weight_decay >= 0, "options.weight_decay", "must be finite in fp32 and not negative")
      .count("count", count)
      .tensor("parameter", parameter)
      .tensor_or_null("master", master)
      .words_or_null("random", random)
      .require(random == nullptr || dtype == DPO4J_BF16, "random", "rounds DPO4J_BF16 parameters, must be null for others")
      .require(random == nullptr || master == nullptr, "master",
               "must be null where random is given: one of the two keeps the parameter exact")
      .require(dtype == DPO4J_F32 || master != nullptr || random != nullptr || count == 0, "master",
               "is null, must hold the exact value of DPO4J_BF16 parameters that random does not round")
      .require(moments_dtype == DPO4J_F32 || random != nullptr || count == 0, "moments_dtype",
               "must be DPO4J_F32 where random is null: it rounds moments of DPO4J_BF16")
      .require(first >= 0 && first % kElementsOfACounter == 0, "first", "must be a multiple of 8, and not negative")
      .tensor("m", m)
      .tensor("v", v)
      .tensor("gradient", gradient)
      .tensor("rates", rates)
      .words_or_null("clip", clip)
      .run(Adamw{parameter, master, m, v, gradient, rates, clip, random, first, count, share1, share2, epsilon, weight_decay, dtype,
                 moments_dtype});
}
