// Tells the sanitizers which stack runs and which threads have synchronised. Does nothing in builds without sanitizers.
//
// For ThreadSanitizer each fiber is a thread, and the engine announces only the synchronisation that CUDA guarantees. The engine itself is
// not instrumented (-fno-sanitize=thread -DDPO4J_SANITIZE_THREAD), because its own accesses would order all threads.
#pragma once

#include <stddef.h>

#if defined(__SANITIZE_THREAD__)
#error "compile the engine with -fno-sanitize=thread -DDPO4J_SANITIZE_THREAD"
#endif

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(DPO4J_SANITIZE_THREAD)
#include <sanitizer/tsan_interface.h>
extern "C" void __tsan_write_range(void* address, unsigned long bytes);  // in the runtime, but not in its header
extern "C" void __tsan_read_range(void* address, unsigned long bytes);
#endif

namespace cuda_emulation {

// A stack: of a fiber, or of the operating system thread that runs fibers.
struct Stack {
  void* pointer = nullptr;  // the stack pointer when it was left
  const void* bottom = nullptr;
  size_t bytes = 0;
  void* shadow = nullptr;  // AddressSanitizer's fake frames
  void* thread = nullptr;  // ThreadSanitizer's identity
};

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kSanitizeAddress = true;
#else
constexpr bool kSanitizeAddress = false;
#endif
#if defined(DPO4J_SANITIZE_THREAD)
constexpr bool kSanitizeThread = true;
#else
constexpr bool kSanitizeThread = false;
#endif

inline void before_switch([[maybe_unused]] Stack& from, [[maybe_unused]] const Stack& to) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&from.shadow, to.bottom, to.bytes);
#endif
#if defined(DPO4J_SANITIZE_THREAD)
  __tsan_switch_to_fiber(to.thread, __tsan_switch_to_fiber_no_sync);
#endif
}

// Called on the stack that now runs; `from` is the stack that was left.
inline void after_switch([[maybe_unused]] Stack& to, [[maybe_unused]] Stack& from) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(to.shadow, &from.bottom, &from.bytes);
#endif
}

inline void* current_sanitizer_thread() {
#if defined(DPO4J_SANITIZE_THREAD)
  return __tsan_get_current_fiber();
#else
  return nullptr;
#endif
}

inline void* create_sanitizer_thread() {
#if defined(DPO4J_SANITIZE_THREAD)
  return __tsan_create_fiber(0);
#else
  return nullptr;
#endif
}

inline void destroy_sanitizer_thread([[maybe_unused]] void* thread) {
#if defined(DPO4J_SANITIZE_THREAD)
  __tsan_destroy_fiber(thread);
#endif
}

// What this thread did before publish(place) happens before what another thread does after receive(place).
inline void publish([[maybe_unused]] void* place) {
#if defined(DPO4J_SANITIZE_THREAD)
  __tsan_release(place);
#endif
}

inline void receive([[maybe_unused]] void* place) {
#if defined(DPO4J_SANITIZE_THREAD)
  __tsan_acquire(place);
#endif
}

// Tells ThreadSanitizer that this thread writes, or reads, all these bytes.
inline void write_memory([[maybe_unused]] void* address, [[maybe_unused]] size_t bytes) {
#if defined(DPO4J_SANITIZE_THREAD)
  __tsan_write_range(address, bytes);
#endif
}

inline void read_memory([[maybe_unused]] void* address, [[maybe_unused]] size_t bytes) {
#if defined(DPO4J_SANITIZE_THREAD)
  __tsan_read_range(address, bytes);
#endif
}

inline void forbid_memory([[maybe_unused]] void* address, [[maybe_unused]] size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  ASAN_POISON_MEMORY_REGION(address, bytes);
#endif
}

inline void allow_memory([[maybe_unused]] void* address, [[maybe_unused]] size_t bytes) {
#if defined(__SANITIZE_ADDRESS__)
  ASAN_UNPOISON_MEMORY_REGION(address, bytes);
#endif
}

}  // namespace cuda_emulation
