package org.dpo4j.pytorch;

import org.bytedeco.cuda.cudart.CUstream_st;
import org.bytedeco.pytorch.cuda.CUDAStream;
import org.bytedeco.pytorch.global.torch_cuda;
import org.jspecify.annotations.Nullable;

/**
 * libtorch's current CUDA stream. No other class uses libtorch's CUDA bindings, which can be loaded only on a GPU
 * machine.
 */
final class CurrentCudaStream {
    private CurrentCudaStream() {}

    /** Returns this thread's current {@code cudaStream_t} on a device; 0 is the default stream. */
    static long address(int ordinal) {
        try (CUDAStream current = torch_cuda.getCurrentCUDAStream((byte) ordinal)) {
            @Nullable CUstream_st stream = current.stream();
            return stream == null ? 0 : stream.address();
        }
    }
}
