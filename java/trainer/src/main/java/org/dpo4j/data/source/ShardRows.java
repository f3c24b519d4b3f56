package org.dpo4j.data.source;

import java.util.ArrayList;
import java.util.List;
import java.util.function.IntFunction;
import org.jspecify.annotations.Nullable;

/**
 * The rows of several sources, one source after the other. Numbers continue from one to the next, and {@link #place}
 * finds the source of a number again.
 */
final class ShardRows implements Rows {

    /**
     * A source that has been opened.
     *
     * @param start the number before that of its first row
     */
    private record Shard(int start, IntFunction<String> places) {}

    private final List<RowSource> sources;
    private final List<Shard> shards = new ArrayList<>();
    private @Nullable Rows current;
    private int start;
    private int number;

    ShardRows(List<RowSource> sources) {
        this.sources = sources;
    }

    @Override
    public @Nullable Row next() throws BadRow {
        while (current != null || shards.size() < sources.size()) {
            if (current == null) {
                current = sources.get(shards.size()).open();
                start = number;
                shards.add(new Shard(start, current.places()));
            }
            Row row = next(current);
            if (row != null) {
                return row;
            }
            close();
        }
        return null;
    }

    private @Nullable Row next(Rows rows) throws BadRow {
        try {
            Row row = rows.next();
            if (row != null) {
                number = start + row.number();
            }
            return row == null ? null : new Row(number, row.values());
        } catch (BadRow bad) {
            number = start + rows.number();
            throw bad;
        }
    }

    @Override
    public int number() {
        return number;
    }

    /** As if all sources had the same size. */
    @Override
    public double share() {
        return current == null ? 1 : (shards.size() - 1 + current.share()) / sources.size();
    }

    @Override
    public void checkEnd() {
        if (current != null) {
            current.checkEnd();
        }
    }

    @Override
    public IntFunction<String> places() {
        List<Shard> opened = shards;
        return row -> {
            int last = opened.size() - 1;
            while (last > 0 && opened.get(last).start >= row) {
                last--;
            }
            Shard shard = opened.get(last);
            return shard.places.apply(row - shard.start);
        };
    }

    @Override
    public void close() {
        if (current != null) {
            current.close();
            current = null;
        }
    }
}
