package org.dpo4j.bench.device;

import java.util.Locale;
import org.dpo4j.bench.device.Benchmark.Prepared;
import org.dpo4j.kernels.decoder.Activation;
import org.dpo4j.kernels.decoder.Activation.Function;
import org.dpo4j.kernels.decoder.Activation.Kind;
import org.dpo4j.kernels.decoder.MatrixShape;
import org.dpo4j.testkit.ReferenceActivation;

/** x of normal(0, 1); with two inputs also up. */
final class ActivationBenchmark {
    private ActivationBenchmark() {}

    static Prepared forward(Fixture fixture) {
        MatrixShape shape = fixture.matrix();
        Function function = function(fixture);
        int inputs = fixture.count("inputs") * fixture.count("width");
        Operand out = fixture.zeros(shape.rows() * shape.width());
        Operand x = fixture.normal(1, shape.rows() * inputs);
        return new Prepared(
                turn -> Activation.forward(fixture.device(), function, out.at(turn), x.at(turn), shape),
                gate -> gate.rows(
                        "out",
                        out,
                        fixture.sample(shape.rows()),
                        row -> ReferenceActivation.forward(fixture.dtype(), function, x.row(row, inputs))));
    }

    static Prepared backward(Fixture fixture) {
        MatrixShape shape = fixture.matrix();
        Function function = function(fixture);
        int width = fixture.count("width");
        int inputs = fixture.count("inputs") * width;
        Operand dX = fixture.zeros(shape.rows() * inputs);
        Operand dOut = fixture.normal(1, shape.rows() * width);
        Operand x = fixture.normal(1, shape.rows() * inputs);
        return new Prepared(
                turn -> Activation.backward(fixture.device(), function, dX.at(turn), dOut.at(turn), x.at(turn), shape),
                gate -> gate.rows(
                        "d_x",
                        dX,
                        fixture.sample(shape.rows()),
                        row -> ReferenceActivation.backward(
                                fixture.dtype(), function, dOut.row(row, width), x.row(row, inputs))));
    }

    private static Function function(Fixture fixture) {
        Kind kind = Kind.valueOf(fixture.shape().text("kind").toUpperCase(Locale.ROOT));
        return new Function(kind, fixture.count("inputs") == 2);
    }
}
