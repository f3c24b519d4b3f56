package org.dpo4j.data.row;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Arrays;
import java.util.List;
import org.dpo4j.data.source.BadRow;

/**
 * One column that holds a whole sequence, whose first token is the prompt.
 *
 * @param key name of the column
 * @param hasIds whether it holds token ids, which are used unchanged, rather than text
 */
record WholeFormat(String key, boolean hasIds) implements RowFormat {

    @Override
    public List<String> keys() {
        return List.of(key);
    }

    @Override
    public boolean isPair() {
        return false;
    }

    @Override
    public Encoder.Joint read(ObjectNode row, Encoder encoder) throws BadRow {
        int[] ids = hasIds ? encoder.ids(row, key) : text(row, encoder);
        if (ids.length < 2) {
            throw new BadRow(
                    BadRow.Reason.EMPTY_COMPLETION,
                    this + " has " + ids.length
                            + " tokens; at least 2 are needed, because the second is the first target");
        }
        encoder.checkLength(key, ids);
        return new Encoder.Joint(Arrays.copyOf(ids, 1), new int[][] {Arrays.copyOfRange(ids, 1, ids.length)}, false);
    }

    private int[] text(ObjectNode row, Encoder encoder) throws BadRow {
        String text = Encoder.text(row, key);
        if (text.isEmpty()) {
            throw new BadRow(BadRow.Reason.EMPTY_COMPLETION, key + " is empty");
        }
        return encoder.whole(text);
    }

    @Override
    public String toString() {
        return keys().toString();
    }
}
