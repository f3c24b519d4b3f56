// The params of rope that native/rope.cpp makes for cpu::run and cuda::run: of either direction.
#pragma once

#include "dpo4j.h"

namespace dpo4j {

struct Rope : dpo4j_rope_params {
  bool backward;
};

}  // namespace dpo4j
