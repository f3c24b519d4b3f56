package org.dpo4j.data;

import java.util.List;
import java.util.function.BiFunction;
import org.dpo4j.data.row.RowFormat;
import org.dpo4j.data.row.RowFormats;
import org.dpo4j.data.store.RowCodec;

/**
 * A kind of rows: how they are converted and stored.
 *
 * @param codec how a row is stored
 * @param formats formats that become rows of this kind
 * @param converter makes a converter from options and the formats that errors name
 */
record RowKind<T>(
        RowCodec<T> codec,
        List<RowFormat> formats,
        BiFunction<ReadOptions, List<RowFormat>, RowConverter<T>> converter) {

    static final RowKind<PreferencePair> PAIRS = new RowKind<>(new PairCodec(), RowFormats.PAIRS, RowConverter::pairs);

    static final RowKind<Sequence> SEQUENCES =
            new RowKind<>(new SequenceCodec(), RowFormats.SEQUENCES, RowConverter::sequences);
}
