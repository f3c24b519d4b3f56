// Fibers: code with its own stack, which the engine suspends and resumes. x86-64.
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

  // Called in a fiber: returns to the code that resumed it.
  static void suspend();

  // Called in a fiber: switches to another fiber of the same driver. One switch instead of the two of suspend and resume.
  static void pass_to(Fiber& next);

 private:
  void create(void (*main)());
  static void leave(Stack& from, Stack& to);
  Stack stack_;
};

}  // namespace cuda_emulation
