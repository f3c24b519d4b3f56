package org.dpo4j.model;

/**
 * A matrix or vector of the decoder, where it lies in the flat buffers of {@link Parameters}.
 *
 * @param offset first element, counted in elements from the start of the weights, and of the gradients alike
 * @param rows rows of a matrix; 1 for a vector
 * @param columns elements of a row
 */
record Parameter(long offset, int rows, int columns, boolean isMatrix, Initialization initialization) {

    /** Elements. */
    long count() {
        return (long) rows * columns;
    }
}
