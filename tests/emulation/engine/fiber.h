// Fibers: code with a stack of its own that is left and resumed by hand. x86-64.
#pragma once

#include "sanitizers.h"

namespace cuda_emulation {

class Fiber {
 public:
  Fiber() = default;
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Runs the fiber until it suspends; the first time from the start of `main`, which must not return.
  void resume(void (*main)());

  // Inside a fiber: back to whoever resumed it.
  static void suspend();

  // Inside a fiber: to another of the same driver, which from then on suspends to that driver. One switch, where suspend and resume are two.
  static void pass_to(Fiber& next);

 private:
  void create(void (*main)());
  static void leave(Stack& from, Stack& to);
  Stack stack_;
};

}  // namespace cuda_emulation
