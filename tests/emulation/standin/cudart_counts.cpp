// Counts calls of the stand-ins, one counter per kind of event.
#include <stdint.h>

#include <atomic>

#include "standin.h"

namespace {

std::atomic<int64_t> counts[kUnorderedSums + 1];

}  // namespace

void dpo4j_standin_count(int event) { counts[event]++; }

// Called by org.dpo4j.conformance.StandIn: `static native long counted(int)`. The first two pointers are JNI's.
DPO4J_STANDIN int64_t Java_org_dpo4j_conformance_StandIn_counted(void*, void*, int32_t event) { return counts[event]; }
