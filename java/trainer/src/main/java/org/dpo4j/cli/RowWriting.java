package org.dpo4j.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.PrintStream;
import java.util.ArrayList;
import java.util.List;
import org.dpo4j.data.row.ColumnMap;
import org.dpo4j.data.row.Encoder;
import org.dpo4j.data.row.Example;
import org.dpo4j.data.row.Values;
import org.dpo4j.data.source.BadRow;
import org.dpo4j.data.source.RowSource;
import org.dpo4j.data.stats.ReadRow;
import org.dpo4j.data.stats.RowHash;
import org.dpo4j.data.stats.RowShape;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/** Writes the rows of a source as JSON lines, to one file or to the two parts of a split. */
final class RowWriting implements ReadRow.Receiver {
    private final @Nullable RowShape shape;
    private final @Nullable Encoder encoder;
    private final boolean isDeduplicated;
    private final double share;
    private final long seed;
    private final boolean isBadRowSkipped;
    private final RowHash.Seen seen = new RowHash.Seen();
    private final int[] written = new int[2];
    private List<PrintStream> files = List.of();
    private int repeated;
    private int unusable;
    private @Nullable String firstBad;

    /** {@code shape}: null to write rows as they are. {@code share}: of the prompts that belong to the first file. */
    RowWriting(
            @Nullable RowShape shape,
            @Nullable Encoder encoder,
            boolean isDeduplicated,
            double share,
            long seed,
            boolean isBadRowSkipped) {
        this.shape = shape;
        this.encoder = encoder;
        this.isDeduplicated = isDeduplicated;
        this.share = share;
        this.seed = seed;
        this.isBadRowSkipped = isBadRowSkipped;
    }

    void write(RowSource source, ColumnMap columns, List<PrintStream> to) {
        files = to;
        ReadRow.forEach(source, columns, this);
        if (written[0] + written[1] == 0) {
            throw new Dpo4jException(source.name() + " has no row that can be written: "
                    + (firstBad == null ? "it is empty" : "the first reason is at " + firstBad));
        }
    }

    @Override
    public Runnable row(ReadRow row) throws BadRow {
        List<ObjectNode> lines = new ArrayList<>();
        if (shape == null) {
            Values.checkCharacters(row.values());
            lines.add(row.values());
        } else {
            for (Example example : row.examples()) {
                lines.addAll(shape.rows(example, encoder));
            }
        }
        return () -> write(row, lines);
    }

    private void write(ReadRow row, List<ObjectNode> lines) {
        if (isDeduplicated && seen.add(row)) {
            repeated++;
            return;
        }
        int part = files.size() == 1 || RowHash.isInFirstPart(row, share, seed) ? 0 : 1;
        lines.forEach(files.get(part)::println);
        written[part] += lines.size();
    }

    @Override
    public void bad(String place, BadRow bad) {
        if (!isBadRowSkipped && !bad.isByOption()) {
            throw ReadRow.error(place, bad.getMessage());
        }
        firstBad = firstBad == null ? place + ": " + bad.getMessage() : firstBad;
        unusable++;
    }

    @Override
    public String toString() {
        return (files.size() == 1
                        ? written[0] + " rows"
                        : written[0] + " rows for training, " + written[1] + " for tests")
                + (isDeduplicated ? "; left out " + repeated + " that say the same as an earlier row" : "")
                + (unusable > 0 ? "; left out " + unusable + " that cannot be used" : "");
    }
}
