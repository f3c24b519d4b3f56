package org.dpo4j.data;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.dpo4j.data.row.Encoder;
import org.dpo4j.data.row.Encoder.Joint;
import org.dpo4j.data.row.Example;
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
        T convert(int row, Example example, Joint joint);
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
            return convert(row, format);
        } catch (BadRow bad) {
            return ConvertedRow.bad(row.number(), values, format, bad);
        }
    }

    private ConvertedRow<T> convert(Rows.Row row, RowFormat format) throws BadRow {
        List<T> used = new ArrayList<>();
        boolean isPromptMerged = false;
        boolean isCut = false;
        for (Example example : format.read(row.values())) {
            Joint joint = encoder.encode(example.content());
            checkNotEmpty(joint);
            Joint cut = fit(joint);
            isPromptMerged |= joint.isPromptMerged();
            isCut |= !Arrays.deepEquals(joint.completions(), cut.completions());
            used.add(kind.convert(row.number(), example, cut));
        }
        return new ConvertedRow<>(row.number(), row.values(), format, List.copyOf(used), isPromptMerged, isCut, null);
    }

    private static void checkNotEmpty(Joint joint) throws BadRow {
        int[][] completions = joint.completions();
        for (int i = 0; i < completions.length; i++) {
            Encoder.checkNotEmpty(joint.prompt(), completions[i], Encoder.completionName(i, completions.length));
        }
        checkDifferent(completions, "");
    }

    private Joint fit(Joint joint) throws BadRow {
        int[][] completions = joint.completions().clone();
        for (int i = 0; i < completions.length; i++) {
            completions[i] = encoder.fit(joint.prompt(), completions[i], Encoder.completionName(i, completions.length));
        }
        checkDifferent(completions, " once cut to max_length " + options.maxLength());
        return new Joint(joint.prompt(), completions, joint.isPromptMerged());
    }

    private static PreferencePair pair(int row, Example example, Joint joint) {
        Example.ReferenceSums reference =
                example instanceof Example.Pair pair ? pair.reference() : Example.ReferenceSums.NONE;
        return new PreferencePair(
                row,
                joint.prompt(),
                joint.completions()[0],
                joint.completions()[1],
                example.weight(),
                reference.chosen(),
                reference.rejected());
    }

    private static Sequence sequence(int row, Example example, Joint joint) {
        return new Sequence(row, joint.prompt(), joint.completions()[0]);
    }

    private static void checkDifferent(int[][] completions, String when) throws BadRow {
        if (completions.length == 2 && Arrays.equals(completions[0], completions[1])) {
            throw new BadRow(
                    BadRow.Reason.IDENTICAL_SIDES,
                    "chosen and rejected are the same" + when + "; there is nothing to prefer");
        }
    }
}
