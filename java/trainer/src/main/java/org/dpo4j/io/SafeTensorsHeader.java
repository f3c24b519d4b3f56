package org.dpo4j.io;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * Parses and checks the JSON header of a safetensors file. The byte range of each tensor must match its shape and dtype,
 * and the ranges must cover the data exactly once. The parser reads a stream, so a header that claims huge sizes takes no
 * more memory than its own bytes.
 */
public final class SafeTensorsHeader {
    private static final JsonFactory JSON = JsonFactory.builder()
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxNestingDepth(3)
                    .maxNumberLength(20)
                    .build())
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .build();

    private static final Map<String, Integer> TYPE_BYTES = Map.ofEntries(
            Map.entry("F64", 8),
            Map.entry("F32", 4),
            Map.entry("F16", 2),
            Map.entry("BF16", 2),
            Map.entry("F8_E4M3", 1),
            Map.entry("F8_E5M2", 1),
            Map.entry("I64", 8),
            Map.entry("I32", 4),
            Map.entry("I16", 2),
            Map.entry("I8", 1),
            Map.entry("U64", 8),
            Map.entry("U32", 4),
            Map.entry("U16", 2),
            Map.entry("U8", 1),
            Map.entry("BOOL", 1));

    /**
     * One tensor of the file.
     *
     * @param begin first byte, from the start of the data
     * @param end byte after the last
     */
    public record Entry(String name, String dtype, List<Long> shape, long begin, long end) {}

    private final JsonParser parser;
    private final Map<String, Entry> entries = new LinkedHashMap<>();

    private SafeTensorsHeader(JsonParser parser) {
        this.parser = parser;
    }

    /** Bytes per element of a dtype; 0 if it is unknown. */
    static int bytes(String dtype) {
        return TYPE_BYTES.getOrDefault(dtype, 0);
    }

    /**
     * The entries by name. Throws, naming the tensor, if the header is inconsistent, or does not match the {@code
     * dataBytes} bytes that follow it.
     */
    static Map<String, Entry> parse(byte[] json, long dataBytes) {
        try (JsonParser parser = JSON.createParser(json)) {
            SafeTensorsHeader header = new SafeTensorsHeader(parser);
            header.readAll();
            checkCoverage(header.entries.values(), dataBytes);
            return header.entries;
        } catch (IOException e) {
            throw new Dpo4jException(
                    "the header is not valid safetensors JSON (" + reason(e) + "); download it again", e);
        }
    }

    private static String reason(IOException e) {
        return e instanceof JsonProcessingException json ? JsonErrors.reason(json, true) : FileErrors.reason(e);
    }

    private void readAll() throws IOException {
        expect(JsonToken.START_OBJECT, parser.nextToken(), "the header");
        while (parser.nextToken() != JsonToken.END_OBJECT) {
            String name = parser.currentName();
            if (name.equals("__metadata__")) {
                readMetadata();
            } else {
                entries.put(name, readEntry(name));
            }
        }
        if (parser.nextToken() != null) {
            throw new Dpo4jException("the header continues after its object");
        }
    }

    /** Checks that metadata is text, as the format requires. It is not used. */
    private void readMetadata() throws IOException {
        expect(JsonToken.START_OBJECT, parser.nextToken(), "__metadata__");
        while (parser.nextToken() != JsonToken.END_OBJECT) {
            String key = parser.currentName();
            expect(JsonToken.VALUE_STRING, parser.nextToken(), "__metadata__ \"" + key + "\"");
        }
    }

    private Entry readEntry(String name) throws IOException {
        expect(JsonToken.START_OBJECT, parser.nextToken(), "tensor " + name);
        @Nullable String dtype = null;
        @Nullable List<Long> shape = null;
        @Nullable List<Long> offsets = null;
        while (parser.nextToken() != JsonToken.END_OBJECT) {
            String field = parser.currentName();
            String where = "tensor " + name + ", " + field;
            JsonToken value = parser.nextToken();
            switch (field) {
                case "dtype" -> {
                    expect(JsonToken.VALUE_STRING, value, where);
                    dtype = parser.getText();
                }
                case "shape" -> shape = readSizes(value, where);
                case "data_offsets" -> offsets = readSizes(value, where);
                default ->
                    throw new Dpo4jException("tensor " + name + " has a field \"" + field
                            + "\"; dtype, shape and data_offsets are allowed");
            }
        }
        if (dtype == null || shape == null || offsets == null || offsets.size() != 2) {
            throw new Dpo4jException("tensor " + name + " lacks dtype, shape or two data_offsets");
        }
        return checked(new Entry(name, dtype, shape, offsets.get(0), offsets.get(1)));
    }

    private List<Long> readSizes(JsonToken token, String where) throws IOException {
        expect(JsonToken.START_ARRAY, token, where);
        List<Long> sizes = new ArrayList<>();
        while (parser.nextToken() != JsonToken.END_ARRAY) {
            expect(JsonToken.VALUE_NUMBER_INT, parser.currentToken(), where);
            if (parser.getNumberType() == JsonParser.NumberType.BIG_INTEGER || parser.getLongValue() < 0) {
                throw new Dpo4jException(where + " holds " + parser.getText() + "; a size must be from 0 to 2^63-1");
            }
            sizes.add(parser.getLongValue());
        }
        return List.copyOf(sizes);
    }

    private static Entry checked(Entry entry) {
        Integer bytes = TYPE_BYTES.get(entry.dtype);
        if (bytes == null) {
            throw new Dpo4jException("tensor " + entry.name + " has the unknown dtype \"" + entry.dtype + "\"");
        }
        long size = bytes;
        try {
            for (long dimension : entry.shape) {
                size = Math.multiplyExact(size, dimension);
            }
        } catch (ArithmeticException e) {
            throw new Dpo4jException(
                    "tensor " + entry.name + " has the shape " + entry.shape + ", more bytes than 2^63", e);
        }
        if (entry.begin > entry.end || entry.end - entry.begin != size) {
            throw new Dpo4jException("tensor " + entry.name + " of shape " + entry.shape + " and type " + entry.dtype
                    + " takes " + size + " bytes, but its data_offsets are [" + entry.begin + ", " + entry.end + "]");
        }
        return entry;
    }

    /** Checks the rule of the format: no holes, no overlaps, nothing after the last tensor. */
    private static void checkCoverage(Iterable<Entry> entries, long dataBytes) {
        List<Entry> sorted = new ArrayList<>();
        entries.forEach(sorted::add);
        sorted.sort(Comparator.comparingLong(Entry::begin).thenComparingLong(Entry::end));
        long covered = 0;
        for (Entry entry : sorted) {
            if (entry.end > dataBytes) {
                throw new Dpo4jException("tensor " + entry.name + " ends at byte " + entry.end + " of " + dataBytes
                        + " bytes of data; the file is cut short or damaged, download it again");
            }
            if (entry.begin != covered) {
                throw new Dpo4jException("tensor " + entry.name + " begins at byte " + entry.begin
                        + " of the data where " + covered + " is next; tensors may not overlap or leave holes");
            }
            covered = entry.end;
        }
        if (covered != dataBytes) {
            throw new Dpo4jException(
                    (dataBytes - covered) + " bytes follow the last tensor; the file is damaged, download it again");
        }
    }

    private static void expect(JsonToken expected, @Nullable JsonToken found, String where) {
        if (found != expected) {
            throw new Dpo4jException(where + ": " + JsonErrors.words(found) + " stands where "
                    + JsonErrors.words(expected) + " is expected; download the file again");
        }
    }
}
