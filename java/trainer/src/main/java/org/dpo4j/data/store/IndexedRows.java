package org.dpo4j.data.store;

/** A list that has some numbers of each row in an index, such as its lengths, so that they are known without reading rows. */
public interface IndexedRows {

    /** The {@link RowCodec#numbers} of a row. */
    int[] numbers(int row);
}
