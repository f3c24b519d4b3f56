package org.dpo4j.data.row;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import org.dpo4j.data.source.BadRow;

/**
 * One column of text for the prompt and one for each completion.
 *
 * @param keys column of the prompt, then those of the completions
 */
record TextFormat(List<String> keys) implements RowFormat {

    @Override
    public boolean isPair() {
        return keys.size() == 3;
    }

    @Override
    public Encoder.Joint read(ObjectNode row, Encoder encoder) throws BadRow {
        String prompt = Encoder.text(row, keys.get(0));
        String[] completions = new String[keys.size() - 1];
        for (int i = 0; i < completions.length; i++) {
            completions[i] = Encoder.text(row, keys.get(i + 1));
        }
        return encoder.joint(prompt, completions);
    }

    @Override
    public String toString() {
        return keys.toString();
    }
}
