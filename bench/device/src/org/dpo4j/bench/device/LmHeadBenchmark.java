package org.dpo4j.bench.device;

import java.util.List;
import org.dpo4j.bench.device.Benchmark.Prepared;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.TokenLogProb;
import org.dpo4j.kernels.TokenLogProb.TokenResults;
import org.dpo4j.kernels.TokenLogProb.Transform;
import org.dpo4j.kernels.head.HeadPlan;
import org.dpo4j.kernels.head.HeadPlan.Path;
import org.dpo4j.kernels.head.HeadPlan.Use;
import org.dpo4j.kernels.head.LmHead;
import org.dpo4j.kernels.head.LmHead.HeadGradients;
import org.dpo4j.kernels.head.LmHead.HeadRows;
import org.dpo4j.kernels.head.LmHeadExponentials;
import org.dpo4j.kernels.head.LmHeadExponentials.Exponentials;
import org.dpo4j.kernels.head.LmHeadForward;
import org.dpo4j.kernels.head.LmHeadForward.Head;
import org.dpo4j.kernels.head.LmHeadForward.HiddenRows;

/**
 * Log-probs without gradients, by {@link LmHeadForward} and by {@link LmHead} in chunks of logits; and forward and
 * backward in chunks. That takes three products, and the first chunk overwrites the gradient of the weight. With a frozen weight it
 * takes two. Hidden states are normal(0, 1), weights normal(0, 0.02).
 */
final class LmHeadBenchmark {
    final Fixture fixture;
    final DType dtype;
    final int rows;
    final int hidden;
    final int vocabulary;
    final Operand x;
    final Operand weight;
    final Operand targets;
    final Operand logprob;
    final Operand lse;
    final Operand scale;
    final Operand dX;
    final Operand dWeight;

    private LmHeadBenchmark(Fixture fixture, Use use) {
        this.fixture = fixture;
        dtype = fixture.dtype();
        rows = fixture.count("rows");
        hidden = fixture.count("hidden");
        vocabulary = fixture.count("vocabulary");
        x = fixture.normal(1, (long) rows * hidden);
        weight = fixture.normal(0.02, (long) vocabulary * hidden);
        targets = fixture.indices(rows, vocabulary);
        logprob = fixture.zeros(DType.F32, rows);
        lse = fixture.zeros(DType.F32, rows);
        scale = fixture.normal(DType.F32, 1, rows);
        dX = fixture.zeros(use == Use.FORWARD ? 0 : x.count());
        dWeight = fixture.zeros(DType.F32, use == Use.TRAINING ? weight.count() : 0);
    }

    /** Log-probs by {@link LmHeadForward}, which keeps no logits in memory. */
    static Prepared forward(Fixture fixture) {
        refuseWithout(LmHeadForward.lacks(fixture.device(), fixture.dtype()), fixture, "lm_head_forward");
        LmHeadBenchmark head = new LmHeadBenchmark(fixture, Use.FORWARD);
        long workspace = fixture.workspace(LmHeadForward.workspaceBytes(head.rows, head.vocabulary));
        return new Prepared(turn -> head.fused(turn, workspace), gate -> new LmHeadCheck(head, gate).forward());
    }

    /** Log-probs and exponentials of all rows by {@link LmHeadExponentials}. A chunk of training has fewer rows. */
    static Prepared exponentials(Fixture fixture) {
        return exponentials(fixture, false);
    }

    /** The same with statistics, as a step of DPO computes them for its metrics. */
    static Prepared exponentialsAndStatistics(Fixture fixture) {
        return exponentials(fixture, true);
    }

    private static Prepared exponentials(Fixture fixture, boolean hasStatistics) {
        refuseWithout(LmHeadExponentials.lacks(fixture.device(), fixture.dtype()), fixture, "lm_head_exponentials");
        LmHeadBenchmark head = new LmHeadBenchmark(fixture, Use.FORWARD);
        long stride = (head.vocabulary + 7) / 8 * 8;
        Operand statistics = fixture.zeros(DType.F32, hasStatistics ? (long) head.rows * TokenLogProb.STATISTICS : 0);
        Operand factors = fixture.zeros(DType.F32, head.rows);
        Operand stored = fixture.zeros(head.rows * stride);
        long workspace = fixture.workspace(LmHeadExponentials.workspaceBytes(head.rows, head.vocabulary));
        return new Prepared(
                turn -> LmHeadExponentials.forward(
                        fixture.device(),
                        hasStatistics ? head.withStatistics(turn, statistics) : head.results(turn, 0),
                        new Exponentials(stored.at(turn), stride, factors.at(turn)),
                        workspace,
                        new HiddenRows(head.x.at(turn), head.hidden, head.targets.at(turn), head.rows),
                        Head.contiguous(head.weight.at(turn), head.vocabulary, head.hidden, head.dtype)),
                gate -> {
                    LmHeadCheck check = new LmHeadCheck(head, gate);
                    check.forward();
                    check.exponentials(stored, factors);
                    if (hasStatistics) {
                        check.statistics(statistics);
                    }
                });
    }

    private static void refuseWithout(String lacks, Fixture fixture, String operation) {
        if (!lacks.isEmpty()) {
            throw new Dpo4jException(fixture.device().name() + " has no " + operation + ": " + lacks);
        }
    }

