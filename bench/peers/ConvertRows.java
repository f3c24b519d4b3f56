import java.nio.file.Path;
import org.dpo4j.data.Dataset;
import org.dpo4j.data.DatasetCache;
import org.dpo4j.data.OnBadRow;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.data.ReadListener;
import org.dpo4j.data.ReadOptions;
import org.dpo4j.data.Tokenizer;
import org.dpo4j.data.Truncation;
import org.dpo4j.data.TruncationMode;
import org.dpo4j.data.source.RowSources;

/** Converts pairs of text to token ids, for tokenize_rows.py: {@code ConvertRows ROWS MODEL VOCABULARY MAX_LENGTH STORES}. */
final class ConvertRows {
    public static void main(String[] arguments) {
        int vocabulary = Integer.parseInt(arguments[2]);
        Truncation truncation =
                new Truncation(TruncationMode.KEEP_START, Integer.valueOf(arguments[3]), null, null, null);
        DatasetCache cache = new DatasetCache(Path.of(arguments[4]), false);
        long began = System.nanoTime();
        try (Tokenizer tokenizer = Tokenizer.load(Path.of(arguments[1]), vocabulary)) {
            long loaded = System.nanoTime();
            ReadOptions options = new ReadOptions(tokenizer, vocabulary, truncation, OnBadRow.SKIP);
            Dataset<PreferencePair> pairs =
                    Dataset.pairs(RowSources.named(Path.of(arguments[0])), options, cache, ReadListener.NONE);
            long ended = System.nanoTime();
            System.out.printf(
                    "{\"rows\": %d, \"load_seconds\": %.3f, \"seconds\": %.3f}%n",
                    pairs.rows().size(), 1e-9 * (loaded - began), 1e-9 * (ended - loaded));
        }
    }
}
