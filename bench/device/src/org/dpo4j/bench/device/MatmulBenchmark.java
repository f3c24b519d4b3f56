package org.dpo4j.bench.device;

import java.util.ArrayList;
import java.util.List;
import org.dpo4j.bench.device.Benchmark.Call;
import org.dpo4j.bench.device.Benchmark.Prepared;
import org.dpo4j.kernels.DType;

/** Products as the trainer asks for them, and as fast as cuBLASLt has them: the roofline of what is bound by arithmetic. */
final class MatmulBenchmark {
    private static final int ROWS = 2;
    private static final int COLUMNS = 2;

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

    static Prepared trainers(Fixture fixture) {
        Product product = product(fixture.shape());
        Tensor c = fixture.zeros(product.output(), product.m() * product.n());
        Tensor a = fixture.normal(1, product.m() * product.k());
        Tensor b = fixture.normal(0.02, product.n() * product.k());
        return new Prepared(
                turn -> product.multiply(fixture.device(), c.at(turn), a.at(turn), b.at(turn), false, fixture.dtype()),
                gate -> check(gate, product, c, a, b));
    }

    /** These products one after the other, each by the algorithm that was the fastest here of those cuBLASLt proposes. */
    static Prepared fastest(Fixture fixture, List<Product> products) {
        List<Call> calls = new ArrayList<>();
        List<AutoCloseable> closed = new ArrayList<>();
        for (Product product : products) {
            Tensor c = fixture.zeros(product.output(), product.m() * product.n());
            Tensor a = fixture.normal(1, product.m() * product.k());
            Tensor b = fixture.normal(0.02, product.n() * product.k());
            if (fixture.device().name().equals("cuda")) {
                FastestMatmul fastest = new FastestMatmul(fixture.device(), product, fixture.dtype());
                closed.add(fastest);
                fastest.choose(c.base(), a.base(), b.base());
                calls.add(turn -> fastest.multiply(c.at(turn), a.at(turn), b.at(turn)));
            } else {
                calls.add(turn ->
                        product.multiply(fixture.device(), c.at(turn), a.at(turn), b.at(turn), false, fixture.dtype()));
            }
        }
        return new Prepared(
                turn -> calls.forEach(call -> call.queue(turn)),
                gate -> {},
                () -> {
                    for (AutoCloseable each : closed) {
                        each.close();
                    }
                },
                true);
    }

    /** Corners of c. */
    private static void check(Gate gate, Product product, Tensor c, Tensor a, Tensor b) {
        double share = Gate.sum((double) product.k(), DType.F32) + (product.output() == DType.F32 ? 0 : 0x1p-8);
        for (int i = 0; i < ROWS; i++) {
            long row = i * (product.m() - 1);
            double[] ofA = line(a, row, product.k(), product.transposeA() ? product.m() : 0);
            for (int j = 0; j < COLUMNS; j++) {
                long column = j * (product.n() - 1);
                double[] ofB = line(b, column, product.k(), product.transposeB() ? 0 : product.n());
                double magnitude = 0;
                for (int k = 0; k < ofA.length; k++) {
                    magnitude += Math.abs(ofA[k] * ofB[k]);
                }
                gate.value(
                        "c[" + row + "," + column + "]",
                        Reference.dot(ofA, ofB),
                        c.read(row * product.n() + column),
                        share * magnitude);
            }
        }
    }

    /** Row {@code index}; or, where a stride is given, column {@code index} of rows so far apart. */
    private static double[] line(Tensor of, long index, long length, long stride) {
        if (stride == 0) {
            return of.read(index * length, (int) length);
        }
        double[] column = new double[(int) length];
        for (int i = 0; i < column.length; i++) {
            column[i] = of.read(i * stride + index);
        }
        return column;
    }
}
