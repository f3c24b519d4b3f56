package org.dpo4j.model;

import java.util.Arrays;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.DeviceBuffer;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.decoder.MatrixShape;
import org.dpo4j.kernels.decoder.Residual;
import org.dpo4j.kernels.decoder.ScaleRows;

/**
 * Moves the weights of one model towards those of another: {@code target = (1 - alpha) target + alpha source}. Both
 * products and the sum are rounded to the dtype of the weights, as PyTorch's {@code mul_} and {@code add_} round them.
 */
public final class WeightMix implements AutoCloseable {
    /** Weights of a row; the number of weights is a multiple of it. */
    private static final int WIDTH = FlatLayout.ALIGNMENT;

    private static final long MAX_ROWS = 8192;

    private final Parameters target;
    private final Parameters source;
    private final Device device;
    private final long maxRows;
    private final DeviceBuffer product;
    /** {@code 1 - alpha} for each row of a piece, then alpha. */
    private final DeviceBuffer factors;

    /** Throws if the two models differ in a tensor. */
    public WeightMix(Parameters target, Parameters source, double alpha) {
        requireSameTensors(target, source);
        this.target = target;
        this.source = source;
        this.device = target.device();
        this.maxRows = maxRows(target);
        this.product = device.allocate(maxRows * WIDTH * target.dtype().bytes());
        this.factors = device.allocate(2 * maxRows * Float.BYTES);
        float[] values = new float[(int) (2 * maxRows)];
        Arrays.fill(values, 0, (int) maxRows, (float) (1 - alpha));
        Arrays.fill(values, (int) maxRows, values.length, (float) alpha);
        device.upload(factors.address(), values);
    }

    /** Device memory of a mix. */
    public static long bytes(Parameters target) {
        return maxRows(target) * ((long) WIDTH * target.dtype().bytes() + 2L * Float.BYTES);
    }

    private static long maxRows(Parameters target) {
        return Math.min(MAX_ROWS, target.count() / WIDTH);
    }

    /** Throws, naming the first difference, if two models have other tensors. */
    public static void requireSameTensors(Parameters target, Parameters source) {
        for (int i = 0; i < Math.max(target.tensors().size(), source.tensors().size()); i++) {
            String one = describe(target, i);
            String other = describe(source, i);
            if (!one.equals(other)) {
                throw new Dpo4jException("the reference has " + one + " where the trained model has " + other
                        + ", so their weights cannot be mixed");
            }
        }
    }

    private static String describe(Parameters parameters, int tensor) {
        if (tensor >= parameters.tensors().size()) {
            return "no further tensor";
        }
        ParameterTensor found = parameters.tensors().get(tensor);
        return found.name() + " " + found.shape();
    }

    /** Queues the move and does not wait. */
    public void run() {
        int bytes = target.dtype().bytes();
        long rows = target.count() / WIDTH;
        for (long begin = 0; begin < rows; begin += maxRows) {
            MatrixShape shape = new MatrixShape(Math.min(maxRows, rows - begin), WIDTH, target.dtype());
            long to = target.weights() + begin * WIDTH * bytes;
            long from = source.weights() + begin * WIDTH * bytes;
            ScaleRows.forward(device, to, to, factors.address(), shape);
            ScaleRows.forward(device, product.address(), from, factors.address() + maxRows * Float.BYTES, shape);
            Residual.forward(device, to, to, product.address(), shape.rows() * WIDTH, target.dtype());
        }
    }

    @Override
    public void close() {
        product.close();
        factors.close();
    }
}
