package org.dpo4j.data.row;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.dpo4j.data.source.BadRow;

/**
 * A conversation whose last answer was judged. The messages before it are the prompt.
 *
 * @param column column of the messages
 * @param label column that says whether the answer is good
 */
record JudgedMessages(String column, String label) implements RowFormat {

    @Override
    public Kind kind() {
        return Kind.JUDGED;
    }

    @Override
    public List<String> required() {
        return List.of(column, label);
    }

    @Override
    public Set<String> columns() {
        Set<String> columns = new LinkedHashSet<>(required());
        columns.addAll(ColumnFormat.CHAT);
        columns.add("weight");
        return columns;
    }

    @Override
    public List<Example> read(ObjectNode row) throws BadRow {
        ArrayNode messages = Messages.read(row.path(column), column);
        int last = messages.size() - 1;
        if (last < 1 || !Messages.isAssistant(messages, last)) {
            throw new BadRow(
                    BadRow.Reason.BAD_VALUE,
                    column + " has " + messages.size() + " messages, the last of " + Messages.role(messages, last)
                            + "; end it with the assistant's answer that " + label + " judges");
        }
        Content content =
                Contents.of(row, Messages.part(messages, 0, last), List.of(Messages.part(messages, last, last + 1)));
        return List.of(new Example.Judged(content, Values.label(row, label), Values.weight(row)));
    }

    @Override
    public String toString() {
        return required().toString();
    }
}
