// Counts of what a program asks of the stand-ins.
#include <stdint.h>

#include <atomic>

#include "standin.h"

namespace {

std::atomic<int64_t> counts[kUnorderedSums + 1];

}  // namespace

void dpo4j_standin_count(int event) { counts[event]++; }

// What org.dpo4j.conformance.StandIn calls: `static native long counted(int)`. The two pointers are JNI's, which this has no use for.
DPO4J_STANDIN int64_t Java_org_dpo4j_conformance_StandIn_counted(void*, void*, int32_t event) { return counts[event]; }
