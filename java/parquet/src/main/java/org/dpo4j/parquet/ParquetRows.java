package org.dpo4j.parquet;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.hardwood.metadata.ColumnChunk;
import dev.hardwood.metadata.CompressionCodec;
import dev.hardwood.metadata.FileMetaData;
import dev.hardwood.metadata.RowGroup;
import dev.hardwood.reader.ParquetFileReader;
import dev.hardwood.reader.RowReader;
import dev.hardwood.schema.SchemaNode;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.dpo4j.data.RowFileFormat;
import org.jspecify.annotations.Nullable;

/** The rows of a Parquet file, row group after row group. */
final class ParquetRows implements RowFileFormat.Reader {
    private static final Set<CompressionCodec> CODECS = EnumSet.of(
            CompressionCodec.UNCOMPRESSED, CompressionCodec.SNAPPY, CompressionCodec.GZIP, CompressionCodec.ZSTD);

    /** Kept, so that its level stays: hardwood says at its start how it decompresses. */
    private static final Logger LOG = Logger.getLogger("dev.hardwood");

    static {
        LOG.setLevel(Level.WARNING);
    }

    /** A call of the Parquet library. A damaged file makes the library throw exceptions of many types. */
    private interface Call<T> {
        T run() throws IOException;
    }

    private final ParquetFileReader file;
    private final List<SchemaNode> columns;
    /** Null if the file has no rows, because hardwood throws when it opens a row group without rows. */
    private final @Nullable RowReader rows;

    private long read;

    private ParquetRows(ParquetFileReader file) {
        this.file = file;
        this.columns = file.getFileSchema().getRootNode().children();
        this.rows = file.getFileMetaData().numRows() == 0 ? null : file.rowReader();
    }

    static ParquetRows open(Path path) throws IOException {
        refuseEncrypted(path);
        ParquetFileReader file = guarded(() -> ParquetFileReader.open(new ReadFile(path)));
        try {
            return guarded(() -> {
                checkCodecs(file.getFileMetaData().rowGroups());
                checkRanges(file.getFileMetaData(), Files.size(path));
                return new ParquetRows(file);
            });
        } catch (IOException e) {
            guarded(() -> {
                file.close();
                return path;
            });
            throw e;
        }
    }

    private static void refuseEncrypted(Path path) throws IOException {
        try (InputStream in = Files.newInputStream(path)) {
            byte[] head = in.readNBytes(4);
            if (head.length == 4 && head[3] == 'E') {
                throw new IOException("its index is encrypted, so write it again without encryption");
            }
        }
    }

    private static void checkCodecs(List<RowGroup> groups) {
        for (RowGroup group : groups) {
            for (ColumnChunk column : group.columns()) {
                CompressionCodec codec = column.metaData().codec();
                if (!CODECS.contains(codec)) {
                    throw UnreadableColumn.compressed(
                            column.metaData().pathInSchema().toString(), codec.toString());
                }
            }
        }
    }

    /** Throws if the index places a column outside of the file: hardwood would look for its end without end. */
    private static void checkRanges(FileMetaData index, long fileBytes) throws IOException {
        long rows = 0;
        for (RowGroup group : index.rowGroups()) {
            rows += group.numRows();
            boolean isInside = group.numRows() >= 0;
            for (ColumnChunk column : group.columns()) {
                long begin = column.chunkStartOffset();
                long bytes = column.metaData().totalCompressedSize();
                long page = column.metaData().dataPageOffset();
                long values = column.metaData().numValues();
                boolean isPlaced = begin >= 4 && bytes >= 0 && begin <= fileBytes - bytes;
                isInside &= values == 0 || values > 0 && isPlaced && page >= begin && page <= begin + bytes;
            }
            if (!isInside) {
                throw new IOException("the index places a column outside of the file");
            }
        }
        if (rows != index.numRows()) {
            throw new IOException("the index counts " + index.numRows() + " rows, and its row groups " + rows);
        }
    }

    private static <T> T guarded(Call<T> call) throws IOException {
        try {
            return call.run();
        } catch (RuntimeException e) {
            throw new IOException(reason(e), e);
        } catch (OutOfMemoryError | StackOverflowError e) { // of a damaged size or depth
            throw new IOException("its data are damaged, or a row group is larger than Java's memory", e);
        } catch (IOException e) {
            throw new IOException(reason(e), e);
        }
    }

    private static String reason(Exception e) {
        return e instanceof UnreadableColumn ? String.valueOf(e.getMessage()) : "its data are damaged";
    }

    @Override
    public @Nullable ObjectNode next() throws IOException {
        RowReader reader = rows;
        return reader != null && guarded(reader::hasNext) ? guarded(() -> row(reader)) : null;
    }

    private ObjectNode row(RowReader reader) {
        reader.next();
        read++;
        ObjectNode row = JsonNodeFactory.instance.objectNode();
        for (SchemaNode column : columns) {
            row.set(column.name(), ParquetValue.json(reader.getValue(column.name()), column, column.name()));
        }
        return row;
    }

    @Override
    public double share() {
        long all = file.getFileMetaData().numRows();
        return all == 0 ? 1 : Math.min(1, (double) read / all);
    }

    @Override
    public void close() throws IOException {
        guarded(() -> {
            if (rows != null) {
                rows.close();
            }
            file.close();
            return true;
        });
    }
}
