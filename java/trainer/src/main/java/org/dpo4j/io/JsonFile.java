package org.dpo4j.io;

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
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import org.dpo4j.kernels.Dpo4jException;

/**
 * Reads and writes the small JSON files of a model: each is one object without duplicate keys, of bounded size and
 * depth.
 */
public final class JsonFile {
    /** A config has a few KiB, the index of a thousand shards a few MiB. */
    private static final int MAX_BYTES = 64 << 20;

    private static final int MAX_DEPTH = 64;

    private static final String DOWNLOAD = "download it again";

    private static final JsonMapper MAPPER = JsonMapper.builder(JsonFactory.builder()
                    .streamReadConstraints(StreamReadConstraints.builder()
                            .maxNestingDepth(MAX_DEPTH)
                            .build())
                    .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                    .build())
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    private JsonFile() {}

    public static ObjectNode object() {
        return MAPPER.createObjectNode();
    }

    /** Parses an object that a program contains. */
    public static ObjectNode parse(String text) {
        try {
            return MAPPER.readValue(text, ObjectNode.class);
        } catch (JsonProcessingException e) {
            throw new IllegalArgumentException("not a JSON object: " + text, e);
        }
    }

    /** Parses bytes that hold one object. Errors say what is wrong with them. */
    static ObjectNode parse(byte[] content) {
        try {
            if (MAPPER.readTree(content) instanceof ObjectNode object) {
                return object;
            }
            throw new Dpo4jException("does not hold a JSON object");
        } catch (JsonProcessingException e) {
            throw new Dpo4jException("is not valid JSON: " + JsonErrors.reason(e, true), e);
        } catch (IOException e) {
            throw new Dpo4jException("is not valid JSON: its bytes are not UTF-8", e);
        }
    }

    /** Reads a file that holds one object. Errors name the file. */
    public static ObjectNode read(Path file) {
        return read(file, bytes(file));
    }

    /** Reads a file that dpo4j has written. {@code remedy}: what to do if it is damaged. */
    public static ObjectNode read(Path file, String remedy) {
        return read(file, bytes(file), remedy);
    }

    /** The content of a small file. Errors name the file. */
    public static byte[] bytes(Path file) {
        try (InputStream input = Files.newInputStream(file)) {
            byte[] bytes = input.readNBytes(MAX_BYTES + 1);
            if (bytes.length > MAX_BYTES) {
                throw new Dpo4jException(
                        file + " has more than " + MAX_BYTES + " bytes, too many for a JSON file of a model");
            }
            return bytes;
        } catch (NoSuchFileException e) {
            throw new Dpo4jException(file + " does not exist; a Hugging Face model directory is expected", e);
        } catch (IOException e) {
            throw unreadable(file, e);
        }
    }

    /** Parses the content of a file, which holds one object. Errors name the file. */
    public static ObjectNode read(Path file, byte[] content) {
        return read(file, content, DOWNLOAD);
    }

    private static ObjectNode read(Path file, byte[] content, String remedy) {
        try {
            JsonNode json = MAPPER.readTree(content);
            if (json instanceof ObjectNode object) {
                return object;
            }
            throw new Dpo4jException(
                    json == null || json.isMissingNode() // empty or only white space
                            ? file + " is empty; " + remedy
                            : file + " does not hold a JSON object; " + remedy);
        } catch (JsonProcessingException e) {
            throw malformed(file, e, remedy);
        } catch (IOException e) {
            throw unreadable(file, e);
        }
    }

    /**
     * The error for a file that is not valid JSON. It names the file's actual format, or the fault and its position.
     */
    public static Dpo4jException malformed(Path file, JsonProcessingException e) {
        return malformed(file, e, DOWNLOAD);
    }

    private static Dpo4jException malformed(Path file, JsonProcessingException e, String remedy) {
        try {
            FileFormat other = FileFormat.find(file);
            if (other != null) {
                return new Dpo4jException(other.refuseModelFile(file), e);
            }
        } catch (IOException absent) {
            // the file has just vanished; report the error of the first read
        }
        return new Dpo4jException(file + " is not valid JSON: " + JsonErrors.reason(e, false) + "; " + remedy, e);
    }

    /** The error for a file that cannot be read. */
    public static Dpo4jException unreadable(Path file, IOException e) {
        return new Dpo4jException(
                file + " cannot be read (" + FileErrors.reason(e) + "); make it readable, or download it again", e);
    }

    /**
     * Writes the object in the format of Python's {@code json.dumps(indent=2)}, as a file of a directory that nothing reads
     * yet ({@link DirectoryFiles#write}).
     */
    public static void write(Path file, ObjectNode json) {
        DirectoryFiles.write(file, OutputFile.content(text(json).getBytes(StandardCharsets.UTF_8)));
    }

    /** Size of the file that {@link #write} writes. */
    public static long bytes(ObjectNode json) {
        return text(json).getBytes(StandardCharsets.UTF_8).length;
    }

    /** The object in the format of {@link #write}. */
    public static String text(ObjectNode json) {
        DefaultPrettyPrinter printer = new DefaultPrettyPrinter(
                Separators.createDefaultInstance().withObjectFieldValueSpacing(Separators.Spacing.AFTER));
        DefaultIndenter lines = new DefaultIndenter("  ", "\n");
        printer.indentObjectsWith(lines);
        printer.indentArraysWith(lines);
        try {
            return MAPPER.writer(printer).writeValueAsString(json) + "\n";
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("an object of JSON values has no JSON", e);
        }
    }
}
