package org.dpo4j.model;

/**
 * One tensor of a model where it lies in the flat buffers of {@link Parameters}.
 *
 * @param name Hugging Face's name
 * @param offset first element, counted in elements from the start of the weights, and of the gradients alike
 * @param rows rows of a matrix; 1 for a norm's vector
 * @param columns elements of a row
 * @param matrix whether the file's shape is {@code [rows, columns]} rather than {@code [columns]}
 */
public record ParameterTensor(String name, long offset, int rows, int columns, boolean matrix) {

    /** Elements. */
    public long count() {
        return (long) rows * columns;
    }
}
