package org.dpo4j.data.row;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * Renames and drops columns of rows, before their format is found: {@code column_map}.
 *
 * @param sources for each column to be written, the column of the file that it is read from; null to drop the column
 */
public record ColumnMap(Map<String, @Nullable String> sources) {
    public static final ColumnMap NONE = new ColumnMap(Map.of());

    /** Throws if a name is not that of a column that some format reads, or if a column of the file is read twice. */
    public ColumnMap {
        Set<String> read = new HashSet<>();
        for (Map.Entry<String, @Nullable String> entry : sources.entrySet()) {
            if (!RowFormats.columns().contains(entry.getKey())) {
                throw new Dpo4jException(
                        "column_map names " + entry.getKey() + ", which no format reads; its names are "
                                + String.join(", ", RowFormats.columns()) + ", each followed by the file's name of it");
            }
            String source = entry.getValue();
            if (source != null && !read.add(source)) {
                throw new Dpo4jException("column_map reads " + source + " twice; give each name a column of its own");
            }
        }
        sources = new TreeMap<>(sources);
    }

    /** The row with other column names. */
    public ObjectNode apply(ObjectNode row) {
        if (sources.isEmpty()) {
            return row;
        }
        Map<String, String> targets = new HashMap<>();
        sources.forEach((target, source) -> {
            if (source != null) {
                targets.put(source, target);
            }
        });
        ObjectNode renamed = row.objectNode();
        for (Map.Entry<String, JsonNode> column : row.properties()) {
            String target = targets.get(column.getKey());
            if (target != null) {
                renamed.set(target, column.getValue());
            } else if (!sources.containsKey(column.getKey())) {
                renamed.set(column.getKey(), column.getValue());
            }
        }
        return renamed;
    }

    /** As it is written in a config file. */
    @Override
    public String toString() {
        return sources.entrySet().stream()
                .map(entry -> entry.getKey() + ": " + entry.getValue())
                .collect(Collectors.joining(", ", "{", "}"));
    }
}
