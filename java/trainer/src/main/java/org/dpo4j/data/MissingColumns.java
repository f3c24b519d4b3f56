package org.dpo4j.data;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.dpo4j.data.row.ColumnMap;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * The columns that {@code column_map} reads and that no row has had so far. A column that no row has is a misspelt name: the
 * rows might be read in another format without it, such as transcripts instead of prompts and answers.
 */
final class MissingColumns {
    /** For each column to be written, the column of the file. */
    private final Map<String, String> missing = new TreeMap<>();

    MissingColumns(ColumnMap columns) {
        columns.sources().forEach((target, source) -> {
            if (source != null) {
                missing.put(target, source);
            }
        });
    }

    /** Takes the next row, after {@code column_map} has renamed its columns. */
    void add(@Nullable ObjectNode renamed) {
        if (!missing.isEmpty() && renamed != null) {
            missing.keySet().removeIf(renamed::has);
        }
    }

    /** For the end of an error of a row: which columns no row has had; empty if there are none. */
    String note() {
        return missing.isEmpty() ? "" : " (column_map reads " + named() + ", but no row so far has such a column)";
    }

    /** Throws if there is a column that no row has had. */
    void check(String source) {
        if (!missing.isEmpty()) {
            throw new Dpo4jException(source + ": column_map reads " + named()
                    + ", but no row has such a column; correct the name, or leave it out of column_map");
        }
    }

    private String named() {
        return missing.entrySet().stream()
                .map(entry -> entry.getKey() + " from " + entry.getValue())
                .collect(Collectors.joining(", "));
    }
}
