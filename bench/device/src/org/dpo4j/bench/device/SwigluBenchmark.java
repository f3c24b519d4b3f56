package org.dpo4j.bench.device;

import org.dpo4j.bench.device.Benchmark.Prepared;
import org.dpo4j.kernels.decoder.MatrixShape;
import org.dpo4j.kernels.decoder.Swiglu;
import org.dpo4j.testkit.ReferenceSwiglu;

/** Gate and up of normal(0, 1). */
final class SwigluBenchmark {
    private SwigluBenchmark() {}

    static Prepared forward(Fixture fixture) {
        MatrixShape shape = fixture.matrix();
        int width = fixture.count("width");
        Operand out = fixture.zeros(shape.rows() * width);
        Operand gateUp = fixture.normal(1, 2 * shape.rows() * width);
        return new Prepared(
                turn -> Swiglu.forward(fixture.device(), out.at(turn), gateUp.at(turn), shape),
                gate -> gate.rows(
                        "out",
                        out,
                        fixture.sample(shape.rows()),
                        row -> ReferenceSwiglu.forward(fixture.dtype(), gateUp.row(row, 2 * width))));
    }

    static Prepared backward(Fixture fixture) {
        MatrixShape shape = fixture.matrix();
        int width = fixture.count("width");
        Operand dGateUp = fixture.zeros(2 * shape.rows() * width);
        Operand dOut = fixture.normal(1, shape.rows() * width);
        Operand gateUp = fixture.normal(1, 2 * shape.rows() * width);
        return new Prepared(
                turn -> Swiglu.backward(fixture.device(), dGateUp.at(turn), dOut.at(turn), gateUp.at(turn), shape),
                gate -> gate.rows(
                        "d_gate_up",
                        dGateUp,
                        fixture.sample(shape.rows()),
                        row -> ReferenceSwiglu.backward(
                                fixture.dtype(), dOut.row(row, width), gateUp.row(row, 2 * width))));
    }
}
