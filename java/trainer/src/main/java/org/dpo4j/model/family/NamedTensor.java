package org.dpo4j.model.family;

import java.util.List;

/**
 * A tensor of a family's files, and the part of a parameter that it holds.
 *
 * @param layer layer of the parameter; 0 if it belongs to no layer
 * @param rows the rows of a matrix, or the elements of a vector, that the tensor holds, in the tensor's order
 * @param isTransposed whether files hold the matrix as [columns, rows]
 */
public record NamedTensor(String name, ParameterKind kind, int layer, List<Rows> rows, boolean isTransposed) {

    /** Rows {@code [begin, begin + count)} of a parameter. */
    public record Rows(int begin, int count) {}

    public NamedTensor {
        rows = List.copyOf(rows);
    }

    /** Rows {@code [begin, begin + count)}, in the parameter's order. */
    public NamedTensor(String name, ParameterKind kind, int layer, int begin, int count) {
        this(name, kind, layer, List.of(new Rows(begin, count)), false);
    }

    /**
     * The bias of this weight: an element for each of its rows, under the same name but {@code "bias"} at the end.
     *
     * @param bias {@link ParameterKind#bias} of the weight
     */
    public NamedTensor bias(ParameterKind bias) {
        return new NamedTensor(name.substring(0, name.lastIndexOf('.')) + ".bias", bias, layer, rows, false);
    }

    /** The same rows, which files hold as columns. */
    public NamedTensor transposed() {
        return new NamedTensor(name, kind, layer, rows, true);
    }
}
