package org.dpo4j.report.record;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.function.Consumer;
import org.dpo4j.io.FileErrors;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/** Files of a run with one JSON object a line. */
final class JsonLines {
    private static final ObjectMapper JSON = new ObjectMapper();

    private JsonLines() {}

    /** Reads the objects of a file. The last line may be incomplete, because the run still writes or was killed. */
    static void read(Path file, Consumer<ObjectNode> consumer) {
        int number = 0;
        try (BufferedReader reader = Files.newBufferedReader(file)) {
            String line = reader.readLine();
            while (line != null) {
                number++;
                String next = reader.readLine();
                ObjectNode json = object(line);
                if (json != null) {
                    accept(consumer, json, file, number);
                } else if (next != null) {
                    throw new Dpo4jException(
                            file + " line " + number + " is not a JSON object; delete the line, or train again");
                }
                line = next;
            }
        } catch (IOException e) {
            throw new Dpo4jException(file + " cannot be read (" + FileErrors.reason(e) + "); make it readable", e);
        }
    }

    private static void accept(Consumer<ObjectNode> consumer, ObjectNode json, Path file, int number) {
        try {
            consumer.accept(json);
        } catch (Dpo4jException e) {
            throw new Dpo4jException(
                    file + " line " + number + ": " + e.getMessage() + "; delete the line, or train again", e);
        }
    }

    private static @Nullable ObjectNode object(String line) {
        try {
            JsonNode json = JSON.readTree(line);
            return json instanceof ObjectNode object ? object : null;
        } catch (JsonProcessingException e) {
            return null;
        }
    }
}
