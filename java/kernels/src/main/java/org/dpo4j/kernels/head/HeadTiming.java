package org.dpo4j.kernels.head;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.DeviceBuffer;
import org.dpo4j.kernels.TokenLogProb.Results;
import org.dpo4j.kernels.TokenLogProb.Transform;
import org.dpo4j.kernels.head.LmHead.Rows;

/** Plans of one head and the same bf16 rows, timed in turns, A B, B A, so that each meets the same state of the machine. */
final class HeadTiming implements AutoCloseable {
    private static final int ROUNDS = 15;
    private static final double BLOCK_MICROSECONDS = 2000;
    private static final int MOST_CALLS = 100;

    /** Random numbers that a matrix repeats: a prime number of them, so that rows of no width repeat in step. */
    private static final int DRAWN = 1_048_573;

    private final Device device;
    private final List<DeviceBuffer> buffers = new ArrayList<>();
    private final SplittableRandom random = new SplittableRandom(1);
    private final List<Runnable> calls = new ArrayList<>();

    HeadTiming(Device device, long rows, HeadPlan... plans) {
        this.device = device;
        long vocabulary = plans[0].vocabulary();
        long hidden = plans[0].hidden();
        try {
            long x = normal(rows * hidden, 1);
            long weight = normal(vocabulary * hidden, 0.02);
            Rows of = new Rows(x, allocate(Float.BYTES * rows), rows);
            device.fill(of.targets(), 0, Float.BYTES * rows);
            Results results = new Results(allocate(Float.BYTES * rows), allocate(Float.BYTES * rows));
            for (HeadPlan plan : plans) {
                LmHead head = new LmHead(device, plan, weight, Transform.NONE, allocate(plan.workspaceBytes()));
                calls.add(() -> head.forward(results, of));
            }
        } catch (RuntimeException e) {
            close();
            throw e;
        }
    }

    private long allocate(long bytes) {
        DeviceBuffer buffer = device.allocate(bytes);
        buffers.add(buffer);
        return buffer.address();
    }

    /** bf16 numbers: zeros, or whole ones, would be quicker to multiply. */
    private long normal(long count, double deviation) {
        int drawn = (int) Math.min(count, DRAWN);
        ByteBuffer numbers =
                ByteBuffer.allocateDirect(DType.BF16.bytes() * drawn).order(ByteOrder.nativeOrder());
        while (numbers.hasRemaining()) {
            numbers.putShort((short) (Float.floatToIntBits((float) (deviation * random.nextGaussian())) >> 16));
        }
        long bytes = DType.BF16.bytes() * count;
        long address = allocate(bytes);
        device.upload(address, numbers.flip());
        for (long done = numbers.limit(); done < bytes; done += numbers.limit()) {
            device.copy(address + done, address, Math.min(numbers.limit(), bytes - done));
        }
        return address;
    }

    /** Microseconds of a call of each plan. */
    double[] medians() {
        int plans = calls.size();
        int[] each = calls.stream().mapToInt(this::callsOfABlock).toArray();
        double[][] times = new double[plans][ROUNDS];
        for (int round = 0; round < ROUNDS; round++) {
            for (int turn = 0; turn < plans; turn++) {
                int plan = round % 2 == 0 ? turn : plans - 1 - turn;
                times[plan][round] = microseconds(calls.get(plan), each[plan]);
            }
        }
        return Arrays.stream(times).mapToDouble(HeadTiming::median).toArray();
    }

    /** What is timed between two events is long beside the events; the first call loads what there is to load. */
    private int callsOfABlock(Runnable call) {
        call.run();
        double estimate = Math.max(1, microseconds(call, 2));
        return (int) Math.max(1, Math.min(MOST_CALLS, BLOCK_MICROSECONDS / estimate));
    }

    private double microseconds(Runnable call, int times) {
        double whole = device.microseconds(() -> {
            for (int i = 0; i < times; i++) {
                call.run();
            }
        });
        return whole / times;
    }

    private static double median(double[] times) {
        Arrays.sort(times);
        return times[times.length / 2];
    }

    @Override
    public void close() {
        buffers.forEach(DeviceBuffer::close);
    }
}
