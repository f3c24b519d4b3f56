package org.dpo4j.data;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.dpo4j.data.row.Encoder;
import org.dpo4j.data.row.Encoder.Joint;
import org.dpo4j.data.row.RowFormat;
import org.dpo4j.data.row.RowFormats;
import org.dpo4j.data.source.BadRow;
import org.dpo4j.data.source.RowFiles;
import org.dpo4j.data.source.Rows;
import org.dpo4j.io.InputFile;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/** Collects the rows of one kind, pairs or sequences, while a file is read. */
final class DatasetReader<T> {

    private interface RowReader<T> {
        T read(DatasetReader<T> reader, int number, Joint joint) throws BadRow;
    }

    private final ReadOptions options;
    private final List<RowFormat> wanted;
    private final RowReader<T> rowReader;
    private final Encoder encoder;
    private final List<T> used = new ArrayList<>();
    private final Map<BadRow.Reason, Integer> skipped = new EnumMap<>(BadRow.Reason.class);
    private final Map<String, Integer> columnsUsed = new LinkedHashMap<>();
    private final Map<String, Integer> columnsNotUsed = new LinkedHashMap<>();
    private @Nullable RowFormat format;
    private @Nullable Dpo4jException refusal;
    private boolean hasRowsOfKind;
    private int truncated;
    private int mergedPrompts;

    private DatasetReader(ReadOptions options, List<RowFormat> wanted, RowReader<T> rowReader) {
        this.options = options;
        this.wanted = wanted;
        this.rowReader = rowReader;
        this.encoder = new Encoder(options);
    }

    static DatasetReader<PreferencePair> pairs(ReadOptions options) {
        return new DatasetReader<>(options, RowFormats.PAIRS, DatasetReader::pair);
    }

    static DatasetReader<Sequence> sequences(ReadOptions options) {
        return new DatasetReader<>(options, RowFormats.SEQUENCES, DatasetReader::sequence);
    }

    /** Reads the file once and passes every row to all readers. Stops early if every reader has refused a row. */
    static void read(Path file, List<RowFormat> wanted, List<DatasetReader<?>> readers) {
        try (Rows rows = RowFiles.open(file)) {
            for (boolean hasMore = true; hasMore && readers.stream().anyMatch(reader -> reader.refusal == null); ) {
                try {
                    Rows.Row row = rows.next();
                    hasMore = row != null;
                    if (row != null) {
                        RowFormat found = RowFormats.find(row.values(), wanted);
                        readers.forEach(reader -> reader.take(row, found, rows));
                    }
                } catch (BadRow bad) {
                    readers.forEach(reader -> reader.leaveOut(rows.place(rows.number()), bad));
                }
            }
        }
    }

    private void take(Rows.Row row, RowFormat found, Rows rows) {
        hasRowsOfKind |= wanted.contains(found);
        if (refusal != null) {
            return;
        }
        try {
            RowFormats.checkWanted(found, wanted);
            checkFormat(found);
            used.add(rowReader.read(this, row.number(), found.read(row.values(), encoder)));
            format = found; // only a usable row sets the format of the file
            countColumns(row.values(), found);
        } catch (BadRow bad) {
            leaveOut(rows.place(row.number()), bad);
        }
    }

    private void leaveOut(String place, BadRow bad) {
        if (options.onBadRow() == OnBadRow.SKIP) {
            skipped.merge(bad.reason(), 1, Integer::sum);
        } else if (refusal == null) {
            refusal = new Dpo4jException(place + ": " + bad.getMessage(), bad);
        }
    }

    /** Throws if the format of this row differs from that of the rows before it. */
    private void checkFormat(RowFormat found) throws BadRow {
        if (format != null && !found.equals(format)) {
            throw new BadRow(
                    BadRow.Reason.MIXED_FORMAT,
                    "it has " + found + " but the rows before it have " + format + "; use one format per file");
        }
    }

    private void countColumns(ObjectNode row, RowFormat found) {
        for (Map.Entry<String, JsonNode> column : row.properties()) {
            if (!column.getValue().isNull()) {
                (found.keys().contains(column.getKey()) ? columnsUsed : columnsNotUsed)
                        .merge(column.getKey(), 1, Integer::sum);
            }
        }
    }

    /** Whether the file holds rows of this kind rather than of the other; true if it has no rows of either. */
    boolean isLikelierThan(DatasetReader<?> other) {
        if (used.isEmpty() != other.used.isEmpty()) {
            return other.used.isEmpty();
        }
        return hasRowsOfKind || !other.hasRowsOfKind;
    }

    /** The usable rows. Throws if a row was refused or no row is usable. */
    List<T> rows(Path file) {
        if (refusal != null) {
            throw refusal;
        }
        if (used.isEmpty()) {
            throw new Dpo4jException(
                    InputFile.name(file) + " has no row that can be used" + (skipped.isEmpty() ? "" : ": " + report()));
        }
        return List.copyOf(used);
    }

    /** Numbers of rows used, cut and skipped. */
    DatasetReport report() {
        return new DatasetReport(
                used.size(),
                reasons(),
                truncated,
                mergedPrompts,
                Collections.unmodifiableMap(columnsUsed),
                Collections.unmodifiableMap(columnsNotUsed));
    }

    private Map<String, Integer> reasons() {
        Map<String, Integer> reasons = new LinkedHashMap<>();
        skipped.forEach((reason, count) -> reasons.put(reason.toString(), count));
        return Collections.unmodifiableMap(reasons);
    }

    private PreferencePair pair(int number, Joint joint) throws BadRow {
        int[] prompt = joint.prompt();
        int[] chosen = joint.completions()[0];
        int[] rejected = joint.completions()[1];
        Encoder.checkNotEmpty(prompt, chosen, "chosen");
        Encoder.checkNotEmpty(prompt, rejected, "rejected");
        checkDifferent(chosen, rejected, "");
        int[] cutChosen = encoder.fit(prompt, chosen, "chosen");
        int[] cutRejected = encoder.fit(prompt, rejected, "rejected");
        checkDifferent(cutChosen, cutRejected, " once cut to max_length " + options.maxLength());
        count(joint.isPromptMerged(), cutChosen.length < chosen.length || cutRejected.length < rejected.length);
        return new PreferencePair(number, prompt, cutChosen, cutRejected);
    }

    private Sequence sequence(int number, Joint joint) throws BadRow {
        int[] prompt = joint.prompt();
        int[] completion = joint.completions()[0];
        Encoder.checkNotEmpty(prompt, completion, "completion");
        int[] cut = encoder.fit(prompt, completion, "completion");
        count(joint.isPromptMerged(), cut.length < completion.length);
        return new Sequence(number, prompt, cut);
    }

    private static void checkDifferent(int[] chosen, int[] rejected, String when) throws BadRow {
        if (Arrays.equals(chosen, rejected)) {
            throw new BadRow(
                    BadRow.Reason.IDENTICAL_SIDES,
                    "chosen and rejected are the same" + when + "; there is nothing to prefer");
        }
    }

    private void count(boolean isPromptMerged, boolean isCut) {
        mergedPrompts += isPromptMerged ? 1 : 0;
        truncated += isCut ? 1 : 0;
    }
}
