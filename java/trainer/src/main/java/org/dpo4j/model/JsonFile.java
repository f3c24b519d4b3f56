package org.dpo4j.model;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.util.DefaultIndenter;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import com.fasterxml.jackson.core.util.Separators;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import org.dpo4j.kernels.Dpo4jException;

/** The small JSON files beside a model's weights: one object each, no key twice, bounded in size and depth. */
final class JsonFile {
    /** A config is a few KiB and the index of a thousand shards a few MiB. */
    private static final long LARGEST = 64L << 20;

    private static final int DEEPEST = 64;

    private static final JsonMapper MAPPER = JsonMapper.builder(JsonFactory.builder()
                    .streamReadConstraints(StreamReadConstraints.builder()
                            .maxNestingDepth(DEEPEST)
                            .build())
                    .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                    .build())
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    private JsonFile() {}

    static ObjectNode object() {
        return MAPPER.createObjectNode();
    }

    /** Reads a file that holds one object. */
    static ObjectNode read(Path file) {
        try {
            long bytes = Files.size(file);
            if (bytes > LARGEST) {
                throw new Dpo4jException(
                        file + " has " + bytes + " bytes; a JSON file of a model has at most " + LARGEST);
            }
            JsonNode json = MAPPER.readTree(Files.readAllBytes(file));
            if (json instanceof ObjectNode object) {
                return object;
            }
            throw new Dpo4jException(file + " does not hold a JSON object; download it again");
        } catch (NoSuchFileException e) {
            throw new Dpo4jException(file + " does not exist; a Hugging Face model directory is expected", e);
        } catch (JsonProcessingException e) {
            throw new Dpo4jException(
                    file + " is not valid JSON (" + e.getOriginalMessage() + "); download it again", e);
        } catch (IOException e) {
            throw new Dpo4jException(file + " cannot be read: " + e.getMessage(), e);
        }
    }

    /** Writes the object as Python's {@code json.dumps(indent=2)} would lay it out, whole or not at all. */
    static void write(Path file, ObjectNode json) {
        DefaultPrettyPrinter printer = new DefaultPrettyPrinter(
                Separators.createDefaultInstance().withObjectFieldValueSpacing(Separators.Spacing.AFTER));
        DefaultIndenter lines = new DefaultIndenter("  ", "\n");
        printer.indentObjectsWith(lines);
        printer.indentArraysWith(lines);
        try {
            String text = MAPPER.writer(printer).writeValueAsString(json) + "\n";
            WholeFile.write(file, text.getBytes(StandardCharsets.UTF_8));
        } catch (JsonProcessingException e) {
            throw new Dpo4jException(file + " cannot be written as JSON: " + e.getMessage(), e);
        }
    }
}
