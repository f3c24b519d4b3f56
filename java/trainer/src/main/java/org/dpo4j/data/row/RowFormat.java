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
        PAIR("a pair"),
        /** The example is an {@link Example.Single}. */
        SINGLE("one completion"),
        /** The example is an {@link Example.Judged}. */
        JUDGED("one judged completion");

        private final String name;

        Kind(String name) {
            this.name = name;
        }

        @Override
        public String toString() {
            return name;
        }
    }

    Kind kind();

    /** The columns by which a row of this format is recognised. It has all of them. */
    List<String> required();

    /** The columns that are read: those required, and others that a row may lack. */
    Set<String> columns();

    /** Whether the values of a row that has the required columns allow it to be read in this format. */
    default boolean isReadable(ObjectNode row) {
        return true;
    }

    /**
     * Whether one column holds the whole sequence. Data sets with pairs or judged answers have such a column beside those
     * of the prompt and its answers, with the prompt and one of the answers once more.
     */
    default boolean isWhole() {
        return false;
    }

    /** The variant of this format that a row has. All rows of a file must have the same. */
    default RowFormat variant(ObjectNode row) {
        return this;
    }

    /** What a row of this format says, at least one example. Throws if the row cannot be used. */
    List<Example> read(ObjectNode row) throws BadRow;
}
