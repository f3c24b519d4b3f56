package org.dpo4j.conformance;

import java.util.Arrays;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.MatmulShape;
import org.dpo4j.kernels.TokenLogProb;
import org.dpo4j.kernels.TokenLogProb.Logits;
import org.dpo4j.kernels.TokenLogProb.LogitsGradient;
import org.dpo4j.kernels.TokenLogProb.TokenResults;
import org.dpo4j.kernels.decoder.ColumnSum;
import org.dpo4j.kernels.head.HeadPlan;
import org.dpo4j.kernels.head.HeadPlan.Path;
import org.dpo4j.kernels.head.HeadPlan.Use;
import org.dpo4j.kernels.head.LmHead;
import org.dpo4j.kernels.head.LmHead.HeadGradients;
import org.dpo4j.kernels.head.LmHead.HeadRows;
import org.dpo4j.testkit.Draw;
import org.jspecify.annotations.Nullable;

/** Runs an LM head on a device: {@link #of}. */
final class LmHeadRun implements AutoCloseable {

    /** The way in which results are computed. */
    enum Way {
        FORWARD(Use.FORWARD),
        /** d_logprob is known before forward. */
        KNOWN(Use.TRAINING),
        KNOWN_FROZEN(Use.FROZEN),
        /** d_logprob is known only after forward, which computes unit gradients. */
        UNIT(Use.TRAINING),
        UNIT_FROZEN(Use.FROZEN),
        /** Without {@code LmHead}: a product for whole logits, their log-probs and gradients, and two products. */
        UNFUSED(Use.TRAINING);

        final Use use;

        Way(Use use) {
            this.use = use;
        }
    }

    /** What d_weight holds before a call. */
    enum WeightBefore {
        NUMBERS,
        ZEROS,
        /** NaN, which the call must overwrite. */
        OVERWRITTEN
    }

    /** Results of a run, and its inputs as stored. Results that the run does not compute are empty. */
    record Left(
            double[] x,
            double[] w,
            double[] dLogProb,
            double[] dWeightBefore,
            double[] dBiasBefore,
            double[] logprob,
            double[] lse,
            double[] statistics,
            double[] dHidden,
            double[] dWeight,
            double[] dBias,
            Bits bits) {}

    /** Bits of the results, for exact comparisons. */
    record Bits(long[] logprob, long[] lse, long[] statistics, long[] dHidden, long[] dWeight, long[] dBias) {

        /** Fails unless log-prob, lse and statistics of row i have the bits of row {@code rows[i]} of another run. */
        void sameNumbers(String what, Bits other, int... rows) {
            same(what + " logprob", logprob, other.logprob, 1, rows);
            same(what + " lse", lse, other.lse, 1, rows);
            same(what + " statistics", statistics, other.statistics, TokenLogProb.STATISTICS, rows);
        }

        void sameHidden(String what, Bits other, int hidden, int... rows) {
            same(what + " d_hidden", dHidden, other.dHidden, hidden, rows);
        }

        private static void same(String what, long[] bits, long[] others, int width, int... rows) {
            for (int row = 0; row < rows.length && bits.length > 0; row++) {
                Expect.sameBits(
                        what + ", row " + row,
                        Arrays.copyOfRange(bits, row * width, (row + 1) * width),
                        Arrays.copyOfRange(others, rows[row] * width, (rows[row] + 1) * width));
            }
        }
    }

    private final LmHeadCall call;
    private final Way way;
    private final WeightBefore before;
    private final Tensors tensors;
    private final DType dtype;
    private final HeadPlan plan;
    private final Tensor x;
    private final Tensor w;
    private final Tensor targets;
    private final Tensor dLogProb;
    private final @Nullable Tensor bias;
    private final Tensor logprob;
    private final Tensor lse;
    private final Tensor statistics;
    private final Tensor dHidden;
    private final Tensor dWeight;
    private final Tensor dBias;
    private final Tensor workspace;

    private LmHeadRun(On on, LmHeadCall call, Way way, int chunkRows, WeightBefore before, Path path) {
        this.call = call;
        this.way = way;
        this.before = before;
        int rows = call.rows();
        int vocabulary = call.vocabulary();
        int hidden = call.hidden();
        tensors = new Tensors(on);
        dtype = on.dtype();
        plan = new HeadPlan(way.use, vocabulary, hidden, dtype, chunkRows, path);
        x = tensors.input("x", dtype, rows, hidden, call.x());
        w = tensors.input("w", dtype, vocabulary, hidden, call.w());
        targets = tensors.input("targets", call.targets());
        dLogProb = tensors.vector("d_logprob", DType.F32, call.dLogProb());
        double[] biases = call.transform().bias();
        bias = biases == null ? null : tensors.vector("bias", DType.F32, biases);
        logprob = tensors.output("logprob", DType.F32, 1, rows);
        lse = tensors.output("lse", DType.F32, 1, rows);
        statistics = tensors.output("statistics", DType.F32, rows, TokenLogProb.STATISTICS);
        dHidden = way == Way.FORWARD
                ? tensors.input("d_hidden", dtype, rows, hidden, new double[rows * hidden])
                : tensors.output("d_hidden", dtype, rows, hidden);
        Draw draw = new Draw(9);
        dWeight = tensors.updated("d_weight", DType.F32, vocabulary, hidden, before(draw, vocabulary * hidden));
        dBias = tensors.updated("d_bias", DType.F32, 1, vocabulary, draw.normal(vocabulary, 0.1));
        // at least the logits of all rows, for the way without a plan
        workspace = tensors.workspace(
                way == Way.UNFUSED ? plan.withChunkRows(rows).workspaceBytes() : plan.workspaceBytes());
    }

