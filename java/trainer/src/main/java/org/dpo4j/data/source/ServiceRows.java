package org.dpo4j.data.source;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;
import java.util.function.IntFunction;
import org.dpo4j.data.RowFileFormat;
import org.dpo4j.io.FileErrors;
import org.dpo4j.io.FileFormat;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/** Rows of a file whose format another artifact reads: {@link RowFileFormat}. */
final class ServiceRows implements Rows {
    /** The first version of Java that dpo4j-parquet runs on. */
    private static final int PARQUET_JAVA = 21;

    private final String name;
    private final RowFileFormat.Reader reader;
    private int number;

    private ServiceRows(String name, RowFileFormat.Reader reader) {
        this.name = name;
        this.reader = reader;
    }

    /** Opens a Parquet file. Throws if no artifact reads it. */
    static Rows open(Path file, String name, byte[] head) {
        RowFileFormat format = find(head);
        if (format == null) {
            throw new Dpo4jException(absent(file, name, Runtime.version().feature()));
        }
        if (!Files.isRegularFile(file)) {
            throw new Dpo4jException(name + " is a pipe with a Parquet file, whose index is at its end; name the file");
        }
        try {
            return new ServiceRows(name, format.open(file));
        } catch (IOException e) {
            throw new Dpo4jException(
                    name + " cannot be read as Parquet (" + FileErrors.reason(e) + "); is the file complete?", e);
        }
    }

    private static @Nullable RowFileFormat find(byte[] head) {
        Iterator<RowFileFormat> formats =
                ServiceLoader.load(RowFileFormat.class).iterator();
        while (true) {
            try {
                if (!formats.hasNext()) {
                    return null;
                }
                RowFileFormat format = formats.next();
                if (format.matches(head)) {
                    return format;
                }
            } catch (ServiceConfigurationError | LinkageError e) {
                if (Runtime.version().feature() >= PARQUET_JAVA) {
                    throw e;
                }
                // its classes are of a newer version of Java than this one; the caller says so
            }
        }
    }

    /** The error for a Parquet file that no artifact reads, on this version of Java. */
    static String absent(Path file, String name, int java) {
        String what = java < PARQUET_JAVA
                ? " is a Parquet file, which dpo4j reads on Java " + PARQUET_JAVA + " or newer, and this is Java "
                        + java + "; set JAVA_HOME to a newer one"
                : " is a Parquet file, which the artifact org.dpo4j:dpo4j-parquet reads; add it to the class path";
        return name + what + ", or " + FileFormat.PARQUET.remedy().formatted(file) + " or with duckdb -c \"COPY (FROM '"
                + file + "') TO 'rows.jsonl' (FORMAT json)\"";
    }

    @Override
    public @Nullable Row next() {
        try {
            number++;
            ObjectNode values = reader.next();
            return values == null ? null : new Row(number, values);
        } catch (IOException e) {
            throw new Dpo4jException(
                    place(number) + " cannot be read (" + FileErrors.reason(e) + "); is the file complete?", e);
        }
    }

    @Override
    public int number() {
        return number;
    }

    @Override
    public double share() {
        return reader.share();
    }

    @Override
    public IntFunction<String> places() {
        String file = name;
        return row -> file + " row " + row;
    }

    @Override
    public void close() {
        try {
            reader.close();
        } catch (IOException e) {
            throw new Dpo4jException(name + " cannot be closed: " + FileErrors.reason(e), e);
        }
    }
}
