package org.dpo4j.train;

import java.util.AbstractList;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.RandomAccess;
import java.util.function.UnaryOperator;
import org.dpo4j.data.store.IndexedRows;

/** The evaluation rows of a run: those of one set after those of another. A set that is empty is left out. */
class EvalRows<T> extends AbstractList<T> implements RandomAccess {
    private final List<EvalSet> sets = new ArrayList<>();
    private final List<List<T>> parts = new ArrayList<>();

    private EvalRows(Map<String, List<T>> rows) {
        rows.forEach((name, part) -> {
            if (!part.isEmpty()) {
                int begin = size();
                sets.add(new EvalSet(name, begin, Math.addExact(begin, part.size())));
                parts.add(part);
            }
        });
    }

    /** The rows of these sets, by name. */
    static <T> EvalRows<T> named(Map<String, List<T>> rows) {
        boolean isIndexed = rows.values().stream().allMatch(IndexedRows.class::isInstance);
        return isIndexed ? new Indexed<>(rows) : new EvalRows<>(rows);
    }

    /** A list that has sets, as it is; any other list as one set without a name. */
    static <T> EvalRows<T> find(List<T> rows) {
        return rows instanceof EvalRows<T> found ? found : named(Map.of("", rows));
    }

    /** Sets whose rows have an index. */
    private static final class Indexed<T> extends EvalRows<T> implements IndexedRows {
        Indexed(Map<String, List<T>> rows) {
            super(rows);
        }

        @Override
        public int[] numbers(int row) {
            int part = super.part(row);
            return ((IndexedRows) super.parts.get(part))
                    .numbers(row - super.sets.get(part).begin());
        }

        @Override
        public String place(int row, int number) {
            int part = super.part(row);
            return IndexedRows.place(
                    super.parts.get(part), row - super.sets.get(part).begin(), number);
        }
    }

    /** The sets, in order. */
    List<EvalSet> sets() {
        return List.copyOf(sets);
    }

    /** Other rows of the same sets, such as those that {@code change} derives from the rows of a set. */
    EvalRows<T> derived(UnaryOperator<List<T>> change) {
        Map<String, List<T>> changed = new LinkedHashMap<>();
        for (int i = 0; i < sets.size(); i++) {
            changed.put(sets.get(i).name(), change.apply(parts.get(i)));
        }
        return named(changed);
    }

    @Override
    public int size() {
        return sets.isEmpty() ? 0 : sets.get(sets.size() - 1).end();
    }

    @Override
    public T get(int row) {
        int part = part(row);
        return parts.get(part).get(row - sets.get(part).begin());
    }

    private int part(int row) {
        for (int i = 0; i < sets.size(); i++) {
            if (row < sets.get(i).end()) {
                return i;
            }
        }
        throw new IndexOutOfBoundsException(row);
    }
}
