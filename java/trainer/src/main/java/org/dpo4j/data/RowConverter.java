package org.dpo4j.data;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.Arrays;
import java.util.List;
import org.dpo4j.data.row.Encoder;
import org.dpo4j.data.row.Encoder.Joint;
import org.dpo4j.data.row.RowFormat;
import org.dpo4j.data.row.RowFormats;
import org.dpo4j.data.source.BadRow;
import org.dpo4j.data.source.Rows;
import org.jspecify.annotations.Nullable;

/**
 * Converts rows of a file to token ids: finds the format, reads the values, encodes and cuts them. A result depends only
 * on its row, so several threads may convert at once. {@link DatasetReader} collects the results in the order of rows.
 */
final class RowConverter<T> {

    private interface Kind<T> {
        ConvertedRow<T> convert(RowConverter<T> converter, Rows.Row row, RowFormat format) throws BadRow;
    }

    private final ReadOptions options;
    private final List<RowFormat> wanted;
    private final List<RowFormat> named;
    private final Kind<T> kind;
    private final Encoder encoder;

    /** {@code wanted}: formats that this kind can use. {@code named}: formats that the error of an unknown row names. */
    private RowConverter(ReadOptions options, List<RowFormat> wanted, List<RowFormat> named, Kind<T> kind) {
        this.options = options;
        this.wanted = wanted;
        this.named = named;
        this.kind = kind;
        this.encoder = new Encoder(options);
    }

    static RowConverter<PreferencePair> pairs(ReadOptions options, List<RowFormat> named) {
        return new RowConverter<>(options, RowFormats.PAIRS, named, RowConverter::pair);
    }

    static RowConverter<Sequence> sequences(ReadOptions options, List<RowFormat> named) {
        return new RowConverter<>(options, RowFormats.SEQUENCES, named, RowConverter::sequence);
    }

    /** Whether this kind can use rows of the format. */
    boolean isWanted(@Nullable RowFormat format) {
        return format != null && wanted.contains(format);
    }

    ConvertedRow<T> convert(Rows.Row row) {
        ObjectNode values = row.values();
        RowFormat format = null;
        try {
            format = RowFormats.find(values, named);
            RowFormats.checkWanted(format, wanted);
            return kind.convert(this, row, format);
        } catch (BadRow bad) {
            return ConvertedRow.bad(row.number(), values, format, bad);
        }
    }

    private static ConvertedRow<PreferencePair> pair(
            RowConverter<PreferencePair> converter, Rows.Row row, RowFormat format) throws BadRow {
        Encoder encoder = converter.encoder;
        Joint joint = format.read(row.values(), encoder);
        int[] prompt = joint.prompt();
        int[] chosen = joint.completions()[0];
        int[] rejected = joint.completions()[1];
        Encoder.checkNotEmpty(prompt, chosen, "chosen");
        Encoder.checkNotEmpty(prompt, rejected, "rejected");
        checkDifferent(chosen, rejected, "");
        int[] cutChosen = encoder.fit(prompt, chosen, "chosen");
        int[] cutRejected = encoder.fit(prompt, rejected, "rejected");
        checkDifferent(cutChosen, cutRejected, " once cut to max_length " + converter.options.maxLength());
        boolean isCut = cutChosen.length < chosen.length || cutRejected.length < rejected.length;
        PreferencePair pair = new PreferencePair(row.number(), prompt, cutChosen, cutRejected);
        return used(row, format, joint, isCut, pair);
    }

    private static ConvertedRow<Sequence> sequence(RowConverter<Sequence> converter, Rows.Row row, RowFormat format)
            throws BadRow {
        Encoder encoder = converter.encoder;
        Joint joint = format.read(row.values(), encoder);
        int[] prompt = joint.prompt();
        int[] completion = joint.completions()[0];
        Encoder.checkNotEmpty(prompt, completion, "completion");
        int[] cut = encoder.fit(prompt, completion, "completion");
        return used(row, format, joint, cut.length < completion.length, new Sequence(row.number(), prompt, cut));
    }

    private static <T> ConvertedRow<T> used(Rows.Row row, RowFormat format, Joint joint, boolean isCut, T example) {
        return new ConvertedRow<>(
                row.number(), row.values(), format, List.of(example), joint.isPromptMerged(), isCut, null);
    }

    private static void checkDifferent(int[] chosen, int[] rejected, String when) throws BadRow {
        if (Arrays.equals(chosen, rejected)) {
            throw new BadRow(
                    BadRow.Reason.IDENTICAL_SIDES,
                    "chosen and rejected are the same" + when + "; there is nothing to prefer");
        }
    }
}
