package org.dpo4j.bench;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.concurrent.TimeUnit;
import java.util.random.RandomGenerator;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.DeviceBuffer;
import org.dpo4j.kernels.Devices;
import org.dpo4j.kernels.TokenLogProb;
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
 * Token log-prob on the CPU over logits of normal(0, 3): of 1 MiB they stay in the caches of a core, 64 MiB lie beyond them, and 256 MiB
 * come from memory. Elements a second = rows * vocabulary / time.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.SampleTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(1)
@Warmup(iterations = 2, time = 500, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 5, time = 500, timeUnit = TimeUnit.MILLISECONDS)
public class TokenLogProbBenchmark {

    @Param({"32000", "151936"})
    public int vocabulary;

    @Param({"F32", "BF16"})
    public DType dtype = DType.F32;

    @Param({"1", "64", "256"})
    public int megabytes;

    @Param({"1"})
    public int threads;

    private Device device;
    private DeviceBuffer logitsBuffer;
    private DeviceBuffer gradientBuffer;
    private DeviceBuffer targets;
    private DeviceBuffer logprob;
    private DeviceBuffer lse;
    private DeviceBuffer statistics;
    private TokenLogProb.Logits logits;
    private TokenLogProb.Logits overwritten;
    private int rows;

    /** Rows that fill so many MiB, at least one. */
    static int rows(int vocabulary, DType dtype, int megabytes) {
        return Math.max(1, (int) (((long) megabytes << 20) / dtype.bytes() / vocabulary));
    }

    @Setup(Level.Trial)
    public void setup() {
        device = Devices.cpu(threads);
        rows = rows(vocabulary, dtype, megabytes);
        long bytes = (long) rows * vocabulary * dtype.bytes();
        logitsBuffer = device.allocate(bytes);
        gradientBuffer = device.allocate(bytes);
        targets = device.allocate((long) rows * Integer.BYTES);
        logprob = device.allocate((long) rows * Float.BYTES);
        lse = device.allocate((long) rows * Float.BYTES);
        statistics = device.allocate((long) rows * TokenLogProb.STATISTICS * Float.BYTES);
        logits = new TokenLogProb.Logits(logitsBuffer.address(), vocabulary, vocabulary, dtype);
        overwritten = new TokenLogProb.Logits(gradientBuffer.address(), vocabulary, vocabulary, dtype);
        RandomGenerator random = RandomGenerator.of("L64X128MixRandom");
        ByteBuffer row = normal(random);
        for (int i = 0; i < rows; i++) {
            device.upload(logits.address() + (long) i * row.capacity(), row.rewind());
        }
        device.upload(targets.address(), random.ints(rows, 0, vocabulary).toArray());
        device.copy(overwritten.address(), logits.address(), bytes);
        forward();
    }

    private ByteBuffer normal(RandomGenerator random) {
        ByteBuffer row = ByteBuffer.allocateDirect(vocabulary * dtype.bytes()).order(ByteOrder.nativeOrder());
        while (row.hasRemaining()) {
            float value = (float) (3 * random.nextGaussian());
            if (dtype == DType.F32) {
                row.putFloat(value);
            } else {
                row.putShort((short) (Float.floatToRawIntBits(value) >>> 16));
            }
        }
        return row;
    }

    @TearDown(Level.Trial)
    public void tearDown() {
        for (DeviceBuffer buffer : Arrays.asList(logitsBuffer, gradientBuffer, targets, logprob, lse, statistics)) {
            buffer.close();
        }
        device.close();
    }

    @Benchmark
    public void forward() {
        TokenLogProb.forward(
                device,
                new TokenLogProb.TokenResults(logprob.address(), lse.address()),
                logits,
                targets.address(),
                rows);
    }

    @Benchmark
    public void forwardWithStatistics() {
        TokenLogProb.forward(
                device,
                new TokenLogProb.TokenResults(logprob.address(), lse.address(), statistics.address()),
                logits,
                targets.address(),
                rows);
    }

    /** In place, as the head calls it. The next call takes the gradient for logits: numbers like others. So it is with d_logprob, the log-prob. */
    @Benchmark
    public void backward() {
        TokenLogProb.backward(
                device,
                TokenLogProb.LogitsGradient.inPlace(overwritten),
                overwritten,
                targets.address(),
                lse.address(),
                logprob.address(),
                rows);
    }

    @Benchmark
    public void forwardBackward() {
        TokenLogProb.forwardBackward(
                device,
                TokenLogProb.LogitsGradient.inPlace(overwritten),
                new TokenLogProb.TokenResults(logprob.address(), lse.address()),
                overwritten,
                targets.address(),
                TokenLogProb.UNIT_GRADIENT,
                rows);
    }
}
