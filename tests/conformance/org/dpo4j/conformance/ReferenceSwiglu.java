package org.dpo4j.conformance;

/** y = silu(gate) up, silu(x) = x sigmoid(x), in double precision. */
final class ReferenceSwiglu {
    private ReferenceSwiglu() {}

    static double sigmoid(double x) {
        return 1 / (1 + Math.exp(-x));
    }

    static double forward(double gate, double up) {
        return gate * sigmoid(gate) * up;
    }

    static double backwardGate(double dOut, double gate, double up) {
        double s = sigmoid(gate);
        return dOut * up * (s + gate * s * (1 - s));
    }

    static double backwardUp(double dOut, double gate) {
        return dOut * gate * sigmoid(gate);
    }
}
