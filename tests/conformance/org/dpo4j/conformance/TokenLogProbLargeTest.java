package org.dpo4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.dpo4j.conformance.TokenLogProbRun.Left;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.DeviceBuffer;
import org.dpo4j.kernels.Devices;
import org.dpo4j.kernels.TokenLogProb;
import org.dpo4j.kernels.TokenLogProb.Logits;
import org.dpo4j.kernels.TokenLogProb.LogitsGradient;
import org.dpo4j.kernels.TokenLogProb.TokenResults;
import org.dpo4j.testkit.Bfloat16;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Logits of more than 2^31 elements (4.3 GB of bf16). A call reads the first and the last row and has the bits of a
 * call with these two rows only. Runs on {@code cpu}, and only with {@code -Pnightly}.
 */
@Tag("long")
class TokenLogProbLargeTest {
    private static final int ROWS = 16_400;
    private static final int LAST = ROWS - 1;
    private static final int VOCABULARY = 131_000;
    private static final int STRIDE = 131_072;
    private static final long BYTES = 2L * ROWS * STRIDE;
    private static final long NEEDED = BYTES + (1L << 30);

    /** The value of every byte that is not part of a logit. */
    private static final byte GAP = 0x5A;

    /** A row: its columns, then the gap. */
    private static final ByteBuffer UNTOUCHED = row(GAP);

    private static final ByteBuffer MASKED = row((byte) 0);

    private final TokenLogProbCall ends =
            TokenLogProbCall.random(2, VOCABULARY, 4).withGradient(1, 1);

    private static ByteBuffer row(byte columns) {
        ByteBuffer row = ByteBuffer.allocateDirect(2 * STRIDE).order(ByteOrder.nativeOrder());
        while (row.hasRemaining()) {
            row.put(row.position() < 2 * VOCABULARY ? columns : GAP);
        }
        return row.flip();
    }

    private static long available() throws IOException {
        for (String line : Files.readAllLines(Path.of("/proc/meminfo"))) {
            if (line.startsWith("MemAvailable:")) {
                return 1024 * Long.parseLong(line.replaceAll("\\D", ""));
            }
        }
        throw new IOException("/proc/meminfo has no MemAvailable");
    }

    /** All rows except the first and the last are masked. Their gradient is 0, also beyond 2^31 elements. */
    @Test
    void allRowsButTheFirstAndTheLastAreMasked() throws IOException {
        int[] targets = new int[ROWS];
        Arrays.fill(targets, -1);
        targets[0] = ends.targets()[0];
        targets[LAST] = ends.targets()[1];
        check(new int[0], targets, 0, LAST, MASKED);
    }

    /** A call with only the first and the last row, by an index. Nothing between them is written. */
    @Test
    void anIndexNamesTheFirstAndTheLastRow() throws IOException {
        check(new int[] {LAST, 0}, new int[] {ends.targets()[1], ends.targets()[0]}, 1, 0, UNTOUCHED);
    }

    /**
     * {@code first} and {@code second} are the call's rows for the first and the last row of logits. {@code between} is
     * the expected content of all other rows afterwards.
     */
    private void check(int[] index, int[] targets, int first, int second, ByteBuffer between) throws IOException {
        long available = available();
        assumeTrue(available >= NEEDED, "needs " + NEEDED + " bytes of memory, " + available + " are available");
        assertThat((long) LAST * STRIDE).isGreaterThan(1L << 31);
        Left expected = packed();
        try (Device device = Devices.cpu(0);
                DeviceBuffer logits = device.allocate(BYTES)) {
            device.fill(logits.address(), GAP, BYTES);
            upload(device, logits, 0, 0);
            upload(device, logits, 1, LAST);
            run(device, logits, index, targets, expected, first, second);
            for (int row = 1; row < LAST; row++) {
                assertThat(download(device, logits, row).mismatch(between))
                        .as("row %d", row)
                        .isEqualTo(-1);
            }
            sameGradient(download(device, logits, 0), expected.bits().dLogits(), 0);
            sameGradient(download(device, logits, LAST), expected.bits().dLogits(), VOCABULARY);
        }
    }

    private Left packed() {
        try (Device device = Devices.cpu(1)) {
            return new TokenLogProbRun(new On("cpu", device, device, DType.BF16)).inTwoCalls(ends);
        }
    }

    private static long address(DeviceBuffer logits, int row) {
        return logits.address() + 2L * row * STRIDE;
    }

    private void upload(Device device, DeviceBuffer logits, int end, int row) {
        ByteBuffer bytes = ByteBuffer.allocateDirect(2 * VOCABULARY).order(ByteOrder.nativeOrder());
        for (int j = 0; j < VOCABULARY; j++) {
            bytes.putShort(Bfloat16.bits((float) ends.logits()[end * VOCABULARY + j]));
        }
        device.upload(address(logits, row), bytes.flip());
    }

    private static ByteBuffer download(Device device, DeviceBuffer logits, int row) {
        ByteBuffer bytes = ByteBuffer.allocateDirect(2 * STRIDE).order(ByteOrder.nativeOrder());
        device.download(bytes, address(logits, row));
        return bytes.flip();
    }

    private static DeviceBuffer ints(Device device, int... values) {
        DeviceBuffer buffer = device.allocate(4L * values.length);
        device.upload(buffer.address(), values);
        return buffer;
    }

    /** Forward only, and then forward and backward in one call in place. */
    private static void run(
            Device device, DeviceBuffer logits, int[] indexOf, int[] targetsOf, Left expected, int first, int second) {
        int rows = targetsOf.length;
        try (DeviceBuffer index = ints(device, indexOf);
                DeviceBuffer targets = ints(device, targetsOf);
                DeviceBuffer logprob = device.allocate(4L * rows);
                DeviceBuffer lse = device.allocate(4L * rows)) {
            long rowIndex = indexOf.length == 0 ? 0 : index.address();
            Logits rowsOfLogits = new Logits(logits.address(), rowIndex, VOCABULARY, STRIDE, DType.BF16);
            TokenResults results = new TokenResults(logprob.address(), lse.address());
            TokenLogProb.forward(device, results, rowsOfLogits, targets.address(), rows);
            sameNumbers(device.downloadFloats(logprob.address(), rows), expected, first, second);
            device.fill(logprob.address(), GAP, 4L * rows);
            TokenLogProb.forwardBackward(
                    device,
                    LogitsGradient.inPlace(rowsOfLogits),
                    results,
                    rowsOfLogits,
                    targets.address(),
                    TokenLogProb.UNIT_GRADIENT,
                    rows);
            sameNumbers(device.downloadFloats(logprob.address(), rows), expected, first, second);
        }
    }

    private static void sameNumbers(float[] logprob, Left expected, int first, int second) {
        float[] all = new float[logprob.length];
        all[first] = (float) expected.logprob()[0];
        all[second] = (float) expected.logprob()[1];
        assertThat(logprob).isEqualTo(all);
    }

    private static void sameGradient(ByteBuffer row, long[] expected, int from) {
        long[] bits = new long[VOCABULARY];
        Arrays.setAll(bits, j -> row.getShort(2 * j));
        Expect.sameBits("d_logits", bits, Arrays.copyOfRange(expected, from, from + VOCABULARY));
        ByteBuffer gap = UNTOUCHED.slice(2 * VOCABULARY, 2 * (STRIDE - VOCABULARY));
        assertThat(row.slice(2 * VOCABULARY, gap.capacity()).mismatch(gap)).isEqualTo(-1);
    }
}
