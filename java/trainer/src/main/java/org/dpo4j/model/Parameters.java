package org.dpo4j.model;

import java.util.List;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;

/**
 * The weights of a model in one flat buffer of the device, and their gradients in another of the same layout.
 *
 * <p>Every tensor begins at a multiple of {@value #ALIGNMENT} elements; what lies between is 0 and stays 0. Matrices come first, in
 * {@code [0, decayCount)}, norms after them: AdamW's weight decay takes the first range alone, as transformers' Trainer does. Query, key and value
 * projections of a layer lie as one matrix, and so do gate and up.
 */
public final class Parameters implements AutoCloseable {
    static final int ALIGNMENT = 128;

    Parameters() {}

    /** Storage of the weights. Gradients are f32 always. */
    public DType dtype() {
        throw new UnsupportedOperationException();
    }

    /** Device the buffers belong to. */
    public Device device() {
        throw new UnsupportedOperationException();
    }

    /** Elements of each buffer, padding included. */
    public long count() {
        throw new UnsupportedOperationException();
    }

    /** Elements at the front that take weight decay; a multiple of {@value #ALIGNMENT}. */
    public long decayCount() {
        throw new UnsupportedOperationException();
    }

    /** Elements without padding: what a user calls the size of the model. */
    public long parameterCount() {
        throw new UnsupportedOperationException();
    }

    /** Address of the weights. */
    public long weights() {
        throw new UnsupportedOperationException();
    }

    /** Address of the gradients, f32. Allocated, and zeroed, by the first call. */
    public long gradients() {
        throw new UnsupportedOperationException();
    }

    /** Queues the zeroing of the gradients. */
    public void zeroGradients() {
        throw new UnsupportedOperationException();
    }

    /** Every tensor under its Hugging Face name, in the order of their offsets; a tied head is not listed. */
    public List<ParameterTensor> tensors() {
        throw new UnsupportedOperationException();
    }

    /** Converts the weights to f32[count] at an address of the device: the master copy of bf16 weights. */
    public void copyAsF32(long destination) {
        throw new UnsupportedOperationException();
    }

    @Override
    public void close() {
        throw new UnsupportedOperationException();
    }
}
