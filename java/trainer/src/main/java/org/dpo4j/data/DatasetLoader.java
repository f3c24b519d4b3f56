package org.dpo4j.data;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.function.Consumer;
import org.dpo4j.data.row.RowFormat.Kind;
import org.dpo4j.data.source.RowPlaces;
import org.dpo4j.data.source.RowSource;
import org.dpo4j.data.source.SourceFile;
import org.dpo4j.data.store.StoreDirectory;
import org.dpo4j.data.store.StoreWriter;
import org.dpo4j.data.store.StoredRows;
import org.dpo4j.io.FileErrors;
import org.jspecify.annotations.Nullable;

/** Takes the rows of a file from the store of an earlier run, or converts them and stores them. */
final class DatasetLoader {
    /** The rows of a file and their report. */
    record Loaded<T>(StoredRows<T> rows, DatasetReport report) {}

    /** What a store records beside its rows. */
    private record Notes(String kind, DatasetReport report) {
        private static final JsonMapper JSON = new JsonMapper();

        static Notes read(String text) throws IOException {
            JsonNode notes = JSON.readTree(text);
            return new Notes(notes.path("kind").asText(), JSON.treeToValue(notes.path("report"), DatasetReport.class));
        }

        @Override
        public String toString() {
            return JSON.createObjectNode()
                    .put("kind", kind)
                    .set("report", JSON.valueToTree(report))
                    .toString();
        }
    }

    private final RowSource source;
    private final ReadOptions options;
    private final DatasetCache cache;
    private final ReadListener listener;
    private final StoreDirectory directory;

    DatasetLoader(RowSource source, ReadOptions options, DatasetCache cache, ReadListener listener) {
        this.source = source;
        this.options = options;
        this.cache = cache;
        this.listener = listener;
        this.directory = new StoreDirectory(cache.directory());
    }

    /** Loads rows of one kind. */
    <T> Loaded<T> load(RowKind<T> kind) {
        String name = name(kind.codec().kind());
        Notes notes = notes(name);
        Loaded<T> stored = notes == null || !hasRejected(name, notes) ? null : stored(kind, name, notes);
        if (stored != null) {
            return stored;
        }
        RejectedRows rejected = options.rejected();
        long rejectedBefore = rejected == null ? 0 : rejected.position();
        try (DatasetReader<T> reader = reader(kind, Set.of(kind.kind()))) {
            long began = System.nanoTime();
            DatasetReader.read(source, List.of(reader), listener);
            if (rejected != null && name != null) {
                directory.writeRejected(name, channel -> rejected.copy(rejectedBefore, channel));
            }
            return finish(kind, reader, name, began);
        }
    }

    /** Loads the one of two kinds of rows that the file has, and calls its consumer. */
    <A, B> void load(
            RowKind<A> first,
            RowKind<B> second,
            Consumer<Loaded<A>> firstConsumer,
            Consumer<Loaded<B>> secondConsumer) {
        String name = name(first.codec().kind() + " or " + second.codec().kind());
        Notes notes = notes(name);
        if (notes != null) {
            boolean hasFirst = notes.kind.equals(first.codec().kind());
            Loaded<A> storedFirst = hasFirst ? stored(first, name, notes) : null;
            Loaded<B> storedSecond = hasFirst ? null : stored(second, name, notes);
            if (storedFirst != null) {
                firstConsumer.accept(storedFirst);
                return;
            }
            if (storedSecond != null) {
                secondConsumer.accept(storedSecond);
                return;
            }
        }
        Set<Kind> named = Set.of(first.kind(), second.kind());
        try (DatasetReader<A> ofFirst = reader(first, named);
                DatasetReader<B> ofSecond = reader(second, named)) {
            long began = System.nanoTime();
            DatasetReader.read(source, List.of(ofFirst, ofSecond), listener);
            if (ofFirst.isLikelierThan(ofSecond)) {
                firstConsumer.accept(finish(first, ofFirst, name, began));
            } else {
                secondConsumer.accept(finish(second, ofSecond, name, began));
            }
        }
    }

    private <T> DatasetReader<T> reader(RowKind<T> kind, Set<Kind> named) {
        return new DatasetReader<>(
                options, kind.converter().apply(options, named), new StoreWriter<>(kind.codec(), directory));
    }

    /** The name of the store; null if the rows are not kept. A pipe has no state that another run could compare. */
    private @Nullable String name(String kinds) {
        String identity = source.identity();
        long bytes = source.files().stream().mapToLong(SourceFile::bytes).sum();
        if (identity == null || !cache.isKept(bytes)) {
            return null;
        }
        return DatasetKey.find(identity, options.toString(), kinds);
    }

    private @Nullable Notes notes(@Nullable String name) {
        if (name == null) {
            return null;
        }
        try {
            String notes = directory.notes(name);
            return notes == null ? null : Notes.read(notes);
        } catch (IOException e) {
            replace(e);
            return null;
        }
    }

    /** Lists the rows that were left out when the store was written, if they are wanted. Returns false if they are lost. */
    private boolean hasRejected(@Nullable String name, Notes notes) {
        RejectedRows rejected = options.rejected();
        return name == null
                || rejected == null
                || notes.report.skipped().isEmpty()
                || rejected.append(directory.rejected(name));
    }

    private void replace(IOException e) {
        String reason = e instanceof JsonProcessingException ? "its report is another version's" : FileErrors.reason(e);
        listener.notice("the stored rows of " + source.name() + " in " + directory + " cannot be used (" + reason
                + "); the rows are converted again");
    }

    private <T> @Nullable Loaded<T> stored(RowKind<T> kind, @Nullable String name, Notes notes) {
        if (name == null) {
            return null;
        }
        try {
            StoredRows<T> rows = directory.open(name, kind.codec());
            listener.stored(size(rows) + " from " + directory
                    + ", written by an earlier run; dataset_cache false converts the rows again");
            return new Loaded<>(rows.withPlaces(new RowPlaces(source)), notes.report);
        } catch (IOException e) {
            replace(e);
            return null;
        }
    }

    private <T> Loaded<T> finish(RowKind<T> kind, DatasetReader<T> reader, @Nullable String name, long began) {
        DatasetReport report = reader.report(source);
        StoredRows<T> rows = reader.rows().finish(name, new Notes(kind.codec().kind(), report).toString());
        if (rows.isMapped()) {
            listener.stored(String.format(
                    Locale.ROOT,
                    "%s, converted at %,.0f rows per second; %s",
                    size(rows),
                    rows.size() / (1e-9 * (System.nanoTime() - began)),
                    name == null ? "in a file that ends with the run" : "kept in " + directory + " for later runs"));
        }
        return new Loaded<>(rows.withPlaces(new RowPlaces(source)), report);
    }

    private static String size(StoredRows<?> rows) {
        return String.format(Locale.ROOT, "%,d rows in %,.1f MB", rows.size(), 1e-6 * rows.bytes());
    }
}
