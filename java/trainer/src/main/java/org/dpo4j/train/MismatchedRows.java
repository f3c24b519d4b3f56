package org.dpo4j.train;

import java.util.AbstractList;
import java.util.Arrays;
import java.util.List;
import java.util.RandomAccess;
import org.dpo4j.data.UnpairedCompletion;
import org.dpo4j.data.store.IndexedRows;

/**
 * Each row's prompt with the completion of another row, from which the loss kto estimates the KL divergence. As in TRL,
 * the completions are rotated by one within each {@code batch} rows: a row receives the completion of the row before
 * it, and the first one that of the last. A last batch of one row keeps its own completion.
 */
final class MismatchedRows extends AbstractList<UnpairedCompletion> implements RandomAccess, IndexedRows {
    private final List<UnpairedCompletion> rows;
    private final int batch;
    private final int maxLength;

    /** {@code maxLength}: maximum tokens of a prompt with the completion of another row, which is cut at its end. */
    MismatchedRows(List<UnpairedCompletion> rows, int batch, int maxLength) {
        this.rows = rows;
        this.batch = batch;
        this.maxLength = maxLength;
    }

    @Override
    public int size() {
        return rows.size();
    }

    @Override
    public UnpairedCompletion get(int row) {
        UnpairedCompletion own = rows.get(row);
        UnpairedCompletion other = rows.get(other(row));
        int[] completion = start(other, maxLength - own.prompt().length);
        return new UnpairedCompletion(own.row(), own.prompt(), completion, own.isDesirable());
    }

    @Override
    public int[] numbers(int row) {
        UnpairedCompletion.Outline own = UnpairedCompletion.outline(rows, row);
        UnpairedCompletion.Outline other = UnpairedCompletion.outline(rows, other(row));
        int completion = Math.min(maxLength - own.prompt(), other.completion() + other.rest());
        return new UnpairedCompletion.Outline(own.prompt(), completion, 0, own.isDesirable()).numbers();
    }

    @Override
    public String place(int row, int number) {
        return IndexedRows.place(rows, row, number);
    }

    /** The row whose completion a row receives. */
    private int other(int row) {
        int begin = row / batch * batch;
        int count = Math.min(batch, rows.size() - begin);
        return begin + (row - begin + count - 1) % count;
    }

    /** The first {@code room} tokens of a whole completion. */
    private static int[] start(UnpairedCompletion row, int room) {
        int[] completion = row.completion();
        int[] rest = row.rest();
        if (completion.length > room) {
            return Arrays.copyOf(completion, room);
        }
        int[] start = Arrays.copyOf(completion, Math.min(room, completion.length + rest.length));
        System.arraycopy(rest, 0, start, completion.length, start.length - completion.length);
        return start;
    }
}
