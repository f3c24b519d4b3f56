package org.dpo4j.bench;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.DeviceBuffer;
import org.dpo4j.kernels.Devices;
import org.dpo4j.model.CompletionLoss;
import org.dpo4j.model.CompletionSums;
import org.dpo4j.model.LogProbs;
import org.dpo4j.model.Model;
import org.dpo4j.model.TrainingModel;
import org.dpo4j.model.family.Llama;
import org.dpo4j.model.family.ModelConfig;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * Forward and backward on the CPU of a model that is nearly all LM head: 8 pairs with completions of 96 tokens. The loss needs the log-probs of
 * {@link #group} completions before it gives their gradients: 2 for losses of a pair, 16 for losses of a whole batch, such as aot. If the logits
 * of these completions do not fit in {@link #megabytes}, they are computed twice.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.SampleTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(1)
@Warmup(iterations = 1, time = 3)
@Measurement(iterations = 5, time = 4)
public class HeadBenchmark {
    private static final int PAIRS = 8;
    private static final int PROMPT = 8;
    private static final int COMPLETION = 96;
    private static final ModelConfig CONFIG = Llama.config(32_000, 256, 64, 1, 4, 1, 256, true);

    /** Memory for logits, in MiB. */
    @Param({"64", "512"})
    public int megabytes;

    /** The number of completions whose gradients the loss gives together. */
    @Param({"2", "16"})
    public int group;

    private Device device;
    private Model model;
    private TrainingModel language;
    private DeviceBuffer dSums;
    private CompletionLoss loss;
    private PackedBatch batch;

    @Setup(Level.Trial)
    public void setup() {
        device = Devices.cpu(1);
        model = Model.create(CONFIG, device, DType.F32, 1);
        language = new TrainingModel(
                model, new TrainingModel.Options(new CompletionSums(1, true), (long) megabytes << 20, false));
        float[] gradient = new float[2 * PAIRS];
        for (int i = 0; i < gradient.length; i++) {
            gradient[i] = i % 2 == 0 ? -0.01f : 0.01f;
        }
        dSums = device.allocate((long) gradient.length * Float.BYTES);
        device.upload(dSums.address(), gradient);
        loss = new Given(dSums.address(), group);
        batch = PackedBatch.pairs(pairs(), true);
    }

    private record Given(long dSums, int group) implements CompletionLoss {
        @Override
        public long dSums(LogProbs logProbs, int count) {
            return dSums;
        }
    }

    private static List<PreferencePair> pairs() {
        Random random = new Random(1);
        List<PreferencePair> pairs = new ArrayList<>();
        for (int row = 1; row <= PAIRS; row++) {
            pairs.add(new PreferencePair(row, ids(random, PROMPT), ids(random, COMPLETION), ids(random, COMPLETION)));
        }
        return pairs;
    }

    private static int[] ids(Random random, int count) {
        return random.ints(count, 0, CONFIG.architecture().vocabSize()).toArray();
    }

    @TearDown(Level.Trial)
    public void tearDown() {
        language.close();
        model.close();
        dSums.close();
        device.close();
    }

    @Benchmark
    public void forwardAndBackward() {
        language.accumulate(batch, loss);
    }
}
