package org.dpo4j.data;

import java.util.Set;
import java.util.function.BiFunction;
import org.dpo4j.data.row.RowFormat.Kind;
import org.dpo4j.data.store.RowCodec;

/**
 * A kind of rows: how they are converted and stored.
 *
 * @param codec how a row is stored
 * @param kind what the formats of its rows are
 * @param converter makes a converter from options and what errors ask for
 */
record RowKind<T>(RowCodec<T> codec, Kind kind, BiFunction<ReadOptions, Set<Kind>, RowConverter<T>> converter) {

    static final RowKind<PreferencePair> PAIRS = new RowKind<>(new PairCodec(), Kind.PAIR, RowConverter::pairs);

    static final RowKind<UnpairedCompletion> JUDGED =
            new RowKind<>(new JudgedCodec(), Kind.JUDGED, RowConverter::judged);

    static final RowKind<Sequence> SEQUENCES = new RowKind<>(new SequenceCodec(), Kind.SINGLE, RowConverter::sequences);

    /** Sequences that are not trained on. */
    static final RowKind<Sequence> SCORED_SEQUENCES =
            new RowKind<>(new SequenceCodec(), Kind.SINGLE, RowConverter::scoredSequences);
}
