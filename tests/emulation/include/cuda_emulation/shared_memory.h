// Shared memory: DPO4J_SHARED(float, tile, [8][33]); for arrays of a fixed size, DPO4J_DYNAMIC_SHARED(float, scratch); for the launch's
// bytes. Every block starts with 0xFF in all of it (NaN), so that what is read before it is written shows in the result.
#pragma once

#include "execution.h"

#define DPO4J_SHARED(T, name, ...)    \
  using name##_array = T __VA_ARGS__; \
  static const char name##_tag = 0;   \
  name##_array& name = *static_cast<name##_array*>(cuda_emulation::shared_array(&name##_tag, sizeof(name##_array), alignof(name##_array)))

#define DPO4J_DYNAMIC_SHARED(T, name) T* name = static_cast<T*>(cuda_emulation::dynamic_shared())
