package org.dpo4j.bench.device;

import org.dpo4j.bench.device.Benchmark.Prepared;
import org.dpo4j.kernels.decoder.MatrixShape;
import org.dpo4j.kernels.decoder.Swiglu;

/** Gate and up of normal(0, 1). */
final class SwigluBenchmark {
    private SwigluBenchmark() {}

    static Prepared forward(Fixture fixture) {
        long rows = fixture.at("rows");
        int width = fixture.shape().count("width");
        Tensor out = fixture.zeros(rows * width);
        Tensor gateUp = fixture.normal(1, 2 * rows * width);
        return new Prepared(
                turn -> Swiglu.forward(
                        fixture.device(), out.at(turn), gateUp.at(turn), new MatrixShape(rows, width, fixture.dtype())),
                gate -> {
                    for (int row : fixture.sample(rows)) {
                        double[] of = gateUp.read(2L * row * width, 2 * width);
                        double[] expected = new double[width];
                        for (int j = 0; j < width; j++) {
                            expected[j] = of[j] * Reference.sigmoid(of[j]) * of[width + j];
                        }
                        gate.values(
                                "out of row " + row,
                                expected,
                                out.read((long) row * width, width),
                                Gate.sum(0, fixture.dtype()));
                    }
                });
    }

    static Prepared backward(Fixture fixture) {
        long rows = fixture.at("rows");
        int width = fixture.shape().count("width");
        Tensor dGateUp = fixture.zeros(2 * rows * width);
        Tensor dOut = fixture.normal(1, rows * width);
        Tensor gateUp = fixture.normal(1, 2 * rows * width);
        return new Prepared(
                turn -> Swiglu.backward(
                        fixture.device(),
                        dGateUp.at(turn),
                        dOut.at(turn),
                        gateUp.at(turn),
                        new MatrixShape(rows, width, fixture.dtype())),
                gate -> {
                    for (int row : fixture.sample(rows)) {
                        check(gate, fixture, row, dGateUp, dOut, gateUp, width);
                    }
                });
    }

    private static void check(
            Gate gate, Fixture fixture, int row, Tensor dGateUp, Tensor dOut, Tensor gateUp, int width) {
        double[] of = gateUp.read(2L * row * width, 2 * width);
        double[] d = dOut.read((long) row * width, width);
        double[] expected = new double[2 * width];
        double[] magnitudes = new double[2 * width];
        for (int j = 0; j < width; j++) {
            double sigmoid = Reference.sigmoid(of[j]);
            double up = d[j] * of[width + j] * sigmoid;
            expected[j] = up * (1 + of[j] * (1 - sigmoid));
            magnitudes[j] = Math.abs(up) * (1 + Math.abs(of[j]));
            expected[width + j] = d[j] * of[j] * sigmoid;
            magnitudes[width + j] = Math.abs(expected[width + j]);
        }
        gate.values(
                "d_gate_up of row " + row,
                expected,
                dGateUp.read(2L * row * width, 2 * width),
                magnitudes,
                Gate.sum(0, fixture.dtype()));
    }
}
