package org.dpo4j.bench.device;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.dpo4j.bench.device.Benchmark.Prepared;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.kernels.DeviceReport;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.Model;
import org.dpo4j.train.DpoOptions;
import org.dpo4j.train.DpoSteps;
import org.dpo4j.train.LrSchedulerType;

/**
 * The trainer's optimizer step, {@link DpoSteps}, with its CUDA graphs where the device has them: pairs packed on the host, one micro-batch forward and
 * backward, gradient norm, AdamW; the reference's log-probs are known. {@code layout shared} computes a prompt once, {@code layout plain} once for each
 * completion. The gate: the first step's loss is ln 2, its rewards 0.
 */
final class DpoStepBenchmark implements AutoCloseable {
    /** Gradients of unit norm at this rate leave random weights what they are. */
    private static final double RATE = 1e-7;

    /** Of a parameter: itself in bf16, and in fp32 its gradient, master, m and v. */
    private static final double STATE_BYTES = 18;

    private final Model model;
    private final DpoSteps steps;

    private DpoStepBenchmark(Fixture fixture) {
        Shape shape = fixture.shape();
        refuseTooLarge(shape);
        try (RandomModel files = RandomModel.write(shape, fixture.numbers())) {
            model = Model.load(files.directory(), fixture.device(), fixture.dtype());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        try {
            List<PreferencePair> pairs = pairs(fixture, model.config().vocabSize());
            steps = new DpoSteps(model, pairs, options(pairs.size()), shape.has("layout", "shared"));
        } catch (RuntimeException e) {
            model.close();
            throw e;
        }
    }

    /** Before gigabytes of weights are written. */
    private static void refuseTooLarge(Shape shape) {
        double needed = STATE_BYTES * ModelShape.of(shape).parameters();
        DeviceReport.probe().cuda().gpus().stream().findFirst().ifPresent(gpu -> {
            if (gpu.memoryBytes() < needed) {
                throw new Dpo4jException(String.format(
                        Locale.ROOT,
                        "weights, gradients and optimizer take %.0f GB, the GPU has %.0f",
                        needed / 1e9,
                        gpu.memoryBytes() / 1e9));
            }
        });
    }

    static Prepared step(Fixture fixture) {
        DpoStepBenchmark of = new DpoStepBenchmark(fixture);
        return new Prepared(turn -> of.steps.step(), of::check, of, false);
    }

    /** All pairs are one micro-batch, and no step is the last; the paths are not read. */
    private static DpoOptions options(int pairs) {
        Path unread = Path.of("unread");
        return DpoOptions.builder()
                .modelNameOrPath(unread)
                .datasetName(unread)
                .outputDir(unread)
                .perDeviceTrainBatchSize(pairs)
                .perDeviceEvalBatchSize(pairs)
                .learningRate(RATE)
                .lrSchedulerType(LrSchedulerType.CONSTANT)
                .maxSteps(Integer.MAX_VALUE)
                .build();
    }

    private static List<PreferencePair> pairs(Fixture fixture, int vocabulary) {
        int prompt = fixture.shape().count("prompt");
        int completion = fixture.shape().count("completion");
        List<PreferencePair> pairs = new ArrayList<>();
        for (int row = 1; row <= fixture.shape().count("pairs"); row++) {
            pairs.add(new PreferencePair(
                    row,
                    fixture.numbers().indices(prompt, vocabulary),
                    fixture.numbers().indices(completion, vocabulary),
                    fixture.numbers().indices(completion, vocabulary)));
        }
        return pairs;
    }

    private void check(Gate gate) {
        Map<String, Double> metrics = steps.metrics();
        gate.value("loss", Math.log(2), metrics.getOrDefault("loss", Double.NaN), 1e-7);
        for (String reward : List.of("rewards/chosen", "rewards/rejected")) {
            gate.value(reward, 0, metrics.getOrDefault(reward, Double.NaN), 0);
        }
        double ofGradient = metrics.getOrDefault("grad_norm", Double.NaN);
        gate.value("gradient norm, which is finite and above 0,", 1, ofGradient > 0 && ofGradient < 1e30 ? 1 : 0, 0);
    }

    @Override
    public void close() {
        steps.close();
        model.close();
    }
}
