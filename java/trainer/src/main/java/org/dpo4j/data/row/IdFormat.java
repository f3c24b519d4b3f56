package org.dpo4j.data.row;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.dpo4j.data.source.BadRow;

/**
 * Columns of token ids. The ids are used unchanged: no BOS or EOS is added.
 *
 * @param kind pairs, completions, or judged completions
 * @param ids columns of ids: the prompt, then each completion; or one column with a whole sequence
 * @param label for judged completions, the column that says whether it is good; else nothing
 */
record IdFormat(Kind kind, List<String> ids, List<String> label) implements RowFormat {

    @Override
    public List<String> required() {
        List<String> required = new ArrayList<>(ids);
        required.addAll(label);
        return required;
    }

    @Override
    public Set<String> columns() {
        Set<String> columns = new LinkedHashSet<>(required());
        switch (kind) {
            case PAIR -> columns.addAll(List.of("weight", "ref_chosen_logps", "ref_rejected_logps"));
            case JUDGED -> columns.add("weight");
            case SINGLE -> {}
        }
        return columns;
    }

    @Override
    public List<Example> read(ObjectNode row) throws BadRow {
        List<int[]> parts = new ArrayList<>();
        for (String column : ids) {
            parts.add(Values.ids(row, column));
        }
        boolean isWhole = parts.size() == 1;
        Content content =
                new Content.Ids(isWhole ? null : parts.get(0), isWhole ? parts : parts.subList(1, parts.size()));
        return List.of(
                switch (kind) {
                    case PAIR -> new Example.Pair(content, Values.weight(row), Values.reference(row));
                    case SINGLE -> new Example.Single(content, 1);
                    case JUDGED -> new Example.Judged(content, Values.label(row, label.get(0)), Values.weight(row));
                });
    }

    @Override
    public String toString() {
        return required().toString();
    }
}
