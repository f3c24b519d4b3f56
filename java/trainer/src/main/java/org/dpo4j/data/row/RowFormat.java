package org.dpo4j.data.row;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Set;
import org.dpo4j.data.source.BadRow;

/** A format of rows: which columns hold the prompt and its completions. {@link RowFormats} lists all formats. */
public interface RowFormat {

    /** What a row is used for. */
    enum Kind {
        /** Each example is an {@link Example.Pair}. */
        PAIR,
        /** The example is an {@link Example.Single}. */
        SINGLE,
        /** The example is an {@link Example.Judged}. */
        JUDGED
    }

    Kind kind();

    /** The columns that are read. A row need not have all of them. */
    Set<String> columns();

    /** What a row of this format says, at least one example. Throws if the row cannot be used. */
    List<Example> read(ObjectNode row) throws BadRow;
}
