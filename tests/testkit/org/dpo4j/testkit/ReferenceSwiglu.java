package org.dpo4j.testkit;

import static org.dpo4j.testkit.Functions.sigmoid;

import org.dpo4j.kernels.DType;

/** y = silu(gate) up, silu(x) = x sigmoid(x), in double precision. A row holds all gates, then all ups. */
public final class ReferenceSwiglu {
    private ReferenceSwiglu() {}

    public static double forward(double gate, double up) {
        return gate * sigmoid(gate) * up;
    }

    public static double backwardGate(double dOut, double gate, double up) {
        double s = sigmoid(gate);
        return dOut * up * (s + gate * s * (1 - s));
    }

    public static double backwardUp(double dOut, double gate) {
        return dOut * gate * sigmoid(gate);
    }

    /** One row of y. */
    public static Expected forward(DType dtype, double[] gateUp) {
        int width = gateUp.length / 2;
        double[] y = new double[width];
        for (int j = 0; j < width; j++) {
            y[j] = forward(gateUp[j], gateUp[width + j]);
        }
        return Expected.stored(dtype, y, j -> Tolerance.swiglu(gateUp[j], gateUp[width + j], y[j]));
    }

    /** The gradient of one row of gates and ups. */
    public static Expected backward(DType dtype, double[] dOut, double[] gateUp) {
        int width = dOut.length;
        double[] dGateUp = new double[2 * width];
        for (int j = 0; j < width; j++) {
            dGateUp[j] = backwardGate(dOut[j], gateUp[j], gateUp[width + j]);
            dGateUp[width + j] = backwardUp(dOut[j], gateUp[j]);
        }
        return Expected.stored(
                dtype,
                dGateUp,
                i -> i < width
                        ? Tolerance.swigluBackwardGate(dOut[i], gateUp[i], gateUp[width + i])
                        : Tolerance.swiglu(gateUp[i - width], dOut[i - width], dGateUp[i]));
    }
}
