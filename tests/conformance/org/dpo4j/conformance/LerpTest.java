package org.dpo4j.conformance;

import java.util.Arrays;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.decoder.Lerp;
import org.dpo4j.testkit.Bounded;
import org.dpo4j.testkit.Draw;
import org.dpo4j.testkit.Tolerance;
import org.junit.jupiter.api.Tag;

class LerpTest {
    private static double[] run(On on, DType out, DType in, double[] from, double[] to, float share) {
        return run(on, out, in, from, to, share, 0.5);
    }

    private static double[] run(On on, DType out, DType in, double[] from, double[] to, float share, double factor) {
        try (Tensors tensors = new Tensors(on)) {
            Tensor average = tensors.updated("out", out, 1, from.length, from);
            Tensor values = tensors.input("in", in, 1, to.length, to);
            Tensor clip = tensors.vector("clip", DType.F32, factor);
            tensors.run(device -> Lerp.compute(
                    device,
                    new Lerp.Array(average.address(), out),
                    new Lerp.Array(values.address(), in),
                    clip.address(),
                    from.length,
                    share));
            return average.values();
        }
    }

    /** Multiples of 1/64 below 1, which bf16 represents. */
    private static double[] drawn(Draw draw, int count) {
        return Arrays.stream(draw.uniform(count, -64, 64))
                .map(x -> Math.rint(x) / 64)
                .toArray();
    }

    @OnEachDType
    @Tag("small")
    void interpolates(On on) {
        for (int count : new int[] {1, 8, 37, 1001}) {
            for (DType out : on.dtype() == DType.F32 ? new DType[] {DType.F32} : new DType[] {DType.F32, DType.BF16}) {
                Draw draw = new Draw(count);
                double[] from = drawn(draw, count);
                double[] to = drawn(draw, count);
                double[] expected = new double[count];
                double[] allowed = new double[count];
                for (int i = 0; i < count; i++) {
                    Bounded old = Bounded.exact(from[i]);
                    Bounded mixed = old.plus(
                            Bounded.rounded(0.1f).times(Bounded.exact(to[i]).minus(old)));
                    expected[i] = mixed.value();
                    allowed[i] = Tolerance.stored(out, mixed.value(), mixed.error());
                }
                Expect.near("mixed", run(on, out, on.dtype(), from, to, 0.1f), expected, i -> allowed[i]);
                Expect.exactly("share 0", run(on, out, on.dtype(), from, to, 0), from);
                Expect.exactly("share 1", run(on, out, on.dtype(), from, to, 1), to);
            }
        }
    }

    /** Of a step whose gradient was not finite. */
    @OnEachDType
    @Tag("small")
    void changesNothingIfClipIsNaN(On on) {
        double[] from = {1, -2, 3, 0.5, 8, 9, 10, 11, 12};
        double[] to = new double[from.length];
        Expect.exactly("share 0.5", run(on, on.dtype(), on.dtype(), from, to, 0.5f, Double.NaN), from);
        Expect.exactly("share 1", run(on, on.dtype(), on.dtype(), from, to, 1, Double.NaN), from);
    }

    @OnEachDType
    @Tag("small")
    void refusesBadArguments(On on) {
        try (Tensors tensors = new Tensors(on)) {
            Tensor clip = tensors.vector("clip", DType.F32, 1);
            new Refusals(tensors, "lerp")
                    .address("out", tensors.updated("out", on.dtype(), 1, 8, new double[8]))
                    .address("in", tensors.input("in", on.dtype(), 1, 8, new double[8]))
                    .size("count", 8, -1)
                    .size("clip", clip.address(), clip.address() + 2)
                    .number("share", 0.5f, -0.1f, 1.1f, Float.NaN)
                    .dtype("dtype", on)
                    .dtype("in_dtype", on)
                    .check((device, a) -> Lerp.compute(
                            device,
                            new Lerp.Array(a.get("out"), a.dtype("dtype")),
                            new Lerp.Array(a.get("in"), a.dtype("in_dtype")),
                            a.get("clip"),
                            a.get("count"),
                            a.number("share")));
        }
    }
}
