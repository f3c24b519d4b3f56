package org.dpo4j.bench;

import java.util.Arrays;
import java.util.concurrent.TimeUnit;
import java.util.random.RandomGenerator;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.DeviceBuffer;
import org.dpo4j.kernels.Devices;
import org.dpo4j.kernels.LossType;
import org.dpo4j.kernels.PreferenceLoss;
import org.dpo4j.kernels.PreferenceOptions;
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

/** DPO's loss with its gradient and metrics on the CPU, over completions whose log-probs are normal around -100. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.SampleTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(1)
@Warmup(iterations = 3, time = 500, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 5, time = 500, timeUnit = TimeUnit.MILLISECONDS)
public class PreferenceLossBenchmark {

    @Param({"4096"})
    public int pairs;

    @Param({"1", "2"})
    public int threads;

    private final PreferenceOptions options = PreferenceOptions.forLoss(LossType.SIGMOID);
    private Device device;
    private DeviceBuffer losses;
    private DeviceBuffer dSums;
    private DeviceBuffer metrics;
    private DeviceBuffer sums;
    private DeviceBuffer reference;

    @Setup(Level.Trial)
    public void setup() {
        device = Devices.cpu(threads);
        losses = device.allocate((long) pairs * Float.BYTES);
        dSums = device.allocate(2L * pairs * Float.BYTES);
        metrics = device.allocate((long) PreferenceLoss.METRICS * Double.BYTES);
        device.fill(metrics.address(), 0, (long) PreferenceLoss.METRICS * Double.BYTES);
        RandomGenerator random = RandomGenerator.of("L64X128MixRandom");
        sums = normal(random);
        reference = normal(random);
    }

    private DeviceBuffer normal(RandomGenerator random) {
        float[] values = new float[2 * pairs];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) (-100 + 10 * random.nextGaussian());
        }
        DeviceBuffer buffer = device.allocate((long) values.length * Float.BYTES);
        device.upload(buffer.address(), values);
        return buffer;
    }

    @TearDown(Level.Trial)
    public void tearDown() {
        for (DeviceBuffer buffer : Arrays.asList(losses, dSums, metrics, sums, reference)) {
            buffer.close();
        }
        device.close();
    }

    @Benchmark
    public void sigmoidWithMetrics() {
        PreferenceLoss.compute(
                device,
                new PreferenceLoss.PairResults(losses.address(), dSums.address(), metrics.address()),
                new PreferenceLoss.PairLogProbs(sums.address(), reference.address()),
                pairs,
                PreferenceLoss.NO_WORKSPACE,
                new PreferenceLoss.Scale(1f / pairs),
                options);
    }
}
