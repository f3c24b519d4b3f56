#include "fiber.h"

#include <stdint.h>
#include <sys/mman.h>

#include <atomic>

#include "../include/cuda_emulation/execution.h"

#if !defined(__x86_64__)
#error "the emulation switches stacks by hand, and only knows how on x86-64"
#endif

// void switch_stack(void** from, void* to): pushes the callee-saved registers on the current stack, stores the stack pointer in *from, and
// continues on the stack `to`.
asm(R"(
.text
.type dpo4j_emulation_switch_stack, @function
dpo4j_emulation_switch_stack:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size dpo4j_emulation_switch_stack, . - dpo4j_emulation_switch_stack
)");
extern "C" void switch_stack(void** from, void* to) asm("dpo4j_emulation_switch_stack");

namespace cuda_emulation {
namespace {

constexpr int kPreservedRegisters = 6;
constexpr size_t kGuardBytes = 4096;
constexpr size_t kColourBytes = 6 * 64;  // the cache lines that a switch touches
constexpr size_t kStackBytes = (kSanitizeAddress || kSanitizeThread) ? 256 << 10 : 64 << 10;

__thread Stack* running_fiber = nullptr;
__thread Stack* left = nullptr;  // the stack that the last switch left
__thread void (*fiber_main)() = nullptr;

// The stack of this operating system thread, while it drives fibers.
Stack& driver() {
  static thread_local Stack stack;
  return stack;
}

void enter() {
  after_switch(*running_fiber, *left);
  fiber_main();
}

}  // namespace

void Fiber::create(void (*main)()) {
  fiber_main = main;
  void* memory = mmap(nullptr, kGuardBytes + kStackBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED || mprotect(memory, kGuardBytes, PROT_NONE) != 0) fail("no memory for the stack of a thread");
  char* bottom = static_cast<char*>(memory) + kGuardBytes;
  // switch_stack pops six registers and then a return address. Above it is a null return address for unwinders.
  // Stacks start at different addresses within a page; otherwise the parts that fibers use would share the same few cache sets.
  static std::atomic<size_t> fibers{0};
  const size_t colour = fibers++ % (4096 / kColourBytes) * kColourBytes;
  uintptr_t* top = reinterpret_cast<uintptr_t*>(bottom + kStackBytes - colour);
  top[-1] = 0;
  top[-2] = reinterpret_cast<uintptr_t>(&enter);
  stack_.pointer = top - 2 - kPreservedRegisters;
  stack_.bottom = bottom;
  stack_.bytes = kStackBytes;
  stack_.thread = create_sanitizer_thread();
}

Fiber::~Fiber() {
  if (stack_.bottom == nullptr) return;
  destroy_sanitizer_thread(stack_.thread);
  allow_memory(const_cast<void*>(stack_.bottom), stack_.bytes);
  munmap(static_cast<char*>(const_cast<void*>(stack_.bottom)) - kGuardBytes, kGuardBytes + kStackBytes);
}

// Returns when another stack switches back to `from`.
void Fiber::leave(Stack& from, Stack& to) {
  left = &from;
  before_switch(from, to);
  switch_stack(&from.pointer, to.pointer);
  after_switch(from, *left);
}

void Fiber::resume(void (*main)()) {
  if (stack_.bottom == nullptr) create(main);
  Stack& here = driver();
  here.thread = current_sanitizer_thread();
  running_fiber = &stack_;
  leave(here, stack_);
}

void Fiber::suspend() { leave(*running_fiber, driver()); }

void Fiber::pass_to(Fiber& next) {
  if (next.stack_.bottom == nullptr) next.create(fiber_main);
  Stack& here = *running_fiber;
  running_fiber = &next.stack_;
  leave(here, next.stack_);
}

}  // namespace cuda_emulation
