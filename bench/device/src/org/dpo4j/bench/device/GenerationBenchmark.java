package org.dpo4j.bench.device;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;
import java.util.stream.IntStream;
import org.dpo4j.bench.device.Benchmark.Prepared;
import org.dpo4j.kernels.DType;
import org.dpo4j.model.GenerationSteps;
import org.dpo4j.model.Model;

/**
 * The decode step of generation, {@link GenerationSteps}, after {@code context} tokens of each of several texts: the upload of
 * ids, one CUDA graph if the device has them, and the download of the chosen tokens. The gate reads the first text again, and
 * compares the logit of its token with the max.
 */
final class GenerationBenchmark implements AutoCloseable {
    private final Fixture fixture;
    private final Model model;
    private final GenerationSteps steps;
    private int[] tokens = {};

    private GenerationBenchmark(Fixture fixture) {
        this.fixture = fixture;
        Shape shape = fixture.shape();
        try (RandomModel files = RandomModel.write(shape, fixture.numbers())) {
            model = Model.load(files.directory(), fixture.device(), fixture.dtype());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        int vocabulary = ModelShape.of(shape).vocabulary();
        // the prompt and a first token are the context
        List<int[]> prompts = IntStream.range(0, shape.count("sequences"))
                .mapToObj(i -> fixture.numbers().indices(shape.count("context") - 1, vocabulary))
                .toList();
        try {
            steps = new GenerationSteps(model, prompts);
        } catch (RuntimeException e) {
            model.close();
            throw e;
        }
    }

    static Prepared step(Fixture fixture) {
        GenerationBenchmark benchmark = new GenerationBenchmark(fixture);
        return new Prepared(turn -> benchmark.tokens = benchmark.steps.step(), benchmark::check, benchmark, false);
    }

    /** All weights once, and the keys and values of all texts. A tied head reads the embedding, another reads a row of it. */
    static double bytes(Shape shape) {
        ModelShape model = ModelShape.of(shape);
        double keys = 2.0 * model.layers() * model.kvHeads() * model.headWidth();
        return shape.dtype().bytes() * (model.read() + keys * shape.at("sequences") * shape.at("context"));
    }

    /**
     * Compares logits of decode steps with those of one forward pass over the whole text. The two add in different orders.
     * In bf16, each of up to 64 branches rounds its activations to a relative error of 2^-9. These errors are independent, so
     * the logits differ by a few times 2^-6 of the maximum logit. In fp32 they differ by 2^15 times less.
     */
    private void check(Gate gate) {
        gate.value("number of tokens", fixture.shape().count("sequences"), tokens.length, 0);
        for (int token : tokens) {
            gate.value("token, which is not negative,", 1, token >= 0 ? 1 : 0, 0);
        }
        double allowed = fixture.dtype() == DType.BF16 ? 0x1p-4 : 0x1p-15;
        gate.value("logit of the token below the max", 0, steps.shareBelowMax(0, tokens[0]), allowed);
    }

    @Override
    public void close() {
        steps.close();
        model.close();
    }
}
