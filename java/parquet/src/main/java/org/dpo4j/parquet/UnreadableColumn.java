package org.dpo4j.parquet;

/** A column with values of a type that rows do not have, or compressed in another way. The message says which. */
final class UnreadableColumn extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private UnreadableColumn(String message) {
        super(message);
    }

    static UnreadableColumn ofType(String column, String type) {
        return new UnreadableColumn(
                "column " + column + " has values of type " + type + ", so leave it out when you write the file");
    }

    static UnreadableColumn compressed(String column, String codec) {
        return new UnreadableColumn(
                "column " + column + " is compressed by " + codec + ", so write it again with ZSTD or SNAPPY");
    }
}
