package org.dpo4j.bench.device;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import org.dpo4j.bench.device.Benchmark.Call;
import org.dpo4j.kernels.Device;

/** Runs a call again and again on restored tensors, and compares samples of the bits of its results. */
final class Repeats {
    private static final int MAX = 100;
    private static final int MIN = 3;
    private static final int WINDOWS = 16;
    private static final int WINDOW_BYTES = 4096;

    private Repeats() {}

    /**
     * Repeats the call for turn 0 up to {@value #MAX} times, or until the time is over, but at least {@value #MIN}
     * times. Returns the number of calls.
     */
    static int run(Device device, Fixture fixture, Call call, Gate gate, double seconds) {
        try (Fixture.Restored restored = fixture.restored()) {
            long end = System.nanoTime() + (long) (seconds * 1e9);
            List<ByteBuffer> first = List.of();
            int done = 0;
            while (done < MAX && (done < MIN || System.nanoTime() < end)) {
                restored.restore();
                call.queue(0);
                List<ByteBuffer> samples = new ArrayList<>();
                for (Operand result : fixture.results()) {
                    samples.addAll(samples(device, result));
                }
                if (done == 0) {
                    first = samples;
                }
                done++;
                gate.repeat(done, samples.equals(first));
            }
            return done;
        }
    }

    /** Parts of a tensor's first copy: its beginning, its end, and some between. */
    private static List<ByteBuffer> samples(Device device, Operand tensor) {
        List<ByteBuffer> samples = new ArrayList<>();
        int bytes = (int) Math.min(WINDOW_BYTES, tensor.bytes());
        int windows = (int) Math.min(WINDOWS, (tensor.bytes() + WINDOW_BYTES - 1) / WINDOW_BYTES);
        for (int window = 0; window < windows; window++) {
            long begin = windows == 1 ? 0 : (tensor.bytes() - bytes) * window / (windows - 1);
            ByteBuffer sample = ByteBuffer.allocateDirect(bytes);
            device.download(sample, tensor.base() + begin);
            samples.add(sample.flip());
        }
        return samples;
    }
}
