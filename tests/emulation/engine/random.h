// The random numbers of a random schedule: xorshift, reproducible from the seed.
#pragma once

#include <stdint.h>

#include <utility>
#include <vector>

namespace cuda_emulation {

class Random {
 public:
  Random() = default;
  Random(uint64_t seed, uint64_t number) : state_((seed * 0x9E3779B97F4A7C15u + number + 1) * 0xD1342543DE82EF95u | 1) {}

  uint64_t next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_;
  }

  template <class T>
  void shuffle(std::vector<T>& order) {
    for (size_t i = order.size(); i > 1; i--) std::swap(order[i - 1], order[next() % i]);
  }

 private:
  uint64_t state_ = 1;
};

}  // namespace cuda_emulation
