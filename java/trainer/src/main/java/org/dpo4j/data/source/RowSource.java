package org.dpo4j.data.source;

import java.util.List;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;

/** Rows that a user named, resolved to files. {@link RowSources} finds them. */
public interface RowSource {

    /** What errors and reports call it. */
    String name();

    /** Opens the rows, from the first on. A pipe can be opened only once. */
    Rows open();

    /** The files that are read, in order; empty for a pipe. */
    List<SourceFile> files();

    /** Whether it is one regular file with a list of rows for each of several splits. */
    default boolean hasSplits() {
        return false;
    }

    /**
     * Text that changes if a file, or the choice, order or columns of the rows change; null for a pipe, whose rows
     * cannot be read again.
     */
    @Nullable
    String identity();

    /**
     * Names file and line, or element, of the rows up to this number. It reads these rows again, unless they are a pipe, which
     * cannot be read again.
     */
    default IntFunction<String> places(int number) {
        if (identity() == null) {
            return row -> name() + " row " + row;
        }
        try (Rows rows = open()) {
            while (rows.number() < number) {
                try {
                    if (rows.next() == null) {
                        break;
                    }
                } catch (BadRow other) {
                    continue; // it has a number too
                }
            }
            return rows.places();
        }
    }

    /** What a user should know about the choice of files, such as files that are not read; one sentence each. */
    default List<String> notes() {
        return List.of();
    }
}
