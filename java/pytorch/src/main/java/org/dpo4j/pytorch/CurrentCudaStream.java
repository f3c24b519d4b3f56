package org.dpo4j.pytorch;

import org.bytedeco.cuda.cudart.CUstream_st;
import org.bytedeco.pytorch.cuda.CUDAStream;
import org.bytedeco.pytorch.global.torch_cuda;
import org.jspecify.annotations.Nullable;

/** The stream libtorch queues work on. The only class that names libtorch's CUDA half, which loads nowhere but on GPU machines. */
final class CurrentCudaStream {
    private CurrentCudaStream() {}

    /** Its {@code cudaStream_t} for this thread; 0 is the default stream. */
    static long of(int ordinal) {
        try (CUDAStream current = torch_cuda.getCurrentCUDAStream((byte) ordinal)) {
            @Nullable CUstream_st stream = current.stream();
            return stream == null ? 0 : stream.address();
        }
    }
}
