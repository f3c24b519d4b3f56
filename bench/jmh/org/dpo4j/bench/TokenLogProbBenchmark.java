package org.dpo4j.bench;

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

/** Token log-prob on the CPU, one thread: logits of normal(0, 3), rows enough to leave the caches. Elements a second = rows * vocabulary / time. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.SampleTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(1)
@Warmup(iterations = 2, time = 1)
@Measurement(iterations = 5, time = 1)
public class TokenLogProbBenchmark {
    static final int ROWS = 256;

    @Param({"32000", "151936"})
    public int vocabulary;

    @Param({"1"})
    public int threads;

    private Device device;
    private DeviceBuffer logits;
    private DeviceBuffer targets;
    private DeviceBuffer logProb;
    private DeviceBuffer lse;
    private DeviceBuffer dLogits;

    @Setup(Level.Trial)
    public void setup() {
        device = Devices.cpu(threads);
        long bytes = (long) ROWS * vocabulary * Float.BYTES;
        logits = device.allocate(bytes);
        dLogits = device.allocate(bytes);
        targets = device.allocate(ROWS * Integer.BYTES);
        logProb = device.allocate(ROWS * Float.BYTES);
        lse = device.allocate(ROWS * Float.BYTES);
        RandomGenerator random = RandomGenerator.of("L64X128MixRandom");
        float[] row = new float[vocabulary];
        int[] target = new int[ROWS];
        for (int i = 0; i < ROWS; i++) {
            for (int j = 0; j < vocabulary; j++) {
                row[j] = (float) (3 * random.nextGaussian());
            }
            device.upload(logits.address() + (long) i * vocabulary * Float.BYTES, row);
            target[i] = random.nextInt(vocabulary);
        }
        device.upload(targets.address(), target);
        forward();
    }

    @TearDown(Level.Trial)
    public void tearDown() {
        for (DeviceBuffer buffer : new DeviceBuffer[] {logits, dLogits, targets, logProb, lse}) {
            buffer.close();
        }
        device.close();
    }

    @Benchmark
    public void forward() {
        TokenLogProb.forward(
                device,
                logProb.address(),
                lse.address(),
                logits.address(),
                targets.address(),
                ROWS,
                vocabulary,
                vocabulary,
                DType.F32);
    }

    /** Out of place, so that every call sees the same logits; d_logprob is the log-prob itself, any numbers would do. */
    @Benchmark
    public void backward() {
        TokenLogProb.backward(
                device,
                dLogits.address(),
                logits.address(),
                targets.address(),
                lse.address(),
                logProb.address(),
                ROWS,
                vocabulary,
                vocabulary,
                vocabulary,
                DType.F32,
                DType.F32);
    }
}
