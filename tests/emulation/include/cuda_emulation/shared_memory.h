// Shared memory: DPO4J_SHARED(float, tile, [8][33]) is an array of a fixed size, DPO4J_DYNAMIC_SHARED(float, scratch) the bytes of the
// launch. In every block all of it starts as 0xFF (NaN). So a read before the first write shows in the result.
#pragma once

#include "execution.h"

#define DPO4J_SHARED(T, name, ...)    \
  using name##_array = T __VA_ARGS__; \
  static const char name##_tag = 0;   \
  name##_array& name = *static_cast<name##_array*>(cuda_emulation::shared_array(&name##_tag, sizeof(name##_array), alignof(name##_array)))

#define DPO4J_DYNAMIC_SHARED(T, name) T* name = static_cast<T*>(cuda_emulation::dynamic_shared())
