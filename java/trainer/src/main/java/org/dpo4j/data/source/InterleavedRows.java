package org.dpo4j.data.source;

import java.util.ArrayList;
import java.util.List;
import java.util.function.IntFunction;
import org.dpo4j.data.Shuffle;
import org.jspecify.annotations.Nullable;

/**
 * Rows of several sources, each of a source chosen at random, until the chosen one has no more. The row {@code n} of
 * source {@code s} of {@code k}, both counted from 0, has the number {@code n * k + s + 1}.
 */
final class InterleavedRows implements Rows {
    private final List<Rows> parts = new ArrayList<>();
    private final List<IntFunction<String>> places = new ArrayList<>();
    private final double[] ends;
    private final long seed;
    private long drawn;
    private int number;
    private boolean isAtEnd;

    InterleavedRows(List<RowSource> sources, List<Double> shares, long seed) {
        this.seed = seed;
        double sum = shares.stream().mapToDouble(Double::doubleValue).sum();
        this.ends = new double[shares.size()];
        double end = 0;
        for (int i = 0; i < ends.length; i++) {
            end += shares.get(i) / sum;
            ends[i] = end;
        }
        try {
            for (RowSource source : sources) {
                Rows rows = source.open();
                parts.add(rows);
                places.add(rows.places());
            }
        } catch (RuntimeException e) {
            close();
            throw e;
        }
    }

    @Override
    public @Nullable Row next() throws BadRow {
        if (isAtEnd) {
            return null;
        }
        int part = part(Shuffle.uniform(seed, drawn++));
        Rows rows = parts.get(part);
        try {
            Row row = rows.next();
            isAtEnd = row == null;
            if (isAtEnd) {
                parts.forEach(Rows::checkEnd);
            }
            number = row == null ? number : number(part, row.number());
            return row == null ? null : new Row(number, row.values());
        } catch (BadRow bad) {
            number = number(part, rows.number());
            throw bad;
        }
    }

    private int part(double uniform) {
        int part = 0;
        while (part < ends.length - 1 && uniform >= ends[part]) {
            part++;
        }
        return part;
    }

    private int number(int part, int row) {
        return Math.addExact(Math.multiplyExact(row - 1, parts.size()), part + 1);
    }

    @Override
    public int number() {
        return number;
    }

    /** That of the part that has the largest one: reading ends with the first part that has no more rows. */
    @Override
    public double share() {
        return parts.stream()
                .mapToDouble(Rows::share)
                .filter(share -> !Double.isNaN(share))
                .max()
                .orElse(Double.NaN);
    }

    @Override
    public IntFunction<String> places() {
        List<IntFunction<String>> all = places;
        return row -> all.get((row - 1) % all.size()).apply((row - 1) / all.size() + 1);
    }

    @Override
    public void close() {
        parts.forEach(Rows::close);
    }
}
