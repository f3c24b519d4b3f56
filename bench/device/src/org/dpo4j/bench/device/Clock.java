package org.dpo4j.bench.device;

import static org.bytedeco.cuda.global.cudart.cudaEventCreate;
import static org.bytedeco.cuda.global.cudart.cudaEventDestroy;
import static org.bytedeco.cuda.global.cudart.cudaEventElapsedTime;
import static org.bytedeco.cuda.global.cudart.cudaEventRecord;
import static org.bytedeco.cuda.global.cudart.cudaEventSynchronize;

import org.bytedeco.cuda.cudart.CUevent_st;
import org.bytedeco.cuda.cudart.CUstream_st;
import org.dpo4j.bench.device.Benchmark.Call;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Dpo4jException;

/** Time that a device takes: between two events of its stream on cuda, of the processor's clock on cpu. */
abstract class Clock implements AutoCloseable {
    private int turn;

    /** Queues {@code calls} calls, each for the next turn, waits for them, and gives the microseconds of one. */
    double microseconds(int calls, Call call) {
        begin();
        for (int i = 0; i < calls; i++) {
            call.queue(turn);
            turn = turn + 1 & Integer.MAX_VALUE;
        }
        return end() / calls;
    }

    protected abstract void begin();

    /** Microseconds since {@link #begin}. */
    protected abstract double end();

    @Override
    public abstract void close();

    static Clock of(Device device) {
        return device.name().equals("cuda") ? new Events(device) : new Processor();
    }

    private static final class Processor extends Clock {
        private long began;

        @Override
        protected void begin() {
            began = System.nanoTime();
        }

        @Override
        protected double end() {
            return (System.nanoTime() - began) / 1e3;
        }

        @Override
        public void close() {}
    }

    /** Touched only with an open cuda device: that loads NVIDIA's libraries. */
    private static final class Events extends Clock {
        private final CUstream_st stream;
        private final CUevent_st first = new CUevent_st();
        private final CUevent_st last = new CUevent_st();

        Events(Device device) {
            stream = new CUstream_st(new RawAddress(device.stream()));
            check(cudaEventCreate(first), "cudaEventCreate");
            check(cudaEventCreate(last), "cudaEventCreate");
        }

        @Override
        protected void begin() {
            check(cudaEventRecord(first, stream), "cudaEventRecord");
        }

        @Override
        protected double end() {
            check(cudaEventRecord(last, stream), "cudaEventRecord");
            check(cudaEventSynchronize(last), "the timed work");
            float[] milliseconds = new float[1];
            check(cudaEventElapsedTime(milliseconds, first, last), "cudaEventElapsedTime");
            return 1e3 * milliseconds[0];
        }

        private static void check(int error, String call) {
            if (error != 0) {
                throw new Dpo4jException(call + " failed with CUDA error " + error);
            }
        }

        @Override
        public void close() {
            check(cudaEventDestroy(first), "cudaEventDestroy");
            check(cudaEventDestroy(last), "cudaEventDestroy");
        }
    }
}
