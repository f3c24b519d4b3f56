package org.dpo4j.data.row;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import org.dpo4j.data.source.BadRow;

/** A format of rows: which columns hold the prompt and its completions. {@link RowFormats} lists all formats. */
public interface RowFormat {

    /** Names of the columns. A row of this format has all of them and no column of another format. */
    List<String> keys();

    /** Whether rows have a chosen and a rejected completion, rather than one completion. */
    boolean isPair();

    /** The token ids of a row of this format. Throws if the row cannot be used. */
    Encoder.Joint read(ObjectNode row, Encoder encoder) throws BadRow;
}
