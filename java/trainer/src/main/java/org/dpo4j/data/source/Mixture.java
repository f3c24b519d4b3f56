package org.dpo4j.data.source;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * The rows of several sources.
 *
 * @param parts the sources, at least one
 * @param order in which order their rows are read, and how many of each
 * @param shares a positive number for each part; empty for {@link Order#CONCATENATED}
 * @param seed of the random choices of {@link Order#INTERLEAVED}
 */
public record Mixture(List<RowSource> parts, Order order, List<Double> shares, long seed) implements RowSource {

    /** In which order rows are read. */
    public enum Order {
        /** All rows of a part, then all rows of the next, as TRL does. */
        CONCATENATED,
        /**
         * As {@link #CONCATENATED}, but only the first rows of each part, so that the parts have their shares of the
         * rows, and one part is read completely: {@code fraction} of TRL's DatasetConfig.
         */
        FIRST_ROWS,
        /**
         * The next row is of a part chosen at random with a probability of its share. Reading ends when the chosen part
         * has no more rows: {@code interleave_datasets} of Hugging Face's datasets, which stops at the first part that
         * is exhausted. No row is read twice.
         */
        INTERLEAVED
    }

    public Mixture {
        if (parts.isEmpty()) {
            throw new Dpo4jException("datasets is an empty list; give one data set at least");
        }
        parts = List.copyOf(parts);
        shares = List.copyOf(shares);
    }

    @Override
    public String name() {
        return parts.size() == 1 ? parts.get(0).name() : "mixture of " + parts.size() + " data sets";
    }

    @Override
    public Rows open() {
        return switch (order) {
            case CONCATENATED -> new ShardRows(parts);
            case FIRST_ROWS -> new ShardRows(firstRows());
            case INTERLEAVED -> new InterleavedRows(parts, shares, seed);
        };
    }

    /** As TRL's get_dataset: the first {@code round(share * total)} rows of each, for the largest possible total. */
    private List<RowSource> firstRows() {
        double sum = shares.stream().mapToDouble(Double::doubleValue).sum();
        double total = Double.POSITIVE_INFINITY;
        for (int i = 0; i < parts.size(); i++) {
            total = Math.min(total, count(parts.get(i)) / (shares.get(i) / sum));
        }
        double rows = total;
        return IntStream.range(0, parts.size())
                .<RowSource>mapToObj(i -> new FirstRows(parts.get(i), (int) Math.rint(shares.get(i) / sum * rows)))
                .toList();
    }

    private static int count(RowSource source) {
        if (source.identity() == null) {
            throw new Dpo4jException(source.name() + " is a pipe, whose rows cannot be counted for fraction; write them"
                    + " to a file, or give weight");
        }
        int count = 0;
        try (Rows rows = source.open()) {
            for (boolean hasMore = true; hasMore; count += hasMore ? 1 : 0) {
                hasMore = hasNext(rows);
            }
        }
        return count;
    }

    private static boolean hasNext(Rows rows) {
        try {
            return rows.next() != null;
        } catch (BadRow bad) {
            return true; // a row, whatever is in it
        }
    }

    @Override
    public List<SourceFile> files() {
        return parts.stream().flatMap(part -> part.files().stream()).toList();
    }

    @Override
    public @Nullable String identity() {
        StringBuilder identity = new StringBuilder(order + " " + shares + " " + seed);
        for (RowSource part : parts) {
            String own = part.identity();
            if (own == null) {
                return null;
            }
            identity.append("\n\n").append(own);
        }
        return identity.toString();
    }

    @Override
    public List<String> notes() {
        List<String> notes = new ArrayList<>();
        if (parts.size() > 1) {
            List<String> names = parts.stream().map(RowSource::name).toList();
            String ratio =
                    String.join(" : ", shares.stream().map(Mixture::number).toList());
            notes.add(
                    switch (order) {
                        case CONCATENATED -> "one after the other: " + String.join(", ", names);
                        case FIRST_ROWS -> "the first rows of " + String.join(", ", names) + " in the ratio " + ratio;
                        case INTERLEAVED ->
                            "interleaved at random in the ratio " + ratio + ", until one has no more rows: "
                                    + String.join(", ", names);
                    });
        }
        parts.forEach(part -> notes.addAll(part.notes()));
        return notes;
    }

    private static String number(double share) {
        return share == Math.rint(share) && share < 1e9 ? String.valueOf((long) share) : String.valueOf(share);
    }
}
