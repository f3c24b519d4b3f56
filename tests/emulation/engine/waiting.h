// Loops of loads and __nanosleep, in which a thread waits for a word that another block writes. Such a loop keeps its operating system
// thread, so no barrier shows that it has no end. It is a deadlock if for ten seconds no thread of any block begins a turn.
#pragma once

namespace cuda_emulation {

// Called when a thread begins a turn.
void count_turn();

}  // namespace cuda_emulation
