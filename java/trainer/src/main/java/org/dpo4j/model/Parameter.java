package org.dpo4j.model;

/**
 * A matrix or vector of the decoder, as a range of the flat buffers of {@link Parameters}.
 *
 * @param offset first element, in weights and gradients alike
 * @param rows rows of a matrix; 1 for a vector
 * @param columns elements per row
 */
record Parameter(long offset, int rows, int columns, boolean isMatrix, Initialization initialization) {

    /** Number of elements. */
    long count() {
        return (long) rows * columns;
    }
}
