package org.dpo4j.data.row;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * The columns that an option names and that no row has had so far. A column that no row has is a misspelt name: the rows
 * might be read in another format without it, such as transcripts instead of prompts and answers.
 */
public final class MissingColumns {
    /** Columns of rows that an error names. */
    private static final int MAX_NAMED = 20;

    private final String option;
    /** For each column to be written, the column of the file. */
    private final Map<String, String> missing = new TreeMap<>();

    private final Set<String> seen = new LinkedHashSet<>();

    private MissingColumns(String option) {
        this.option = option;
    }

    /** The columns that {@code column_map} reads. */
    public static MissingColumns readBy(ColumnMap columns) {
        MissingColumns all = new MissingColumns("column_map");
        columns.sources().forEach((target, source) -> {
            if (source != null) {
                all.missing.put(target, source);
            }
        });
        return all;
    }

    /** The columns that {@code option} keeps under their own names. */
    public static MissingColumns keptBy(String option, Collection<String> columns) {
        MissingColumns all = new MissingColumns(option);
        columns.forEach(column -> all.missing.put(column, column));
        return all;
    }

    /** Takes the next row, as the file has it; null if it is no JSON object. */
    public void add(@Nullable ObjectNode row) {
        if (!missing.isEmpty() && row != null) {
            missing.values().removeIf(row::has);
            row.fieldNames().forEachRemaining(seen::add);
        }
    }

    /** For the end of an error of a row: which columns no row has had; empty if there are none. */
    public String note() {
        return missing.isEmpty()
                ? ""
                : " (" + option + " reads " + named() + ", but no row so far has such a column; there are " + columns()
                        + ")";
    }

    /** Throws if there is a column that no row has had, and there were rows. {@code source} is what has the rows. */
    public void check(String source) {
        if (!missing.isEmpty() && !seen.isEmpty()) {
            throw new Dpo4jException(source + ": " + option + " reads " + named()
                    + ", but no row has such a column; there are " + columns()
                    + ". Correct the name, or leave it out of "
                    + option);
        }
    }

    private String columns() {
        int more = seen.size() - MAX_NAMED;
        return seen.stream().limit(MAX_NAMED).collect(Collectors.joining(", "))
                + (more > 0 ? " and " + more + " more" : "");
    }

    private String named() {
        return missing.entrySet().stream()
                .map(entry -> entry.getKey().equals(entry.getValue())
                        ? entry.getKey()
                        : entry.getKey() + " from " + entry.getValue())
                .collect(Collectors.joining(", "));
    }
}
