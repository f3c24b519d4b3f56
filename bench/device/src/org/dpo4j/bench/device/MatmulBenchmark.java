package org.dpo4j.bench.device;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.dpo4j.bench.device.Benchmark.Call;
import org.dpo4j.bench.device.Benchmark.Prepared;
import org.dpo4j.kernels.MatmulShape;
import org.dpo4j.testkit.Functions;
import org.dpo4j.testkit.Tolerance;

/**
 * Matrix products as the trainer runs them, and with cuBLASLt's fastest algorithm. The latter are the roofline of
 * operations that are bound by arithmetic.
 */
final class MatmulBenchmark {
    private MatmulBenchmark() {}

    /** The product that a shape names: {@code product forward}, {@code input_gradient} or {@code weight_gradient}. */
    static Product product(Shape shape) {
        long rows = shape.at("rows");
        long in = shape.at("in");
        long out = shape.at("out");
        return switch (shape.text("product")) {
            case "forward" -> Product.forward(rows, in, out, shape.dtype());
            case "input_gradient" -> Product.inputGradient(rows, in, out, shape.dtype());
            case "weight_gradient" -> Product.weightGradient(rows, in, out);
            default -> throw new IllegalArgumentException(shape + " names no product");
        };
    }

    /** The operands of a product. */
    private record Operands(Product product, Operand c, Operand a, Operand b) {
        static Operands of(Fixture fixture, Product product) {
            return new Operands(
                    product,
                    fixture.zeros(product.output(), product.m() * product.n()),
                    fixture.normal(1, product.m() * product.k()),
                    fixture.normal(0.02, product.n() * product.k()));
        }

        /** With {@code few 1} as generation does it. */
        Call trainers(Fixture fixture) {
            Call call = turn ->
                    product.multiply(fixture.device(), c.at(turn), a.at(turn), b.at(turn), false, fixture.dtype());
            return fixture.shape().has("few", "1")
                    ? turn -> fixture.device().withFewRows(() -> call.queue(turn))
                    : call;
        }
    }

    /** With {@code bias 1} the product's epilogue adds a bias. */
    static Prepared trainers(Fixture fixture) {
        Operands operands = Operands.of(fixture, product(fixture.shape()));
        Product product = operands.product;
        if (!fixture.shape().has("bias", "1")) {
            return new Prepared(
                    operands.trainers(fixture), gate -> check(gate, operands, new double[(int) product.n()]));
        }
        Operand bias = fixture.normal(product.output(), 1, product.n());
        MatmulShape shape = product.matmul(fixture.dtype());
        return new Prepared(
                turn -> fixture.device()
                        .matmul(operands.c.at(turn), operands.a.at(turn), operands.b.at(turn), bias.at(turn), shape),
                gate -> check(gate, operands, bias.read(0, (int) product.n())));
    }

    /** These products one after another; on cuda each by the fastest algorithm of those that cuBLASLt proposes. */
    static Prepared fastest(Fixture fixture, List<Product> products) {
        List<Call> calls = new ArrayList<>();
        List<FastestMatmul> opened = new ArrayList<>();
        for (Product product : products) {
            Operands operands = Operands.of(fixture, product);
            if (fixture.device().name().equals("cuda")) {
                FastestMatmul fastest = new FastestMatmul(fixture.device(), product, fixture.dtype());
                opened.add(fastest);
                fastest.choose(operands.c.base(), operands.a.base(), operands.b.base());
                calls.add(turn -> fastest.multiply(operands.c.at(turn), operands.a.at(turn), operands.b.at(turn)));
            } else {
                calls.add(operands.trainers(fixture));
            }
        }
        return new Prepared(
                turn -> calls.forEach(call -> call.queue(turn)),
                gate -> {},
                () -> opened.forEach(FastestMatmul::close),
                true);
    }

    /** Compares the four corners of c with the reference. */
    private static void check(Gate gate, Operands operands, double[] bias) {
        Product product = operands.product;
        for (long row : new long[] {0, product.m() - 1}) {
            double[] a = line(operands.a, row, product.k(), product.transposeA() ? product.m() : 0);
            for (long column : new long[] {0, product.n() - 1}) {
                double[] b = line(operands.b, column, product.k(), product.transposeB() ? 0 : product.n());
                double added = bias[(int) column];
                double expected = Functions.dot(a, b) + added;
                double magnitude = Functions.dot(magnitudes(a), magnitudes(b)) + Math.abs(added);
                gate.value(
                        "c[" + row + "," + column + "]",
                        expected,
                        operands.c.read(row * product.n() + column),
                        Tolerance.stored(product.output(), expected, Tolerance.sum(a.length + 2, magnitude)));
            }
        }
    }

    private static double[] magnitudes(double[] values) {
        return Arrays.stream(values).map(Math::abs).toArray();
    }

    /**
     * Row {@code index} if {@code stride} is 0, else column {@code index} of a matrix with that stride between rows.
     */
    private static double[] line(Operand matrix, long index, long length, long stride) {
        if (stride == 0) {
            return matrix.row(index, (int) length);
        }
        double[] column = new double[(int) length];
        Arrays.setAll(column, i -> matrix.read(i * stride + index));
        return column;
    }
}
