/** Reads rows in Parquet files. The trainer finds it by {@link java.util.ServiceLoader}; it exports nothing. */
module org.dpo4j.parquet {
    requires dev.hardwood.core;
    requires java.logging;
    requires org.dpo4j.trainer;
    requires static org.jspecify;

    // Hardwood calls them by name if they are there.
    requires com.github.luben.zstd_jni;
    requires snappy.java;

    provides org.dpo4j.data.RowFileFormat with
            org.dpo4j.parquet.ParquetFormat;
}
