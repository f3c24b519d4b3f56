package org.dpo4j.report.tensorboard;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.dpo4j.model.TestFiles;
import org.dpo4j.report.Diagnosis;
import org.dpo4j.report.Metrics;
import org.dpo4j.report.RunEnd;
import org.dpo4j.report.RunEnd.Status;
import org.dpo4j.report.RunStart;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Event files, compared with those of TensorBoard's own library (tests/golden/event_files.py). */
class TensorBoardWriterTest {
    private static final JsonNode GOLDEN = TestFiles.json(TestFiles.golden("event_files.json"));

    @TempDir
    private Path directory;

    private static RunStart start(Path directory, int step) {
        Map<String, String> options = new LinkedHashMap<>();
        GOLDEN.get("options")
                .properties()
                .forEach(
                        option -> options.put(option.getKey(), option.getValue().asText()));
        return new RunStart("dpo", directory, options, Map.of(), step, 300, List.of());
    }

    private static TensorBoardWriter writer(Path directory) {
        long millis = (long) (1000 * GOLDEN.get("time").doubleValue());
        return new TensorBoardWriter(directory, () -> Instant.ofEpochMilli(millis));
    }

    /** Writes part 0 or 1 of the golden run. */
    private void write(TensorBoardWriter writer, int part) {
        writer.started(start(directory, part == 0 ? 0 : 2));
        int last = 0;
        for (JsonNode line : GOLDEN.get("lines").get(part)) {
            Map<String, Double> values = new LinkedHashMap<>();
            line.get(1)
                    .properties()
                    .forEach(
                            value -> values.put(value.getKey(), value.getValue().asDouble(Double.NaN)));
            last = line.get(0).intValue();
            writer.metrics(new Metrics(last, values));
        }
        writer.diagnosis(new Diagnosis("loss_falls", last, "the loss falls"));
        writer.ended(new RunEnd(part == 0 ? Status.FAILED : Status.COMPLETED, last, null));
    }

    private static List<Path> files(Path directory) throws IOException {
        try (Stream<Path> files = Files.list(directory)) {
            return files.sorted().toList();
        }
    }

    @Test
    void theBytesAreThoseOfTensorBoardsLibrary() throws IOException {
        write(writer(directory), 0);
        write(writer(directory), 1);
        List<Path> files = files(directory);
        assertThat(files).hasSize(2);
        for (int i = 0; i < 2; i++) {
            assertThat(HexFormat.of().formatHex(Files.readAllBytes(files.get(i))))
                    .isEqualTo(GOLDEN.get("files").get(i).asText());
            assertThat(files.get(i).getFileName().toString()).startsWith("events.out.tfevents.1764432000.");
        }
    }

    /** A second reading of the bytes: records, then fields of the messages, knowing only the wire format. */
    @Test
    void everyScalarIsARecordOfItsOwn() throws IOException {
        write(writer(directory), 0);
        ByteBuffer file =
                ByteBuffer.wrap(Files.readAllBytes(files(directory).get(0))).order(ByteOrder.LITTLE_ENDIAN);
        List<String> scalars = new ArrayList<>();
        while (file.hasRemaining()) {
            int length = (int) file.getLong();
            file.getInt();
            ByteBuffer event = file.slice(file.position(), length).order(ByteOrder.LITTLE_ENDIAN);
            file.position(file.position() + length + Integer.BYTES);
            assertThat(event.get()).isEqualTo((byte) (1 << 3 | 1)); // wall_time, 64 bits
            assertThat(event.getDouble()).isEqualTo(1764432000.25);
            int step = 0;
            int key = event.get();
            if (key == 2 << 3) { // step, a varint below 128
                step = event.get();
                key = event.get();
            }
            if (key == (5 << 3 | 2) && step > 0) { // summary
                ByteBuffer value = message(message(event, 0), 1);
                ByteBuffer tag = message(value, 1);
                if (value.hasRemaining() && value.get() == (2 << 3 | 5)) {
                    scalars.add(step + " " + text(tag) + " " + value.getFloat());
                }
            }
        }
        assertThat(scalars)
                .containsExactly(
                        "1 train/loss 0.6931472",
                        "1 train/rewards/margins 0.0",
                        "1 train/learning_rate 1.0E-6",
                        "2 train/loss 0.5",
                        "2 train/rewards/margins -0.25",
                        "2 train/grad_norm NaN",
                        "2 eval/loss 0.625",
                        "2 eval/rewards/accuracies 1.0",
                        "3 train/loss 0.4375",
                        "3 train/num_tokens 90030.0");
    }

    /** The bytes of the message that comes next, after its key if {@code field} is not 0. */
    private static ByteBuffer message(ByteBuffer bytes, int field) {
        if (field != 0) {
            assertThat(bytes.get()).isEqualTo((byte) (field << 3 | 2));
        }
        int length = bytes.get() & 0xff;
        if (length > 127) {
            length = length & 127 | bytes.get() << 7;
        }
        ByteBuffer message = bytes.slice(bytes.position(), length).order(ByteOrder.LITTLE_ENDIAN);
        bytes.position(bytes.position() + length);
        return message;
    }

    private static String text(ByteBuffer bytes) {
        return StandardCharsets.UTF_8.decode(bytes).toString();
    }

    @Test
    void aResumedRunAddsAFileToTheDirectoryOfItsEarlierPart() throws IOException {
        write(new TensorBoardWriter(null), 0);
        Path runs = directory.resolve("runs");
        assertThat(files(runs))
                .singleElement()
                .satisfies(run -> assertThat(run.getFileName().toString())
                        .matches("[A-Z][a-z]{2}\\d\\d_\\d\\d-\\d\\d-\\d\\d_.+"));
        write(new TensorBoardWriter(null), 1);
        assertThat(files(files(runs).get(0))).hasSize(2);
    }
}