    /** Repeats a few random numbers: the weight of a real vocabulary has hundreds of millions. */
    private double[] before(Draw draw, int count) {
        double[] values = new double[count];
        double[] some = draw.normal(1021, 0.1);
        switch (before) {
            case ZEROS -> {}
            case OVERWRITTEN -> Arrays.fill(values, Double.NaN);
            case NUMBERS -> Arrays.setAll(values, i -> some[i % some.length]);
        }
        return values;
    }

    /** Results of the head with a plan of {@code chunkRows} rows per chunk. */
    static Left of(On on, LmHeadCall call, Way way, int chunkRows) {
        return of(on, call, way, chunkRows, WeightBefore.NUMBERS);
    }

    /** The same with another d_weight before. */
    static Left of(On on, LmHeadCall call, Way way, int chunkRows, WeightBefore before) {
        return of(on, call, way, chunkRows, before, Path.LOGITS);
    }

    /** The same on a path. */
    static Left of(On on, LmHeadCall call, Way way, int chunkRows, Path path) {
        return of(on, call, way, chunkRows, WeightBefore.NUMBERS, path);
    }

    static Left of(On on, LmHeadCall call, Way way, int chunkRows, WeightBefore before, Path path) {
        try (LmHeadRun run = new LmHeadRun(on, call, way, chunkRows, before, path)) {
            double[] dWeightBefore = run.dWeight.values();
            double[] dBiasBefore = run.dBias.values();
            run.tensors.run(run::run);
            boolean training = way.use == Use.TRAINING;
            boolean backward = way != Way.FORWARD;
            return new Left(
                    run.x.values(),
                    run.w.values(),
                    run.dLogProb.values(),
                    dWeightBefore,
                    dBiasBefore,
                    run.logprob.values(),
                    run.lse.values(),
                    run.statistics.values(),
                    backward ? run.dHidden.values() : new double[0],
                    training ? run.dWeight.values() : new double[0],
                    training ? run.dBias.values() : new double[0],
                    new Bits(
                            run.logprob.bits(),
                            run.lse.bits(),
                            run.statistics.bits(),
                            backward ? run.dHidden.bits() : new long[0],
                            training ? run.dWeight.bits() : new long[0],
                            training ? run.dBias.bits() : new long[0]));
        }
    }

    private void run(Device device) {
        if (way == Way.UNFUSED) {
            unfused(device);
            return;
        }
        LmHead head = new LmHead(
                device, plan, w.address(), call.transform().on(bias == null ? 0 : bias.address()), workspace.address());
        HeadRows rows = new HeadRows(x.address(), targets.address(), call.rows());
        switch (way) {
            case FORWARD -> head.forward(results(), rows);
            case KNOWN, KNOWN_FROZEN -> head.forwardBackward(gradients(), results(), rows, dLogProb.address());
            default -> {
                head.forwardUnit(gradients(), results(), rows);
                head.backward(gradients(), rows, lse.address(), dLogProb.address());
            }
        }
    }

    private TokenResults results() {
        return new TokenResults(logprob.address(), lse.address(), statistics.address());
    }

    private HeadGradients gradients() {
        if (way.use == Use.FROZEN) {
            return HeadGradients.hiddenOnly(dHidden.address());
        }
        HeadGradients to = new HeadGradients(dHidden.address(), dWeight.address(), bias == null ? 0 : dBias.address());
        return before == WeightBefore.OVERWRITTEN ? to.overwritingWeight() : to;
    }

    private void unfused(Device device) {
        long rows = call.rows();
        long vocabulary = call.vocabulary();
        long hidden = call.hidden();
        long stride = plan.stride();
        long at = workspace.address();
        long gradientAt = dtype == DType.F32 ? at : at + 4 * rows * stride;
        Logits logits = new Logits(
                at, 0, vocabulary, stride, DType.F32, call.transform().on(bias == null ? 0 : bias.address()));
        LogitsGradient gradient = new LogitsGradient(gradientAt, stride, dtype);
        device.matmul(
                at,
                x.address(),
                w.address(),
                new MatmulShape(
                        rows,
                        vocabulary,
                        hidden,
                        new MatmulShape.Strides(stride, hidden, hidden),
                        false,
                        true,
                        DType.F32,
                        dtype),
                false);
        TokenLogProb.forward(device, results(), logits, targets.address(), rows);
        TokenLogProb.backward(device, gradient, logits, targets.address(), lse.address(), dLogProb.address(), rows);
        device.matmul(
                dHidden.address(),
                gradientAt,
                w.address(),
                new MatmulShape(
                        rows,
                        hidden,
                        vocabulary,
                        new MatmulShape.Strides(hidden, stride, hidden),
                        false,
                        false,
                        dtype,
                        dtype),
                false);
        device.matmul(
                dWeight.address(),
                gradientAt,
                x.address(),
                new MatmulShape(
                        vocabulary,
                        hidden,
                        rows,
                        new MatmulShape.Strides(hidden, stride, hidden),
                        true,
                        false,
                        DType.F32,
                        dtype),
                true);
        if (bias != null) {
            ColumnSum.Matrix matrix = new ColumnSum.Matrix(gradientAt, rows, vocabulary, stride, dtype);
            ColumnSum.forward(device, dBias.address(), matrix, ColumnSum.UNSCALED);
        }
    }

    @Override
    public void close() {
        tensors.close();
    }
}
