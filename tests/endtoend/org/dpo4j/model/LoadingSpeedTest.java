package org.dpo4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.dpo4j.io.JsonFile;
import org.dpo4j.io.SafeTensors;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.DeviceBuffer;
import org.dpo4j.kernels.Devices;
import org.dpo4j.model.family.Llama;
import org.dpo4j.model.family.ModelConfig;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Loads a model of F32 weights, and reads the same file into memory of the same size, in turn. The model has 8 GB, or what
 * the machine's memory holds twice, as page cache and as weights. The file was written just before, so both read the page
 * cache. Both write memory that is new to the process, whose pages the operating system clears first: that takes longer
 * than the read itself. The output also names the time of a read into a small buffer that is used again and again.
 */
@Tag("long")
class LoadingSpeedTest {
    private static final double MAX_RATIO = 1.3;
    private static final long MAX_BYTES = 8_000_000_000L;
    private static final long MIN_BYTES = 1_000_000_000L;
    private static final int ROUNDS = 3;
    private static final int READ_BYTES = 1 << 20;
    private static final long LAYER_BYTES = 4L * (4 * 2048 * 2048 + 3 * 2048 * 5632);

    @TempDir
    private Path directory;

    /** Medians of interleaved rounds, because other programs disturb some of them. */
    @Test
    void loadingTakesAtMost1Point3TimesTheReading() throws IOException {
        try (Device device = Devices.cpu(0)) {
            long space = Math.min(Files.getFileStore(directory).getUsableSpace(), device.availableBytes());
            long bytes = Math.min(MAX_BYTES, (space - MIN_BYTES) / 2);
            assumeTrue(
                    bytes >= MIN_BYTES,
                    () -> "skipped: 3 GB of disk and of memory are needed, " + space + " bytes are available");
            Path file = write(Llama.config(256, 2048, 5632, (int) (bytes / LAYER_BYTES), 16, 16, 64, true));
            long[] used = new long[ROUNDS];
            long[] reads = new long[ROUNDS];
            long[] loads = new long[ROUNDS];
            long heap = heapBytes();
            for (int i = 0; i < ROUNDS; i++) {
                used[i] = nanos(() -> read(file));
                reads[i] = nanos(() -> readIntoNewMemory(file, device));
                loads[i] = nanos(() -> Model.load(directory, device, DType.F32).close());
            }
            String times = String.format(
                    Locale.ROOT,
                    "%.1f GB: read %.2f s, into new memory %.2f s, load %.2f s",
                    Files.size(file) / 1e9,
                    median(used),
                    median(reads),
                    median(loads));
            System.out.println(times);
            assertThat(heapBytes() - heap).as("growth of the heap").isLessThan(64 << 20);
            assertThat(median(loads) / median(reads)).as(times).isLessThanOrEqualTo(MAX_RATIO);
        }
    }

    private static double median(long[] nanos) {
        return Arrays.stream(nanos).sorted().toArray()[ROUNDS / 2] / 1e9;
    }

    private Path write(ModelConfig config) {
        Path file = directory.resolve("model.safetensors");
        List<SafeTensors.Plan> plans = new ParameterLayout(config)
                .tensors().stream()
                        .map(tensor -> new SafeTensors.Plan(tensor.name(), "F32", tensor.shape()))
                        .toList();
        ByteBuffer chunk = ByteBuffer.allocateDirect(READ_BYTES);
        SafeTensors.write(file, plans, chunk, (tensor, offset, destination) -> {
            for (long i = offset; destination.hasRemaining(); i += 4) {
                destination.putFloat(i % 1021);
            }
        });
        JsonFile.write(directory.resolve("config.json"), config.json());
        return file;
    }

    private interface Action {
        void run() throws IOException;
    }

    private static long nanos(Action action) throws IOException {
        long begin = System.nanoTime();
        action.run();
        return System.nanoTime() - begin;
    }

    private static void read(Path file) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocateDirect(READ_BYTES);
        try (FileChannel channel = FileChannel.open(file)) {
            while (channel.read(buffer.clear()) >= 0) {
                // the bytes are not used
            }
        }
    }

    private static void readIntoNewMemory(Path file, Device device) throws IOException {
        ByteBuffer buffer = ByteBuffer.allocateDirect(READ_BYTES);
        try (FileChannel channel = FileChannel.open(file);
                DeviceBuffer memory = device.allocate(channel.size())) {
            for (long at = memory.address(); channel.read(buffer.clear()) >= 0; at += buffer.position()) {
                device.upload(at, buffer.flip());
            }
        }
    }

    private static long heapBytes() {
        System.gc();
        return ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed();
    }
}
