package org.dpo4j.bench.device;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.dpo4j.bench.device.Benchmark.Prepared;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.DeviceReport;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.LossType;
import org.dpo4j.kernels.PreferenceLoss;
import org.dpo4j.kernels.PreferenceLoss.Completions;
import org.dpo4j.kernels.PreferenceLoss.Results;
import org.dpo4j.kernels.PreferenceLoss.Scale;
import org.dpo4j.kernels.PreferenceOptions;
import org.dpo4j.kernels.decoder.AdamW;
import org.dpo4j.kernels.decoder.AdamWOptions;
import org.dpo4j.kernels.decoder.GradientNorm;
import org.dpo4j.model.CompletionLoss;
import org.dpo4j.model.CompletionSums;
import org.dpo4j.model.LanguageModel;
import org.dpo4j.model.LogProbs;
import org.dpo4j.model.Model;
import org.dpo4j.model.Parameters;

/**
 * An optimizer step of DPO: one packed micro-batch forward and backward, gradient norm, AdamW; the reference's log-probs are known. {@code layout
 * shared} computes a prompt once, {@code layout plain} once for each completion. The gate: the first step's loss is ln 2, its rewards 0.
 */
final class DpoStepBenchmark implements CompletionLoss, AutoCloseable {
    /** Gradients of unit norm at this rate leave random weights what they are. */
    private static final float RATE = 1e-7f;

    /** Of a parameter: itself in bf16, and in fp32 its gradient, master, m and v. */
    private static final double STATE_BYTES = 18;

    private final Fixture fixture;
    private final Device device;
    private final int pairs;
    private final Model model;
    private final LanguageModel training;
    private final PackedBatch batch;
    private final Tensor reference;
    private final Tensor partReference;
    private final Tensor losses;
    private final Tensor dSums;
    private final Tensor metrics;
    private final Tensor norm;
    private final Tensor rates;
    private final Tensor m;
    private final Tensor v;
    private final Tensor master;
    private final long workspace;
    private final PreferenceOptions options = PreferenceOptions.of(LossType.SIGMOID);

    private DpoStepBenchmark(Fixture fixture) {
        this.fixture = fixture;
        device = fixture.device();
        Shape shape = fixture.shape();
        pairs = shape.count("pairs");
        refuseTooLarge(shape);
        try (RandomModel files = RandomModel.write(shape, fixture.numbers())) {
            model = Model.load(files.directory(), device, fixture.dtype());
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        batch = PackedBatch.pairs(pairs(fixture, model.config().vocabSize()), shape.has("layout", "shared"));
        training = LanguageModel.training(model, new CompletionSums(1, true));
        long count = model.parameters().count();
        reference = fixture.zeros(DType.F32, 2L * pairs);
        partReference = fixture.zeros(DType.F32, 2L * pairs);
        losses = fixture.zeros(DType.F32, pairs);
        dSums = fixture.zeros(DType.F32, 2L * pairs);
        metrics = fixture.zeros(DType.F32, 2L * PreferenceLoss.METRICS);
        norm = fixture.zeros(DType.F32, 2);
        rates = fixture.floats(RATE, 10, 1000);
        m = fixture.zeros(DType.F32, count);
        v = fixture.zeros(DType.F32, count);
        master = fixture.zeros(DType.F32, fixture.dtype() == DType.F32 ? 0 : count);
        workspace = fixture.workspace(GradientNorm.workspaceBytes(count));
        begin();
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
        return new Prepared(turn -> of.step(), of::check, of);
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

    private void begin() {
        if (fixture.dtype() != DType.F32) {
            model.parameters().copyAsF32(master.base());
        }
        LogProbs frozen = training.forward(batch);
        device.copy(reference.base(), frozen.sums(), reference.bytes());
    }

    private void step() {
        Parameters parameters = model.parameters();
        training.accumulate(batch, this);
        long gradients = parameters.gradients();
        GradientNorm.compute(device, norm.base(), workspace, gradients, parameters.count(), 1);
        AdamW.step(
                device,
                parameters.weights(),
                fixture.dtype() == DType.F32 ? 0 : master.base(),
                m.base(),
                v.base(),
                gradients,
                rates.base(),
                norm.base() + Float.BYTES,
                AdamW.Rounding.NEAREST,
                parameters.count(),
                AdamWOptions.DEFAULT,
                fixture.dtype());
        parameters.zeroGradients();
    }

    @Override
    public int group() {
        return 2;
    }

    @Override
    public void upload(int first, int count) {
        device.copy(partReference.base(), reference.base() + (long) Float.BYTES * first, (long) Float.BYTES * count);
    }

    @Override
    public long dSums(LogProbs of, int count) {
        PreferenceLoss.compute(
                device,
                new Results(losses.base(), dSums.base(), metrics.base()),
                new Completions(of.sums(), partReference.base(), of.lengths(), of.statistics()),
                count / 2,
                0,
                new Scale(1f / pairs),
                options);
        return dSums.base();
    }

    private void check(Gate gate) {
        double[] sums = device.downloadDoubles(metrics.base(), PreferenceLoss.METRICS);
        gate.value("loss", Math.log(2), PreferenceLoss.Metric.LOSS.mean(sums), 1e-7);
        gate.value("reward of chosen", 0, PreferenceLoss.Metric.REWARD_CHOSEN.mean(sums), 0);
        gate.value("reward of rejected", 0, PreferenceLoss.Metric.REWARD_REJECTED.mean(sums), 0);
        gate.value("pairs", pairs, PreferenceLoss.Metric.LOSS.count(sums), 0);
        double ofGradient = norm.read(0);
        gate.value("gradient norm, which is finite and above 0,", 1, ofGradient > 0 && ofGradient < 1e30 ? 1 : 0, 0);
    }

    @Override
    public void close() {
        training.close();
        model.close();
    }
}
