package org.dpo4j.data;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;

/** How the columns of a row hold a prompt and its completions. {@link RowFormats} lists the formats there are. */
interface RowFormat {

    /** Names of the columns: a row of this format has all of them, and none of another format's. */
    List<String> keys();

    /** Whether rows have a chosen and a rejected completion; otherwise they have one. */
    boolean isPair();

    /** The ids of a row of this format. Throws where it cannot be used. */
    Encoder.Joint read(ObjectNode row, Encoder encoder) throws BadRow;
}
