package org.dpo4j.data.row;

/**
 * How rows are read and encoded.
 *
 * @param columns renames and drops columns
 */
public record RowOptions(ColumnMap columns) {
    public static final RowOptions DEFAULT = new RowOptions(ColumnMap.NONE);
}
