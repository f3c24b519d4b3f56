package org.dpo4j.model;

/**
 * A tensor of a model's files, as a range of the flat buffers of {@link Parameters}: a whole parameter, or a range of
 * its rows.
 *
 * @param name Hugging Face's name
 * @param offset first element, in weights and gradients alike
 * @param rows rows of a matrix; 1 for a vector
 * @param columns elements per row
 * @param isMatrix whether the file's shape is {@code [rows, columns]} rather than {@code [columns]}
 */
public record ParameterTensor(String name, long offset, int rows, int columns, boolean isMatrix) {

    /** Number of elements. */
    public long count() {
        return (long) rows * columns;
    }
}
