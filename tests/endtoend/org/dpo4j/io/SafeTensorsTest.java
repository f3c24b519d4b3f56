package org.dpo4j.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.dpo4j.model.RefusalAssertions.assertRefused;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.CancellationException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Corrupt files: each is an error that names the file, before memory is allocated for sizes that it claims. */
class SafeTensorsTest {
    @TempDir
    Path directory;

    /** Headers before eight bytes of data, and a part of the error. */
    @ParameterizedTest
    @CsvSource(delimiter = '|', quoteCharacter = '~', textBlock = """
        {"a":{"dtype":"F32","shape":[2],"data_offsets":[0,16]}}                                             | takes 8 bytes
        {"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}                                             | cut short
        {"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}                                              | takes 8 bytes
        {"a":{"dtype":"F32","shape":[2],"data_offsets":[-8,0]}}                                             | data_offsets holds -8
        {"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}}                                                | two data_offsets
        {"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,8]}}                                            | two data_offsets
        {"a":{"dtype":"F32","shape":[2],"data_offsets":[0,99999999999999999999]}}                           | 2^63
        {"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8e0]}}                                            | data_offsets
        {"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}                                              | 4 bytes follow
        {"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}                                              | overlap or leave holes
        {"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}} | overlap
        {"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}} | twice
        {"a":{"dtype":"F32","shape":[4294967296,4294967296,4294967296],"data_offsets":[0,8]}}               | more bytes than 2^63
        {"a":{"dtype":"F32","shape":[-1,-2],"data_offsets":[0,8]}}                                          | shape holds -1
        {"a":{"dtype":"F32","shape":["2"],"data_offsets":[0,8]}}                                            | shape
        {"a":{"dtype":"F31","shape":[2],"data_offsets":[0,8]}}                                              | unknown dtype "F31"
        {"a":{"dtype":7,"shape":[2],"data_offsets":[0,8]}}                                                  | dtype
        {"a":{"dtype":"F32","shape":[2]}}                                                                   | lacks
        {"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"stride":[1]}}                                 | stride
        {"a":[0,8]}                                                                                         | tensor a
        {"__metadata__":{"format":7},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}                  | __metadata__
        {"__metadata__":["pt"],"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}                        | __metadata__
        {"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}} {}                                           | continues after
        {"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}                                               | not valid
        {"a":{"dtype":"F32","shape":[[[[[[2]]]]]],"data_offsets":[0,8]}}                                    | nests
        []                                                                                                  | the header
        garbage!                                                                                            | not valid
        """)
    void headersThatContradictThemselvesAreRefused(String header, String word) throws IOException {
        refused(file(header.length(), header, 8), word);
    }

    @ParameterizedTest
    @ValueSource(longs = {1L << 60, -1, Long.MIN_VALUE, 1L << 32, 1 << 24, 17, 1, 0})
    void impossibleLengthsOfTheHeaderAreRefused(long length) throws IOException {
        refused(file(length, "{\"a\":{}}", 8), "header");
    }

