package org.dpo4j.train;

import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.ScoringModel;
import org.dpo4j.report.RunListener;
import org.dpo4j.train.reference.LogProbTable;

/** Forward passes of a reference model over rows whose log-probs are not known yet. */
final class ReferencePass {
    static final String PHASE = "reference log-probs";

    /**
     * The log-probs of some rows, as far as they are known.
     *
     * @param sums those of row 0, then of row 1, ...; NaN if they are not known
     * @param missing the rows that are to be computed
     */
    record Part(ReferenceRows<?> rows, float[] sums, int[] missing) {

        /** Sums of rows of which none is known yet. */
        static Part unknown(ReferenceRows<?> rows) {
            float[] sums = new float[rows.sums() * rows.count()];
            Arrays.fill(sums, Float.NaN);
            return new Part(rows, sums, rows.read());
        }

        /** Looks up the sums of the rows in a table. Reads the tokens of the rows, to hash them, only if the table has rows. */
        static Part known(ReferenceRows<?> rows, LogProbTable table) {
            float[] given = rows.given();
            if (given != null) {
                return new Part(rows, given, new int[0]);
            }
            Part part = unknown(rows);
            return table.rows() == 0 ? part : new Part(rows, part.sums, part.missingIn(table));
        }

        private int[] missingIn(LogProbTable table) {
            return IntStream.of(missing).filter(row -> !isFound(row, table)).toArray();
        }

        private boolean isFound(int row, LogProbTable table) {
            float[] found = table.find(rows.hash(row), rows.sums());
            if (found == null) {
                return false;
            }
            System.arraycopy(found, 0, sums, found.length * row, found.length);
            return true;
        }

        /** Adds the sums that were missing and are finite now. */
        void addComputed(LogProbTable table) {
            for (int row : missing) {
                float[] computed = sums(row);
                if (isFinite(computed)) {
                    table.add(rows.hash(row), computed);
                }
            }
        }

        private static boolean isFinite(float[] values) {
            for (float value : values) {
                if (!Float.isFinite(value)) {
                    return false;
                }
            }
            return true;
        }

        float[] sums(int row) {
            return Arrays.copyOfRange(sums, rows.sums() * row, rows.sums() * (row + 1));
        }
    }

    private final ScoringModel model;
    private final RunListener listener;
    private final long total;
    private long done;

    private ReferencePass(ScoringModel model, RunListener listener, long total) {
        this.model = model;
        this.listener = listener;
        this.total = total;
    }

    /**
     * Fills the missing sums. Throws, naming the row, if one is not finite.
     *
     * @param batch rows per forward pass, if all are as long as the longest ones
     */
    static void compute(ScoringModel model, List<Part> parts, int batch, RunListener listener) {
        long total = parts.stream().mapToLong(part -> part.missing.length).sum();
        if (total > 0) {
            ReferencePass pass = new ReferencePass(model, listener, total);
            listener.progress(PHASE, 0, total);
            parts.forEach(part -> pass.compute(part, batch));
        }
    }

    private void compute(Part part, int batch) {
        int each = part.rows.sums();
        List<int[]> batches = part.rows.batches(part.missing, batch);
        int longest = batches.stream().mapToInt(rows -> rows.length).max().orElse(0);
        HostBuffer host = new HostBuffer(model.model().device(), Math.multiplyExact(each * Float.BYTES, longest));
        for (int[] rows : batches) {
            Cancellation.check(listener);
            float[] downloaded =
                    host.downloadFloats(model.forward(part.rows.pack(rows)).sums(), each * rows.length);
            for (int i = 0; i < rows.length; i++) {
                System.arraycopy(downloaded, each * i, part.sums, each * rows[i], each);
            }
            done += rows.length;
            listener.progress(PHASE, done, total);
        }
        check(part);
    }

    private void check(Part part) {
        for (int row : part.missing) {
            float[] sums = part.sums(row);
            for (int i = 0; i < sums.length; i++) {
                if (!Float.isFinite(sums[i])) {
                    throw new Dpo4jException(part.rows.place(row) + ": the reference log-prob of the "
                            + part.rows.completions().get(i) + " is " + sums[i] + "; "
                            + model.model().explainNotFinite());
                }
            }
        }
    }
}
