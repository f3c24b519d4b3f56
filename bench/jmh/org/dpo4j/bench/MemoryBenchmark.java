package org.dpo4j.bench;

import java.util.concurrent.TimeUnit;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.DeviceBuffer;
import org.dpo4j.kernels.Devices;
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

/** What the memory of the machine gives one core: a copy of as many bytes as another benchmark overwrites in place, 4 bytes an element. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.SampleTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(1)
@Warmup(iterations = 2, time = 500, timeUnit = TimeUnit.MILLISECONDS)
@Measurement(iterations = 5, time = 500, timeUnit = TimeUnit.MILLISECONDS)
public class MemoryBenchmark {

    @Param({"1", "64", "256"})
    public int megabytes;

    private Device device;
    private DeviceBuffer from;
    private DeviceBuffer to;
    private long bytes;

    @Setup(Level.Trial)
    public void setup() {
        device = Devices.cpu(1);
        bytes = (long) megabytes << 20;
        from = device.allocate(bytes);
        to = device.allocate(bytes);
        device.fill(from.address(), 1, bytes);
    }

    @TearDown(Level.Trial)
    public void tearDown() {
        from.close();
        to.close();
        device.close();
    }

    @Benchmark
    public void copy() {
        device.copy(to.address(), from.address(), bytes);
    }
}