    private HeadPlan plan(Use use) {
        HeadPlan row = HeadPlan.ofLogits(fixture.device(), use, vocabulary, hidden, dtype);
        return HeadPlan.within(HeadPlan.GPU_BYTES, rows, row);
    }

    /** Log-probs by {@link LmHead}, which keeps the logits of one chunk of rows in memory. */
    static Prepared forwardInChunks(Fixture fixture) {
        LmHeadBenchmark head = new LmHeadBenchmark(fixture, Use.FORWARD);
        HeadPlan plan = head.plan(Use.FORWARD);
        long workspace = fixture.workspace(plan.workspaceBytes());
        return new Prepared(
                turn -> head.head(turn, plan, workspace).forward(head.results(turn, 0), head.rows(turn, 0, head.rows)),
                gate -> new LmHeadCheck(head, gate).forward());
    }

    static Prepared forwardBackward(Fixture fixture) {
        LmHeadBenchmark head = new LmHeadBenchmark(fixture, Use.TRAINING);
        return head.training(head.plan(Use.TRAINING));
    }

    /** The same on {@link Path#EXPONENTIALS}, in as many bytes. */
    static Prepared forwardBackwardOfExponentials(Fixture fixture) {
        return ofExponentials(fixture, Use.TRAINING);
    }

    /** The same with a frozen weight, as in training of adapters: two products. */
    static Prepared frozenOfExponentials(Fixture fixture) {
        return ofExponentials(fixture, Use.FROZEN);
    }

    private static Prepared ofExponentials(Fixture fixture, Use use) {
        refuseWithout(LmHeadExponentials.lacks(fixture.device(), fixture.dtype()), fixture, "lm_head_exponentials");
        LmHeadBenchmark head = new LmHeadBenchmark(fixture, use);
        HeadPlan row = new HeadPlan(use, head.vocabulary, head.hidden, head.dtype, 1, Path.EXPONENTIALS);
        return head.training(HeadPlan.within(HeadPlan.GPU_BYTES, head.rows, row));
    }

    private Prepared training(HeadPlan plan) {
        long workspace = fixture.workspace(plan.workspaceBytes());
        return new Prepared(turn -> forwardBackward(turn, plan, workspace), gate -> {
            LmHeadCheck check = new LmHeadCheck(this, gate);
            check.forward();
            check.backward(plan.use());
        });
    }

    /** FLOPs of forward. */
    static double flopsForward(Shape shape) {
        return logitsProduct(shape).get(0).flops();
    }

    /** The matrix product of forward. */
    static List<Product> logitsProduct(Shape shape) {
        return List.of(Product.forward(shape.at("rows"), shape.at("hidden"), shape.at("vocabulary"), shape.dtype()));
    }

    /** The three matrix products of forward and backward. */
    static List<Product> threeProducts(Shape shape) {
        long rows = shape.at("rows");
        long hidden = shape.at("hidden");
        long vocabulary = shape.at("vocabulary");
        return List.of(
                Product.forward(rows, hidden, vocabulary, shape.dtype()),
                Product.inputGradient(rows, hidden, vocabulary, shape.dtype()),
                Product.weightGradient(rows, hidden, vocabulary));
    }

    /** The two matrix products of a head whose weight is frozen: the logits, and the gradient of the hidden states. */
    static List<Product> twoProducts(Shape shape) {
        return threeProducts(shape).subList(0, 2);
    }

    private LmHead head(int turn, HeadPlan plan, long workspace) {
        return new LmHead(fixture.device(), plan, weight.at(turn), Transform.NONE, workspace);
    }

    private void fused(int turn, long workspace) {
        LmHeadForward.forward(
                fixture.device(),
                results(turn, 0),
                workspace,
                new HiddenRows(x.at(turn), hidden, targets.at(turn), rows),
                Head.contiguous(weight.at(turn), vocabulary, hidden, dtype));
    }

    private void forwardBackward(int turn, HeadPlan plan, long workspace) {
        LmHead head = head(turn, plan, workspace);
        for (int begin = 0; begin < rows; begin += Math.toIntExact(plan.chunkRows())) {
            HeadRows part = rows(turn, begin, (int) Math.min(plan.chunkRows(), rows - begin));
            HeadGradients gradients = gradients(turn, begin, plan.use());
            head.forwardUnit(gradients, results(turn, begin), part);
            head.backward(gradients, part, lse.at(turn) + 4L * begin, scale.at(turn) + 4L * begin);
        }
    }

    private HeadGradients gradients(int turn, int begin, Use use) {
        long dHidden = dX.at(turn) + bytes(begin);
        if (use == Use.FROZEN) {
            return HeadGradients.hiddenOnly(dHidden);
        }
        HeadGradients all = new HeadGradients(dHidden, dWeight.at(turn));
        return begin == 0 ? all.overwritingWeight() : all;
    }

    private TokenResults withStatistics(int turn, Operand statistics) {
        return new TokenResults(logprob.at(turn), lse.at(turn), statistics.at(turn));
    }

    private HeadRows rows(int turn, int begin, int count) {
        return new HeadRows(x.at(turn) + bytes(begin), targets.at(turn) + 4L * begin, count);
    }

    private TokenResults results(int turn, int begin) {
        return new TokenResults(logprob.at(turn) + 4L * begin, lse.at(turn) + 4L * begin);
    }

    private long bytes(int count) {
        return (long) count * hidden * dtype.bytes();
    }
}
