package org.dpo4j.pytorch;

import java.util.Random;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** Converts Java arrays to tensors and back. */
final class Values {
    private Values() {}

    /** A {@code Float} tensor of normal random numbers with this standard deviation. */
    static Tensor normal(Random random, double deviation, long... sizes) {
        int count = 1;
        for (long size : sizes) {
            count *= Math.toIntExact(size);
        }
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) (deviation * random.nextGaussian());
        }
        return torch.tensor(values).view(sizes);
    }

    static Tensor ints(int... values) {
        return torch.tensor(values);
    }

    /** The elements of a tensor of any type and strides, as doubles in row-major order. */
    static double[] of(Tensor tensor) {
        double[] values = new double[Math.toIntExact(tensor.numel())];
        new DoublePointer(tensor.detach().to(ScalarType.Double).contiguous().data_ptr()).get(values);
        return values;
    }

    static double maxMagnitude(double... values) {
        double max = 0;
        for (double value : values) {
            max = Math.max(max, Math.abs(value));
        }
        return max;
    }

    static long address(Tensor tensor) {
        return tensor.data_ptr().address();
    }
}
