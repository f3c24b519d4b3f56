package org.dpo4j.model;

import java.util.List;
import org.dpo4j.model.Placement.RowRange;
import org.dpo4j.model.family.NamedTensor;

/**
 * A matrix or vector of the decoder, as a range of the flat buffers of {@link Parameters}. A vector is a matrix of one
 * column.
 *
 * @param offset first element, in weights and gradients alike
 */
record Parameter(long offset, Axis rows, Axis columns, boolean isMatrix, Initialization initialization) {

    /** Number of elements, with padding. */
    long count() {
        return (long) rows.paddedSize() * columns.paddedSize();
    }

    /** Its elements in the flat buffers. */
    ParameterRange range() {
        return new ParameterRange(offset, offset + count(), isMatrix);
    }

    /** All elements but the padding. */
    Placement placement() {
        return placement(0, rows.size());
    }

    /** Rows {@code [begin, begin + count)}, counted without padding. */
    Placement placement(int begin, int count) {
        return new Placement(offset, List.of(new RowRange(rows, begin, count)), columns, false);
    }

    /** The rows that a tensor of a file holds. */
    Placement placement(NamedTensor tensor) {
        List<RowRange> ranges = tensor.rows().stream()
                .map(range -> new RowRange(rows, range.begin(), range.count()))
                .toList();
        return new Placement(offset, ranges, columns, tensor.isTransposed());
    }
}
