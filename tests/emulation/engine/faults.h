// Faults of a device that programs must survive: a launch that never ends, and one after which every call fails.
#pragma once

namespace cuda_emulation {

// Called before a launch: hangs, or fails the device, where the settings name the call of dpo4j.h that the launch comes from.
void fault_if_asked();

}  // namespace cuda_emulation
