package org.dpo4j.data.row;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.dpo4j.data.source.BadRow;

/**
 * One column that holds a whole sequence, all of which is learnt: text, or messages.
 *
 * @param column its name
 * @param hasMessages whether it holds messages
 */
record WholeFormat(String column, boolean hasMessages) implements RowFormat {

    @Override
    public Kind kind() {
        return Kind.SINGLE;
    }

    @Override
    public List<String> required() {
        return List.of(column);
    }

    @Override
    public boolean isWhole() {
        return true;
    }

    @Override
    public Set<String> columns() {
        Set<String> columns = new LinkedHashSet<>(required());
        columns.addAll(hasMessages ? ColumnFormat.CHAT : Set.of());
        return columns;
    }

    @Override
    public List<Example> read(ObjectNode row) throws BadRow {
        Content content = hasMessages
                ? Contents.whole(row, Messages.read(row.path(column), column))
                : new Content.Text(null, List.of(Values.text(row, column)));
        return List.of(new Example.Single(content, 1));
    }

    @Override
    public String toString() {
        return required().toString();
    }
}