    @Test
    void aFileCutShortAnywhereIsRefused() throws IOException {
        byte[] whole =
                Files.readAllBytes(file(54, "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8));
        for (int length = 0; length < whole.length; length++) {
            Path cut = directory.resolve("cut");
            Files.write(cut, Arrays.copyOf(whole, length));
            refused(cut, "cut");
        }
    }

    @Test
    void deepNestingIsRefused() throws IOException {
        String objects = "{\"a\":".repeat(100_000) + "1" + "}".repeat(100_000);
        refused(file(objects.length(), objects, 8), "tensor a");
        String arrays = "[".repeat(100_000);
        refused(file(arrays.length(), arrays, 8), "the header");
        String metadata = "{\"__metadata__\":" + objects + "}";
        refused(file(metadata.length(), metadata, 8), "__metadata__");
    }

    @Test
    void anAbsentFileIsRefused() {
        refused(directory.resolve("absent.safetensors"), "does not exist");
    }

    /** Expected bytes by hand, from the description of the format. */
    /** Java closes the file when a thread that reads it is interrupted. */
    @Test
    void anInterruptedReadIsNotAnErrorOfTheFile() throws IOException {
        Path path = file(54, "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8);
        try (SafeTensors open = SafeTensors.open(path)) {
            SafeTensorsHeader.Entry entry =
                    Objects.requireNonNull(open.entries().get("a"));
            Thread.currentThread().interrupt();
            for (int i = 0; i < 2; i++) {
                assertThatThrownBy(() -> open.read(entry, 0, ByteBuffer.allocate(8)))
                        .isInstanceOf(CancellationException.class)
                        .hasMessageContaining(path.toString());
            }
        } finally {
            assertThat(Thread.interrupted()).isTrue();
        }
    }

    @Test
    void theWrittenBytesFollowTheFormat() throws IOException {
        Path file = directory.resolve("written.safetensors");
        SafeTensors.write(
                file,
                List.of(
                        new SafeTensors.Plan("m", "F32", List.of(1L, 2L)),
                        new SafeTensors.Plan("v", "BF16", List.of(3L))),
                ByteBuffer.allocateDirect(64),
                (tensor, offset, destination) -> {
                    while (destination.hasRemaining()) {
                        destination.put((byte) (tensor.name().charAt(0) + destination.position()));
                    }
                });
        String header =
                "{\"__metadata__\":{\"format\":\"pt\"},\"m\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[0,8]},"
                        + "\"v\":{\"dtype\":\"BF16\",\"shape\":[3],\"data_offsets\":[8,14]}}";
        String padded = header + " ".repeat((8 - header.length() % 8) % 8);
        ByteBuffer expected = ByteBuffer.allocate(8 + padded.length() + 14).order(ByteOrder.LITTLE_ENDIAN);
        expected.putLong(padded.length()).put(padded.getBytes(StandardCharsets.UTF_8));
        expected.put("mnopqrst".getBytes(StandardCharsets.UTF_8)).put("vwxyz{".getBytes(StandardCharsets.UTF_8));
        assertThat(Files.readAllBytes(file)).isEqualTo(expected.array());
        try (SafeTensors read = SafeTensors.open(file)) {
            ByteBuffer bytes = ByteBuffer.allocate(2);
            read.read(Objects.requireNonNull(read.entries().get("v")), 4, bytes);
            assertThat(bytes.array()).isEqualTo("z{".getBytes(StandardCharsets.UTF_8));
        }
    }

    @Test
    void aChunkIsNoLargerThanTheLargestTensor() {
        List<SafeTensors.Plan> plans = List.of(
                new SafeTensors.Plan("m", "F32", List.of(3L, 2L)), new SafeTensors.Plan("v", "BF16", List.of(3L)));
        assertThat(SafeTensors.chunk(plans, 100).capacity()).isEqualTo(24);
        assertThat(SafeTensors.chunk(plans, 16).capacity()).isEqualTo(16);
        assertThat(SafeTensors.chunk(List.of(), 16).capacity()).isZero();
    }

    @Test
    void aFailedWriteKeepsTheOldFile() throws IOException {
        Path file = directory.resolve("kept.safetensors");
        Files.writeString(file, "old");
        assertRefused(
                () -> OutputFile.write(file, channel -> {
                    throw new IOException("No space left on device");
                }),
                "kept.safetensors",
                "No space left");
        assertThat(Files.readString(file)).isEqualTo("old");
        try (var files = Files.list(directory)) {
            assertThat(files).containsExactly(file);
        }
    }

    private Path file(long headerLength, String header, int dataBytes) throws IOException {
        byte[] json = header.getBytes(StandardCharsets.UTF_8);
        ByteBuffer bytes = ByteBuffer.allocate(8 + json.length + dataBytes).order(ByteOrder.LITTLE_ENDIAN);
        bytes.putLong(headerLength).put(json);
        return Files.write(directory.resolve("hostile.safetensors"), bytes.array());
    }

    private static void refused(Path file, String word) {
        assertRefused(() -> SafeTensors.open(file).close(), file.getFileName().toString(), word);
    }
}
