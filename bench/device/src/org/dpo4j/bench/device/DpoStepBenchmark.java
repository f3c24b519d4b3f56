package org.dpo4j.bench.device;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.dpo4j.bench.device.Benchmark.Prepared;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.head.HeadPlan;
import org.dpo4j.model.LoadProgress;
import org.dpo4j.model.LoraConfig;
import org.dpo4j.model.Model;
import org.dpo4j.train.DpoOptions;
import org.dpo4j.train.DpoSteps;
import org.dpo4j.train.LoraOptions;
import org.dpo4j.train.LrSchedulerType;
import org.dpo4j.train.MemoryPlan;
import org.dpo4j.train.Precision;

/**
 * The trainer's optimizer step, {@link DpoSteps}, with CUDA graphs if the device has them. It packs pairs on the host,
 * and computes micro-batches forward and backward, the gradient norm and AdamW. The log-probs of the reference are
 * computed before. {@code layout shared} computes a prompt once, {@code layout plain} once for each completion. The
 * gate checks that the loss of the first step is ln 2 and its rewards are 0, and that the head takes the path of exponentials if the
 * device has its kernels.
 */
final class DpoStepBenchmark implements AutoCloseable {
    /** With gradients of norm 1, this rate hardly changes random weights. */
    private static final double RATE = 1e-7;

    private final Model model;
    private final DpoSteps steps;
    private final HeadPlan.Path expectedPath;

    private DpoStepBenchmark(Fixture fixture) {
        Shape shape = fixture.shape();
        ModelShape sizes = ModelShape.of(shape);
        expectedPath = HeadPlan.on(
                        fixture.device(), HeadPlan.Use.TRAINING, sizes.vocabulary(), sizes.hidden(), fixture.dtype())
                .path();
        List<PreferencePair> pairs = pairs(fixture);
        // The check comes before gigabytes of weights are written.
        memory(fixture, pairs).check(fixture.device().availableBytes());
        try (RandomModel files = RandomModel.write(shape, fixture.numbers())) {
            LoraOptions lora = options(shape).train().lora();
            model = Model.load(
                    files.directory(),
                    fixture.device(),
                    fixture.dtype(),
                    lora.fourBit(fixture.dtype()),
                    LoadProgress.NONE);
            LoraConfig adapter = lora.config();
            if (adapter != null) {
                model.addAdapter(adapter, null, 1);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        try {
            steps = new DpoSteps(model, pairs, options(shape), shape.has("layout", "shared"));
        } catch (RuntimeException e) {
            model.close();
            throw e;
        }
    }

    /** The device memory of a step. Allocates nothing. */
    static MemoryPlan memory(Fixture fixture) {
        return memory(fixture, pairs(fixture));
    }

    private static MemoryPlan memory(Fixture fixture, List<PreferencePair> pairs) {
        Shape shape = fixture.shape();
        return DpoSteps.memory(
                ModelShape.of(shape).config(),
                fixture.device(),
                fixture.dtype(),
                pairs,
                options(shape),
                shape.has("layout", "shared"));
    }

    static Prepared step(Fixture fixture) {
        DpoStepBenchmark benchmark = new DpoStepBenchmark(fixture);
        return new Prepared(turn -> benchmark.steps.step(), benchmark::check, benchmark, false);
    }

    /**
     * All pairs are one step, in micro-batches of {@code micro_batch} pairs if that is given. There are always further
     * steps. The paths are not read.
     */
    private static DpoOptions options(Shape shape) {
        Path unread = Path.of("unread");
        int pairs = shape.count("pairs");
        int batch = shape.countOr("micro_batch", pairs);
        return adapter(shape, DpoOptions.builder())
                .modelNameOrPath(unread)
                .datasetName(unread)
                .outputDir(unread)
                .bf16StochasticRound(OptimizerBenchmark.isStochastic(shape))
                .adamMomentsDtype(
                        OptimizerBenchmark.moments(shape) == DType.BF16 ? Precision.BFLOAT16 : Precision.FLOAT32)
                .perDeviceTrainBatchSize(batch)
                .perDeviceEvalBatchSize(batch)
                .gradientAccumulationSteps(pairs / batch)
                .learningRate(RATE)
                .lrSchedulerType(LrSchedulerType.CONSTANT)
                .maxSteps(1_000_000_000)
                .build();
    }

    /** {@code adapter 16}: its rank. {@code bits 4}: of the base model. {@code activations recomputed}: in backward. */
    private static DpoOptions.Builder adapter(Shape shape, DpoOptions.Builder options) {
        int rank = shape.countOr("adapter", 0);
        if (rank > 0) {
            options.usePeft(true).loraR(rank).loraTargetModules("all-linear");
        }
        if (shape.has("bits", "4")) {
            options.loadIn4bit(true).useBnbNestedQuant(true);
        }
        return options.gradientCheckpointing(shape.has("activations", "recomputed"));
    }

    private static List<PreferencePair> pairs(Fixture fixture) {
        int vocabulary = ModelShape.of(fixture.shape()).vocabulary();
        int prompt = fixture.count("prompt");
        int completion = fixture.count("completion");
        List<PreferencePair> pairs = new ArrayList<>();
        for (int row = 1; row <= fixture.count("pairs"); row++) {
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
        gate.value(
                "path of the head " + steps.headPath(),
                expectedPath.ordinal(),
                steps.headPath().ordinal(),
                0);
        double norm = metrics.getOrDefault("grad_norm", Double.NaN);
        gate.value("gradient norm, which is finite and above 0,", 1, norm > 0 && norm < 1e30 ? 1 : 0, 0);
    }

    @Override
    public void close() {
        steps.close();
        model.close();
    }
}
