package org.dpo4j.train;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.data.Prompt;
import org.dpo4j.data.store.IndexedRows;
import org.dpo4j.kernels.Device;
import org.dpo4j.model.CompletionLoss;
import org.dpo4j.model.CompletionSums;
import org.dpo4j.model.EmbeddingNoise;
import org.dpo4j.model.LogProbs;
import org.dpo4j.model.Model;
import org.dpo4j.model.PassMemory;
import org.dpo4j.model.ScoringModel;
import org.dpo4j.model.TrainingModel;
import org.dpo4j.report.RunListener;
import org.jspecify.annotations.Nullable;

/**
 * Base of the objectives. A step packs its micro-batches and runs them forward and backward; an evaluation runs its
 * batches forward. Memory is planned for the maximum over the batches. A subclass packs rows and defines the loss of a
 * batch.
 */
abstract class RowObjective<T> implements Objective {

    /** More tokens per pass would take more memory for activations, and products of more rows are not faster. */
    private static final int CPU_PASS_TOKENS = 768;

    /** Receives the log-probs of each batch of an evaluation. */
    interface BatchReader {
        void read(int[] batch, LogProbs logProbs);
    }

    final List<T> rows;
    final EvalRows<T> evalRows;
    final int trainBatch;
    final int evalBatch;
    final TrainingModel training;
    final ScoringModel evaluation;
    final RowHashes hashes;
    private RunListener listener = metrics -> {};
    private final int logitsRows;
    private @Nullable RowSizes sizes;

    RowObjective(
            List<T> rows, List<T> evalRows, TrainOptions options, TrainingModel training, ScoringModel evaluation) {
        this.rows = rows;
        this.evalRows = EvalRows.find(evalRows);
        this.trainBatch = options.step().perDeviceTrainBatchSize;
        this.evalBatch = options.step().perDeviceEvalBatchSize;
        this.training = training;
        this.evaluation = evaluation;
        this.hashes = hashes(rows);
        this.logitsRows = training.logitsRows();
    }

    /** The options of {@link #training}. */
    static TrainingModel.Options trainingOptions(
            CompletionSums sums, long logitsBytes, TrainOptions options, Device device) {
        return new TrainingModel.Options(
                sums,
                logitsBytes,
                options.step().hasGraphs(device),
                options.noise(),
                options.step().gradientCheckpointing);
    }

    abstract PackedBatch pack(List<T> batch);

    /** The sizes of a row that its memory depends on, from the outline of the row. */
    abstract Passes.BatchSize size(List<T> from, int row);

    /** Tokens of a row, counted as TRL counts {@code num_tokens}. */
    abstract long tokens(List<T> from, int row);

    /** Number of a row in the files of the data set. */
    abstract int number(T row);

    @Override
    public final String place(int row) {
        return IndexedRows.place(rows, row, number(rows.get(row)));
    }

    /** Token ids of a row: of its prompt, then of each completion. */
    abstract List<int[]> ids(T row);

    /** What the loss reads of a row beside its tokens, such as a label, for {@link #dataHash}. */
    int[] annotations(T row) {
        return new int[0];
    }

    /** {@link CompletionLoss#group} of the loss. */
    abstract int group();

    /** Whether the rows of a micro-batch may be in different passes: the loss of a row must not depend on another row. */
    boolean isSplittable() {
        return group() != CompletionLoss.WHOLE_BATCH;
    }

    /** On cpu, passes of at most {@value #CPU_PASS_TOKENS} tokens, or one row. On other devices one pass. */
    @Override
    public final Stream<int[]> passesOf(int[] microBatch) {
        if (!model().device().name().equals("cpu") || !isSplittable()) {
            return Stream.of(microBatch);
        }
        return EpochBatches.byTokens(microBatch, rowTokens(), microBatch.length, CPU_PASS_TOKENS, 1)
                .all();
    }

    /** Prepares a step over these rows: uploads their weights in the mean. {@code number} is that of the step. */
    abstract void beginStep(int[] step, int number);

    /** The loss of a micro-batch of the step. */
    abstract CompletionLoss loss(int[] microBatch);

    @Override
    public final int rows() {
        return rows.size();
    }

    @Override
    public final Passes passes(Steps steps, PassMemory reference, StepOptions options) {
        return new Passes(
                memory(
                        batch -> training.memory(batch, group(), options.gradientCheckpointing),
                        rows,
                        options.perDeviceTrainBatchSize,
                        steps.microBatches().flatMap(this::passesOf)),
                reference,
                scoringMemory(steps, options));
    }

    /**
     * A chunk is whole groups, so the rows of logits are rounded up to a multiple of the largest group. With fewer rows than that group
     * has, a step needs a fourth product. With 1.9 times as many, a chunk is one group, and uses little more than half of its memory. On
     * cpu the rows stay as they are, and so does the peak of memory.
     */
    @Override
    public final boolean growLogits() {
        Passes.BatchSize bound = sizes().bound(trainBatch);
        long largest = group() == CompletionLoss.WHOLE_BATCH ? bound.tokens() : bound.group();
        if (largest == 0 || model().adapter() != null || model().device().name().equals("cpu")) {
            return false;
        }
        long grown = (logitsRows + largest - 1) / largest * largest;
        if (grown == logitsRows || bound.tokens() <= logitsRows) {
            return false;
        }
        training.setLogitsRows((int) Math.min(grown, Integer.MAX_VALUE));
        return true;
    }

