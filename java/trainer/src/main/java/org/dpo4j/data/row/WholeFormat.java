package org.dpo4j.data.row;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Set;
import org.dpo4j.data.source.BadRow;

/**
 * One column that holds a whole sequence, whose first token is the prompt.
 *
 * @param key name of the column
 * @param hasIds whether it holds token ids, which are used unchanged, rather than text
 */
record WholeFormat(String key, boolean hasIds) implements RowFormat {

    @Override
    public Kind kind() {
        return Kind.SINGLE;
    }

    @Override
    public Set<String> columns() {
        return Set.of(key);
    }

    @Override
    public List<Example> read(ObjectNode row) throws BadRow {
        Content content = hasIds
                ? new Content.Ids(null, List.of(Values.ids(row, key)))
                : new Content.Text(null, List.of(Values.text(row, key)));
        return List.of(new Example.Single(content, 1));
    }

    @Override
    public String toString() {
        return columns().toString();
    }
}
