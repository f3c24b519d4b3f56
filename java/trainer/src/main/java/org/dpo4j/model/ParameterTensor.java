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

    /** The shape in files: {@code [rows, columns]} of a matrix, {@code [elements]} of a vector. */
    public List<Long> shape() {
        long rows = placement.rowCount();
        return isMatrix ? List.of(rows, (long) placement.columns().size()) : List.of(rows);
    }

    /** Number of elements. */
    public long count() {
        return placement.count();
    }

    /** Where the elements are in the flat buffers. */
    Placement placement() {
        return placement;
    }

    /** {@code [ROW, COLUMN]} of an element of a matrix, {@code [ELEMENT]} of a vector. */
    String index(long element) {
        int columns = placement.columns().size();
        return isMatrix ? "[" + element / columns + ", " + element % columns + "]" : "[" + element + "]";
    }
}