    @Override
    public final void shrinkLogits() {
        training.setLogitsRows(logitsRows);
    }

    /** Device memory of the passes of {@link #evaluation}. */
    PassMemory scoringMemory(Steps steps, StepOptions options) {
        int batch = options.perDeviceEvalBatchSize;
        return memory(evaluation::memory, evalRows, batch, evalBatches(batch));
    }

    /** The batches of all evaluation sets. */
    final Stream<int[]> evalBatches(int batch) {
        return evalRows.sets().stream().flatMap(set -> Passes.inOrder(set.rows(), batch));
    }

    /** Maximum device memory of passes over these batches, each of at most {@code batch} of the rows {@code from}. */
    final PassMemory memory(Function<PackedBatch, PassMemory> measure, List<T> from, int batch, Stream<int[]> batches) {
        RowSizes sizes = from == rows ? sizes() : measure(from);
        return Passes.maxMemory(measure, batches, sizes::sum, chosen -> pack(select(from, chosen)), sizes.bound(batch));
    }

    private RowSizes measure(List<T> from) {
        return RowSizes.measure(from.size(), row -> size(from, row), row -> tokens(from, row));
    }

    /** The sizes of the training rows. */
    final RowSizes sizes() {
        RowSizes measured = sizes;
        if (measured == null) {
            measured = measure(rows);
            sizes = measured;
        }
        return measured;
    }

    @Override
    public final int[] rowTokens() {
        return sizes().decoderRows();
    }

    /** Completion tokens of each training row. */
    final int[] completionTokens() {
        return sizes().completionTokens();
    }

    @Override
    public final Model model() {
        return training.model();
    }

    @Override
    public void checkSteps(Steps steps) {}

    @Override
    public boolean hasReference() {
        return false;
    }

    @Override
    public List<ReferenceRows<?>> referenceRows(Steps steps, int shortLength) {
        return List.of();
    }

    @Override
    public CompletionSums referenceSums() {
        return CompletionSums.PLAIN;
    }

    /** The rows that every evaluation reads: all of them. */
    final int[] everyEvalRow() {
        return IntStream.range(0, evalRows.size()).toArray();
    }

    /** Hashes of rows that are packed alone. */
    final RowHashes hashes(List<T> from) {
        return new RowHashes(from.size(), row -> pack(List.of(from.get(row))));
    }

    @Override
    public void begin(Reference reference, RunListener listener) {
        this.listener = listener;
    }

    @Override
    public final long tokens(int[] batch) {
        return IntStream.of(batch).mapToLong(row -> tokens(rows, row)).sum();
    }

    @Override
    public final void accumulate(List<int[]> microBatches, int step) {
        beginStep(microBatches.stream().flatMapToInt(IntStream::of).toArray(), step);
        for (int[] batch : (Iterable<int[]>) microBatches.stream().flatMap(this::passesOf)::iterator) {
            PackedBatch packed = pack(select(rows, batch));
            training.accumulate(packed, loss(batch), new EmbeddingNoise.Key(step, sequences(packed, batch)));
        }
    }

    /** Numbers of the completions of a batch, which do not depend on the other rows of the batch. */
    private static int[] sequences(PackedBatch packed, int[] batch) {
        int perRow = packed.completions() / batch.length;
        int[] numbers = new int[packed.completions()];
        Arrays.setAll(numbers, completion -> batch[completion / perRow] * perRow + completion % perRow);
        return numbers;
    }

    @Override
    public final String dataHash() {
        DataHash hash = new DataHash();
        for (int row = 0; row < rows.size(); row++) {
            hash.add(hashes.apply(row), annotations(rows.get(row)));
        }
        return hash.hex();
    }

    @Override
    public final TrainingOverlap trainingOverlap() {
        return TrainingOverlap.find(rows, evalRows, row -> size(rows, row), row -> size(evalRows, row), this::ids);
    }

    @Override
    public final List<Prompt> evaluationPrompts(int max) {
        Map<List<Integer>, Prompt> prompts = new LinkedHashMap<>();
        int end = evalRows.sets().isEmpty() ? 0 : evalRows.sets().get(0).end();
        for (int i = 0; i < end && prompts.size() < max; i++) {
            T row = evalRows.get(i);
            int[] prompt = ids(row).get(0);
            prompts.putIfAbsent(IntStream.of(prompt).boxed().toList(), new Prompt(number(row), prompt));
        }
        return List.copyOf(prompts.values());
    }

    /** Queues work that must precede the forward pass of a batch of evaluation rows. */
    void prepareEvaluation(int[] batch) {}

    @Override
    public final List<EvalSet> evaluationSets() {
        return evalRows.sets();
    }

    /** Runs a forward pass over each batch of a set of evaluation rows. */
    final void forEachEvaluationBatch(EvalSet set, BatchReader reader) {
        Passes.inOrder(set.rows(), evalBatch).forEach(batch -> {
            Cancellation.check(listener);
            prepareEvaluation(batch);
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
