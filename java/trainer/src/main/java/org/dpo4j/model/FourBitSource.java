package org.dpo4j.model;

import org.dpo4j.io.FourBitTensor;
import org.dpo4j.io.StoredTensor;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.decoder.QuantType;

/** A matrix of a file that is stored in 4 bits on the device. */
sealed interface FourBitSource {
    QuantType type();

    boolean isNested();

    /** Bytes of the file that are read. */
    long bytes();

    /** Storage of the tensor that is quantised; {@code dtype} is that of the model. */
    DType valueDtype(DType dtype);

    /** A matrix that bitsandbytes has quantised. */
    record Quantised(FourBitTensor tensor) implements FourBitSource {
        @Override
        public QuantType type() {
            return tensor.type();
        }

        @Override
        public boolean isNested() {
            return tensor.nested() != null;
        }

        @Override
        public long bytes() {
            return tensor.codes().bytes() + tensor.absmax().bytes();
        }

        @Override
        public DType valueDtype(DType dtype) {
            return tensor.dtype();
        }
    }

    /** A matrix of floats, which is converted to the model's dtype and quantised, as in transformers. */
    record Dense(StoredTensor tensor, FourBit fourBit) implements FourBitSource {
        @Override
        public QuantType type() {
            return fourBit.type();
        }

        @Override
        public boolean isNested() {
            return fourBit.isNested();
        }

        @Override
        public long bytes() {
            return tensor.bytes();
        }

        @Override
        public DType valueDtype(DType dtype) {
            return dtype;
        }
    }
}
