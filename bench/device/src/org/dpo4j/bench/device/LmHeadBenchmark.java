package org.dpo4j.bench.device;

import java.util.List;
import org.dpo4j.bench.device.Benchmark.Prepared;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.TokenLogProb;
import org.dpo4j.kernels.TokenLogProb.Gradient;
import org.dpo4j.kernels.TokenLogProb.Logits;
import org.dpo4j.kernels.TokenLogProb.Results;
import org.dpo4j.kernels.decoder.ScaleRows;
import org.dpo4j.model.LanguageModel;

/**
 * The head as the trainer queues it, in chunks of rows that fit its memory for logits. Backward is the form of three products: the unit gradient
 * comes with the log-probs, and the loss enters as a scale of rows. Hidden rows of normal(0, 1), weights of normal(0, 0.02).
 */
final class LmHeadBenchmark {
    final Fixture fixture;
    final DType dtype;
    final int rows;
    final int hidden;
    final int vocabulary;
    final Tensor x;
    final Tensor weight;
    final Tensor targets;
    final Tensor logprob;
    final Tensor lse;
    final Tensor scale;
    final Tensor dX;
    final Tensor dWeight;
    private final int stride;
    private final int chunk;
    private final Tensor logits;
    private final Tensor dLogits;
    private final Tensor scaled;

    private LmHeadBenchmark(Fixture fixture, boolean backward) {
        this.fixture = fixture;
        dtype = fixture.dtype();
        rows = fixture.shape().count("rows");
        hidden = fixture.shape().count("hidden");
        vocabulary = fixture.shape().count("vocabulary");
        stride = vocabulary + 7 & -8;
        chunk = (int) Math.min(rows, LanguageModel.TRAINING_LOGITS_BYTES / (4L * stride));
        x = fixture.normal(1, (long) rows * hidden);
        weight = fixture.normal(0.02, (long) vocabulary * hidden);
        targets = fixture.indices(rows, vocabulary);
        logprob = fixture.zeros(DType.F32, rows);
        lse = fixture.zeros(DType.F32, rows);
        logits = fixture.zeros(DType.F32, (long) chunk * stride);
        scale = fixture.normal(DType.F32, 1, rows);
        dLogits = dtype == DType.F32 ? logits : fixture.zeros(backward ? (long) chunk * stride : 0);
        scaled = fixture.zeros(backward ? (long) chunk * hidden : 0);
        dX = fixture.zeros(backward ? x.count() : 0);
        dWeight = fixture.zeros(DType.F32, backward ? weight.count() : 0);
    }

    static Prepared forward(Fixture fixture) {
        LmHeadBenchmark of = new LmHeadBenchmark(fixture, false);
        return new Prepared(of::forward, gate -> new LmHeadCheck(of, gate).forward());
    }

    static Prepared forwardBackward(Fixture fixture) {
        LmHeadBenchmark of = new LmHeadBenchmark(fixture, true);
        return new Prepared(of::forwardBackward, gate -> {
            LmHeadCheck check = new LmHeadCheck(of, gate);
            check.forward();
            check.backward();
        });
    }

    /** Of one call forward. */
    static List<Product> logitsProduct(Shape shape) {
        return List.of(Product.forward(shape.at("rows"), shape.at("hidden"), shape.at("vocabulary"), shape.dtype()));
    }

    /** Of one call forward and backward. */
    static List<Product> threeProducts(Shape shape) {
        long rows = shape.at("rows");
        long hidden = shape.at("hidden");
        long vocabulary = shape.at("vocabulary");
        return List.of(
                Product.forward(rows, hidden, vocabulary, shape.dtype()),
                Product.inputGradient(rows, hidden, vocabulary, shape.dtype()),
                Product.weightGradient(rows, hidden, vocabulary));
    }

    private void forward(int turn) {
        for (int begin = 0; begin < rows; begin += chunk) {
            int count = Math.min(chunk, rows - begin);
            logits(turn, begin, count);
            TokenLogProb.forward(
                    fixture.device(), results(turn, begin), logits(turn), targets.at(turn) + 4L * begin, count);
        }
    }

    private void forwardBackward(int turn) {
        for (int begin = 0; begin < rows; begin += chunk) {
            int count = Math.min(chunk, rows - begin);
            logits(turn, begin, count);
            TokenLogProb.forwardBackward(
                    fixture.device(),
                    new Gradient(dLogits.at(turn), stride, dtype),
                    results(turn, begin),
                    logits(turn),
                    targets.at(turn) + 4L * begin,
                    0,
                    count);
            backward(turn, begin, count);
        }
    }

    private void logits(int turn, int begin, int count) {
        fixture.device()
                .matmul(
                        logits.at(turn),
                        x.at(turn) + bytes(begin),
                        weight.at(turn),
                        count,
                        vocabulary,
                        hidden,
                        stride,
                        hidden,
                        hidden,
                        false,
                        true,
                        false,
                        DType.F32,
                        dtype);
    }

    private void backward(int turn, int begin, int count) {
        long scales = scale.at(turn) + 4L * begin;
        long dRows = dX.at(turn) + bytes(begin);
        ScaleRows.forward(fixture.device(), scaled.at(turn), x.at(turn) + bytes(begin), scales, count, hidden, dtype);
        fixture.device()
                .matmul(
                        dRows,
                        dLogits.at(turn),
                        weight.at(turn),
                        count,
                        hidden,
                        vocabulary,
                        hidden,
                        stride,
                        hidden,
                        false,
                        false,
                        false,
                        dtype,
                        dtype);
        fixture.device()
                .matmul(
                        dWeight.at(turn),
                        dLogits.at(turn),
                        scaled.at(turn),
                        vocabulary,
                        hidden,
                        count,
                        hidden,
                        stride,
                        hidden,
                        true,
                        false,
                        true,
                        DType.F32,
                        dtype);
        ScaleRows.forward(fixture.device(), dRows, dRows, scales, count, hidden, dtype);
    }

    private Results results(int turn, int begin) {
        return new Results(logprob.at(turn) + 4L * begin, lse.at(turn) + 4L * begin);
    }

    private Logits logits(int turn) {
        return new Logits(logits.at(turn), vocabulary, stride, DType.F32);
    }

    private long bytes(int count) {
        return (long) count * hidden * dtype.bytes();
    }
}
