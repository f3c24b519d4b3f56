package org.dpo4j.parquet;

import java.io.IOException;
import java.nio.file.Path;
import org.dpo4j.data.RowFileFormat;

/** Files of Apache Parquet that begin with {@code PAR1}; those with an encrypted index begin with {@code PARE}. */
public final class ParquetFormat implements RowFileFormat {

    /** Constructor for {@link java.util.ServiceLoader}. */
    public ParquetFormat() {}

    @Override
    public boolean matches(byte[] head) {
        return head.length >= 4
                && head[0] == 'P'
                && head[1] == 'A'
                && head[2] == 'R'
                && (head[3] == '1' || head[3] == 'E');
    }

    @Override
    public Reader open(Path file) throws IOException {
        return ParquetRows.open(file);
    }
}
