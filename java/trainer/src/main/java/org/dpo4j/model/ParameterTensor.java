package org.dpo4j.model;

/**
 * One tensor of a model's files where it lies in the flat buffers of {@link Parameters}: a whole parameter, or a range of
 * its rows.
 *
 * @param name Hugging Face's name
 * @param offset first element, counted in elements from the start of the weights, and of the gradients alike
 * @param rows rows of a matrix; 1 for a vector
 * @param columns elements of a row
 * @param isMatrix whether the file's shape is {@code [rows, columns]} rather than {@code [columns]}
 */
public record ParameterTensor(String name, long offset, int rows, int columns, boolean isMatrix) {

    /** Elements. */
    public long count() {
        return (long) rows * columns;
    }
}
