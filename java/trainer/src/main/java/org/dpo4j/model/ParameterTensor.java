package org.dpo4j.model;

import java.util.List;

/** A tensor of a model's files: a whole parameter, or some of its rows. Its elements are numbered as in files. */
public final class ParameterTensor {
    private final String name;
    private final Placement placement;
    private final boolean isMatrix;

    ParameterTensor(String name, Placement placement, boolean isMatrix) {
        this.name = name;
        this.placement = placement;
        this.isMatrix = isMatrix;
    }

    /** Hugging Face's name. */
    public String name() {
        return name;
    }

    /** The shape in files: two numbers of a matrix, {@code [elements]} of a vector. */
    public List<Long> shape() {
        long rows = placement.rowCount();
        long columns = placement.columns().size();
        if (!isMatrix) {
            return List.of(rows);
        }
        return placement.isTransposed() ? List.of(columns, rows) : List.of(rows, columns);
    }

    /** Number of elements. */
    public long count() {
        return placement.count();
    }

    /** Where the elements are in the flat buffers. */
    Placement placement() {
        return placement;
    }

    /** {@code [ROW, COLUMN]} of an element of a matrix in a file, {@code [ELEMENT]} of a vector. */
    String index(long element) {
        int columns = placement.isTransposed()
                ? placement.rowCount()
                : placement.columns().size();
        return isMatrix ? "[" + element / columns + ", " + element % columns + "]" : "[" + element + "]";
    }
}
