package org.dpo4j.bench;

import java.util.concurrent.TimeUnit;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Devices;
import org.dpo4j.kernels.TokenLogProb;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/** The overhead of a call from Java, measured with zero rows: JavaCPP's JNI bridge, the struct of arguments, and the checks of the library. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.SampleTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(1)
@Warmup(iterations = 3, time = 500, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 5, time = 500, timeUnit = TimeUnit.MILLISECONDS)
public class CallBenchmark {
    private static final int CALLS = 1000;
    private static final TokenLogProb.TokenResults RESULTS = new TokenLogProb.TokenResults(0, 0);
    private static final TokenLogProb.Logits LOGITS = new TokenLogProb.Logits(0, 8, 8, DType.F32);

    private Device device;

    @Setup(Level.Trial)
    public void setup() {
        device = Devices.cpu(1);
    }

    @TearDown(Level.Trial)
    public void tearDown() {
        device.close();
    }

    /** Many calls per sample, since reading the clock takes longer than one call. */
    @Benchmark
    @OperationsPerInvocation(CALLS)
    public void noRows() {
        for (int i = 0; i < CALLS; i++) {
            TokenLogProb.forward(device, RESULTS, LOGITS, 0, 0);
        }
    }
}
