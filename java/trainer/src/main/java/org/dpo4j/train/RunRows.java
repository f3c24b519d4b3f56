package org.dpo4j.train;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.dpo4j.data.Dataset;
import org.dpo4j.data.DatasetCache;
import org.dpo4j.data.ReadListener;
import org.dpo4j.data.ReadOptions;
import org.dpo4j.data.source.RowSource;
import org.dpo4j.report.Diagnosis;
import org.dpo4j.report.RunListener;

/**
 * The rows of a run.
 *
 * @param training rows to train on, at least one
 * @param evaluation sets of rows to evaluate; empty if the run does not evaluate
 */
record RunRows<T>(List<T> training, EvalRows<T> evaluation) {

    /** Reads the rows of a source, such as {@link Dataset#pairs}. */
    interface Reader<T> {
        Dataset<T> read(RowSource source, ReadOptions options, DatasetCache cache, ReadListener listener);
    }

    /**
     * Reads the rows that the options name. If training and an evaluation set use the same source, it is read once, because
     * it may be a pipe.
     *
     * @param unit plural name of a row, such as pairs
     * @param facts facts of the run header, to which the numbers of rows used, cut and left out are added
     */
    static <T> RunRows<T> read(
            TrainOptions options,
            ReadOptions read,
            String unit,
            Reader<T> reader,
            RunListener listener,
            Map<String, String> facts) {
        RowSource source = options.rows();
        source.notes().forEach(note -> facts.merge("dataset", note, (a, b) -> a + "; " + b));
        DatasetCache cache = options.data().cache();
        Dataset<T> training = reader.read(source, read, cache, new ReadingReport(unit, listener, facts));
        report(training, unit, "", listener, facts);
        Map<String, List<T>> sets = new LinkedHashMap<>();
        options.evalRows(source).forEach((name, evalSource) -> {
            String prefix = name.isEmpty() ? "eval " : "eval " + name + " ";
            Dataset<T> evaluation = evalSource.equals(source)
                    ? training
                    : reader.read(evalSource, read, cache, new ReadingReport(prefix + unit, listener, facts));
            report(evaluation, prefix + unit, prefix, listener, facts);
            sets.put(name, evaluation.rows());
        });
        return new RunRows<>(training.rows(), EvalRows.named(sets));
    }

    /** Adds the numbers of rows to the header's facts. Warns if many rows are cut. */
    private static void report(
            Dataset<?> read, String unit, String prefix, RunListener listener, Map<String, String> facts) {
        facts.putAll(read.report().facts(unit, prefix));
        read.report().warning(unit).ifPresent(text -> listener.diagnosis(new Diagnosis("truncation", 0, text)));
    }
}
