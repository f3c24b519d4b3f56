// Device faults that programs must handle: a launch that never ends, and a launch after which every call fails.
#pragma once

namespace cuda_emulation {

// Called before a launch. Hangs, or fails the device, if the settings name the call of dpo4j.h that makes the launch.
void fault_if_asked();

}  // namespace cuda_emulation
