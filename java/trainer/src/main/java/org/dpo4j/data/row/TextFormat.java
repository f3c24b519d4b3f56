package org.dpo4j.data.row;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.dpo4j.data.source.BadRow;

/**
 * One column of text for the prompt and one for each completion.
 *
 * @param keys column of the prompt, then those of the completions
 */
record TextFormat(List<String> keys) implements RowFormat {

    @Override
    public Kind kind() {
        return keys.size() == 3 ? Kind.PAIR : Kind.SINGLE;
    }

    @Override
    public Set<String> columns() {
        return new LinkedHashSet<>(keys);
    }

    @Override
    public List<Example> read(ObjectNode row) throws BadRow {
        String prompt = Values.text(row, keys.get(0));
        List<String> completions = new ArrayList<>();
        for (String key : keys.subList(1, keys.size())) {
            completions.add(Values.text(row, key));
        }
        Content content = new Content.Text(prompt, completions);
        return List.of(
                kind() == Kind.PAIR
                        ? new Example.Pair(content, 1, Example.ReferenceSums.NONE)
                        : new Example.Single(content, 1));
    }

    @Override
    public String toString() {
        return keys.toString();
    }
}
