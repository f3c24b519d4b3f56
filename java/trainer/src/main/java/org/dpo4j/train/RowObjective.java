package org.dpo4j.train;

import java.util.List;
import java.util.function.Function;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.model.CompletionLoss;
import org.dpo4j.model.LogProbs;
import org.dpo4j.model.PassMemory;
import org.dpo4j.model.ScoringModel;
import org.dpo4j.model.TrainingModel;
import org.dpo4j.report.RunListener;

/**
 * What objectives over rows of any kind have in common. A step packs its micro-batches and runs them forward and backward;
 * an evaluation runs its batches forward; the memory of both is that of the largest batches. A subclass says how rows are
 * packed and what the loss of a batch is.
 */
abstract class RowObjective<T> implements Objective {

    /** What an evaluation does with the log-probs of a batch. */
    interface BatchReader {
        void read(int[] batch, LogProbs logProbs);
    }

    final List<T> rows;
    final List<T> evalRows;
    final int evalBatch;
    final TrainingModel training;
    final ScoringModel evaluation;
    private RunListener listener = metrics -> {};

    RowObjective(
            List<T> rows, List<T> evalRows, TrainOptions options, TrainingModel training, ScoringModel evaluation) {
        this.rows = rows;
        this.evalRows = evalRows;
        this.evalBatch = options.step().perDeviceEvalBatchSize;
        this.training = training;
        this.evaluation = evaluation;
    }

    abstract PackedBatch pack(List<T> batch);

    /** What decides the memory that a row takes. */
    abstract Passes.BatchSize size(T row);

    /** Tokens that the model reads in a row, counted as TRL counts {@code num_tokens}. */
    abstract long tokens(T row);

    /** {@link CompletionLoss#group} of the loss. */
    abstract int group();

    /** Prepares a step over these rows: what each counts for in the mean. */
    abstract void beginStep(int[] step);

    /** The loss of a micro-batch of the step. */
    abstract CompletionLoss loss(int[] microBatch);

    /** Memory of the passes that compute the reference. */
    PassMemory referenceMemory(Steps steps) {
        return PassMemory.NONE;
    }

    @Override
    public final int rows() {
        return rows.size();
    }

    @Override
    public final Passes passes(Steps steps) {
        return new Passes(
                memory(batch -> training.memory(batch, group()), rows, steps.microBatches()),
                referenceMemory(steps),
                memory(evaluation::memory, evalRows, Passes.inOrder(evalRows.size(), evalBatch)));
    }

    /** Memory of passes over batches of these rows. */
    final PassMemory memory(Function<PackedBatch, PassMemory> measure, List<T> from, Stream<int[]> batches) {
        return Passes.maxMemory(measure, batches, batch -> size(from, batch), batch -> pack(select(from, batch)));
    }

    private Passes.BatchSize size(List<T> from, int[] batch) {
        return IntStream.of(batch)
                .mapToObj(row -> size(from.get(row)))
                .reduce(Passes.BatchSize.NONE, Passes.BatchSize::plus);
    }

    /** Completion tokens of each training row. */
    final int[] completionTokens() {
        return rows.stream()
                .mapToInt(row -> Math.toIntExact(size(row).tokens()))
                .toArray();
    }

    @Override
    public Reference reference(Steps steps, RunListener listener) {
        return Reference.NONE;
    }

    @Override
    public void begin(Reference reference, RunListener listener) {
        this.listener = listener;
    }

    @Override
    public final long tokens(int[] batch) {
        return IntStream.of(batch).mapToLong(row -> tokens(rows.get(row))).sum();
    }

    @Override
    public final void accumulate(List<int[]> microBatches) {
        beginStep(microBatches.stream().flatMapToInt(IntStream::of).toArray());
        for (int[] batch : microBatches) {
            Cancellation.check(listener);
            training.accumulate(pack(select(rows, batch)), loss(batch));
        }
    }

    /** Runs the evaluation rows forward, batch by batch. */
    final void forEachEvaluationBatch(BatchReader reader) {
        Passes.inOrder(evalRows.size(), evalBatch).forEach(batch -> {
            Cancellation.check(listener);
            reader.read(batch, evaluation.forward(pack(select(evalRows, batch))));
        });
    }

    final List<T> select(List<T> from, int[] batch) {
        return IntStream.of(batch).mapToObj(from::get).toList();
    }

    @Override
    public void close() {
        training.close();
        evaluation.close();
    }
}
