package org.dpo4j.data.row;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import org.dpo4j.data.source.BadRow;

/**
 * One column of token ids for the prompt and one for each completion. The ids are used unchanged: no BOS or EOS is
 * added.
 *
 * @param keys column of the prompt, then those of the completions
 */
record IdFormat(List<String> keys) implements RowFormat {

    @Override
    public boolean isPair() {
        return keys.size() == 3;
    }

    @Override
    public Encoder.Joint read(ObjectNode row, Encoder encoder) throws BadRow {
        int[] prompt = encoder.ids(row, keys.get(0));
        int[][] completions = new int[keys.size() - 1][];
        for (int i = 0; i < completions.length; i++) {
            completions[i] = encoder.ids(row, keys.get(i + 1));
        }
        return new Encoder.Joint(prompt, completions, false);
    }

    @Override
    public String toString() {
        return keys.toString();
    }
}
