package org.dpo4j.data;

import java.nio.file.Path;
import java.util.zip.CRC32;
import org.dpo4j.data.source.RowSources;

/** Converts pairs of ids in a JVM of its own, keeps them, and prints their number and a checksum of all ids. */
final class StoreProcess {
    private StoreProcess() {}

    public static void main(String[] arguments) {
        ReadOptions options = LetterTokenizer.options(null, OnBadRow.STOP);
        DatasetCache cache = new DatasetCache(Path.of(arguments[1]), true);
        Dataset<PreferencePair> pairs =
                Dataset.pairs(RowSources.named(Path.of(arguments[0])), options, cache, ReadListener.NONE);
        System.out.println(describe(pairs));
    }

    static String describe(Dataset<PreferencePair> pairs) {
        CRC32 checksum = new CRC32();
        for (PreferencePair pair : pairs.rows()) {
            checksum.update(pair.row());
            for (int[] ids : new int[][] {pair.prompt(), pair.chosen(), pair.rejected()}) {
                for (int id : ids) {
                    checksum.update(id);
                }
            }
        }
        return pairs.rows().size() + " rows, checksum " + checksum.getValue();
    }
}
