package org.dpo4j.train;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.stream.IntStream;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.data.UnpairedCompletion;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.DeviceBuffer;
import org.dpo4j.kernels.PreferenceLoss;
import org.dpo4j.kernels.UnpairedLoss;
import org.dpo4j.kernels.UnpairedLoss.Baseline;
import org.dpo4j.kernels.UnpairedLoss.Scale;
import org.dpo4j.kernels.UnpairedLoss.UnpairedLogProbs;
import org.dpo4j.kernels.UnpairedLoss.UnpairedResults;
import org.dpo4j.kernels.decoder.CountStep;
import org.dpo4j.model.CompletionLoss;
import org.dpo4j.model.CompletionSums;
import org.dpo4j.model.LogProbs;
import org.dpo4j.model.Model;
import org.dpo4j.model.PassMemory;
import org.dpo4j.model.ScoringModel;
import org.dpo4j.model.TrainingModel;
import org.dpo4j.report.RunListener;
import org.dpo4j.train.checkpoint.SavedState;
import org.jspecify.annotations.Nullable;

/**
 * The mean of the losses of single completions. For kto, a forward
 * pass without gradient over the {@link MismatchedRows} of a micro-batch comes first: from its log-probs the loss kernel
 * computes the KL baseline of the micro-batch.
 */
final class UnpairedObjective extends RowObjective<UnpairedCompletion> {
    private static final long METRICS_BYTES = (long) Double.BYTES * PreferenceLoss.METRICS;
    private static final CompletionSums SUMS = new CompletionSums(1, true);

    /** Numbers of the data sets in {@link #referenceRows}. The last two are read for a baseline. */
    private static final int TRAINING = 0;

    private static final int EVALUATION = 1;
    private static final int OTHERS = 2;
    private static final int EVALUATION_OTHERS = 3;

    private final KtoOptions options;
    private final MismatchedRows others;
    private final List<UnpairedCompletion> evalOthers;
    private final Device device;
    private final DeviceBuffer scale;
    private final DeviceBuffer references;
    private final DeviceBuffer labels;
    private final DeviceBuffer otherSums;
    private final DeviceBuffer otherReferences;
    private final DeviceBuffer losses;
    private final DeviceBuffer dSums;
    private final StepSums metrics;
    private final DeviceBuffer evalMetrics;
    private final HostBuffer host;
    /**
     * The losses of micro-batches, by number of rows. That number is an argument of the kernel, so a CUDA graph must not
     * be replayed for another one; the loss is part of a graph's key.
     */
    private final Map<Integer, BatchLoss> trainingLosses = new HashMap<>();

    private Reference.Sums own;
    private Reference.Sums evalOwn;
    private Reference.Sums ofOthers;
    private Reference.Sums evalOfOthers;

    UnpairedObjective(
            Model model, List<UnpairedCompletion> rows, List<UnpairedCompletion> evalRows, KtoOptions options) {
        this(model, rows, evalRows, options, TrainingModel.Options.DEFAULT_LOGITS_BYTES);
    }

    UnpairedObjective(
            Model model,
            List<UnpairedCompletion> rows,
            List<UnpairedCompletion> evalRows,
            KtoOptions options,
            long logitsBytes) {
        super(
                rows,
                evalRows,
                options.train(),
                new TrainingModel(model, trainingOptions(SUMS, logitsBytes, options.train(), model.device())),
                new ScoringModel(model, SUMS));
        this.options = options;
        int maxLength = options.train().maxLengthFor(model.architecture());
        this.others = new MismatchedRows(rows, trainBatch, maxLength);
        this.evalOthers = this.evalRows.derived(set -> new MismatchedRows(set, trainBatch, maxLength));
        this.device = model.device();
        int maxBatch = Math.max(trainBatch, evalBatch);
        long words = (long) Float.BYTES * maxBatch;
        scale = device.allocate(Float.BYTES);
        references = device.allocate(words);
        labels = device.allocate(words);
        otherSums = device.allocate(words);
        otherReferences = device.allocate(words);
        losses = device.allocate(words);
        dSums = device.allocate(words);
        metrics = new StepSums(device, PreferenceLoss.METRICS);
        evalMetrics = device.allocate(METRICS_BYTES);
        host = new HostBuffer(device, (int) Math.max(METRICS_BYTES, words));
        begin(Reference.NONE);
    }

    @Override
    PackedBatch pack(List<UnpairedCompletion> batch) {
        return PackedBatch.unpaired(batch);
    }

    @Override
    Passes.BatchSize size(List<UnpairedCompletion> from, int row) {
        UnpairedCompletion.Outline outline = UnpairedCompletion.outline(from, row);
        int tokens = outline.completion();
        return new Passes.BatchSize(outline.length(), tokens, tokens, outline.length(), 1);
    }

    @Override
    int number(UnpairedCompletion row) {
        return row.row();
    }

    @Override
    List<int[]> ids(UnpairedCompletion row) {
        return List.of(row.prompt(), row.completion());
    }

    @Override
    int[] annotations(UnpairedCompletion row) {
        return IntStream.concat(IntStream.of(row.isDesirable() ? 1 : 0), IntStream.of(row.rest()))
                .toArray();
    }

    @Override
    long tokens(List<UnpairedCompletion> from, int row) {
        return UnpairedCompletion.outline(from, row).length();
    }

    /** The baseline is known before the first chunk, so a loss depends on one completion only. */
    @Override
    int group() {
        return 1;
    }

    /** Each pass has its own KL baseline, so more passes would change the loss. */
    @Override
    boolean isSplittable() {
        return false;
    }

    @Override
    public String unit() {
        return "completions";
    }

    @Override
    public Map<String, String> facts() {
        UnpairedLoss.Options loss = options.loss();
        LabelBalance balance = LabelBalance.of(rows);
        Map<String, String> facts = new LinkedHashMap<>();
        facts.put(
                "loss",
                loss.type().option() + " (of sums), beta " + loss.beta() + ", desirable_weight "
                        + loss.desirableWeight() + ", undesirable_weight " + loss.undesirableWeight());
        facts.put(
                "labels",
                String.format(
                        Locale.ROOT, "%,d desirable, %,d undesirable", balance.desirable(), balance.undesirable()));
        facts.put(
                "tokens",
                String.format(
                        Locale.ROOT,
                        "%,d per epoch, %,d of them in completions",
                        sizes().totalTokens(),
                        IntStream.of(completionTokens()).asLongStream().sum()));
        if (options.hasBaseline()) {
            facts.put(
                    "kl",
                    "from each prompt with the completion of another of its " + trainBatch
                            + " rows, in file order; one more forward pass per step");
        }
        facts.put(
                "head",
                HeadProducts.on(
                        training.headPath(),
                        training.model().adapter() != null
                                ? HeadProducts.FROZEN
                                : HeadProducts.ofGroups(training.logitsRows(), completionTokens(), unit())));
        return facts;
    }

    @Override
    public long bytes() {
        return metrics.bytes()
                + buffers().stream().mapToLong(DeviceBuffer::bytes).sum();
    }

    private List<DeviceBuffer> buffers() {
        return List.of(scale, references, labels, otherSums, otherReferences, losses, dSums, evalMetrics);
    }

    /** Evaluation and the passes for the baseline share a {@link ScoringModel}. */
    @Override
    PassMemory scoringMemory(Steps steps, StepOptions step) {
        PassMemory own = super.scoringMemory(steps, step);
        if (!options.hasBaseline()) {
            return own;
        }
        int evaluated = step.perDeviceEvalBatchSize;
        return own.max(memory(evaluation::memory, others, step.perDeviceTrainBatchSize, steps.microBatches()))
                .max(memory(evaluation::memory, evalOthers, evaluated, evalBatches(evaluated)));
    }

    /** The baseline of the KL divergence needs the completion of another row. */
    @Override
    public int minTrainBatch() {
        return options.hasBaseline() ? 2 : 1;
    }

    @Override
    public boolean hasReference() {
        return true;
    }

    @Override
    public List<ReferenceRows<?>> referenceRows(Steps steps, int shortLength) {
        int[] read = steps.rowsRead();
        List<ReferenceRows<?>> sets = new ArrayList<>();
        sets.add(referenceRows(rows, hashes, read, true, "completion"));
        sets.add(referenceRows(evalRows, hashes(evalRows), everyEvalRow(), false, "completion"));
        if (options.hasBaseline()) {
            String what = "completion of another row";
            sets.add(referenceRows(others, hashes(others), read, true, what));
            sets.add(referenceRows(evalOthers, hashes(evalOthers), everyEvalRow(), false, what));
        }
        return sets;
    }

    private ReferenceRows<UnpairedCompletion> referenceRows(
            List<UnpairedCompletion> from, RowHashes hashes, int[] read, boolean isTrained, String what) {
        return new ReferenceRows<>(
                new ReferenceRows.Source<>(from, this::pack, row -> size(from, row), hashes, UnpairedCompletion::row),
                read,
                isTrained,
                List.of(what),
                null);
    }

    @Override
    public void begin(Reference reference, RunListener listener) {
        super.begin(reference, listener);
        begin(reference);
        metrics.clear(0, PreferenceLoss.METRICS);
        @Nullable String advice = LabelBalance.of(rows).advice(options.loss());
        if (advice != null) {
            listener.notice(advice);
        }
    }

    private void begin(Reference reference) {
        own = reference.sums(TRAINING, host);
        evalOwn = reference.sums(EVALUATION, host);
        Reference ofBaseline = options.hasBaseline() ? reference : Reference.NONE;
        ofOthers = ofBaseline.sums(OTHERS, host);
        evalOfOthers = ofBaseline.sums(EVALUATION_OTHERS, host);
    }

    @Override
    void beginStep(int[] step, int number) {
        uploadScale(step.length);
    }

    private void uploadScale(int completions) {
        host.uploadFloats(scale.address(), new float[] {1f / completions});
    }

    @Override
    CompletionLoss loss(int[] microBatch) {
        scoreOthers(others, ofOthers, microBatch);
        BatchLoss loss =
                trainingLosses.computeIfAbsent(microBatch.length, rows -> new BatchLoss(rows, metrics.address(0)));
        loss.setBatch(rows, own, microBatch);
        return loss;
    }

    /** Queues the log-probs from which the loss kernel computes the baseline of a batch. */
    private void scoreOthers(List<UnpairedCompletion> from, Reference.Sums reference, int[] batch) {
        if (options.hasBaseline()) {
            LogProbs logProbs = evaluation.forward(pack(select(from, batch)));
            device.copy(otherSums.address(), logProbs.sums(), (long) Float.BYTES * batch.length);
            reference.prepare(batch);
            reference.copyTo(otherReferences.address(), 0, batch.length);
        }
    }

    @Override
    public CountStep.Sums sums() {
        return metrics.sums();
    }

    @Override
    public void state(SavedState saved) {
        metrics.state(saved, "metrics");
    }

    @Override
    public OptionalDouble beta() {
        return OptionalDouble.of(options.loss().beta());
    }

    @Override
    public Set<String> metricNames() {
        return UnpairedMeans.names(options.hasBaseline());
    }

    @Override
    public Map<String, Double> metrics() {
        Map<String, Double> means = readMeans(metrics.address(0));
        metrics.clear(0, PreferenceLoss.METRICS);
        return means;
    }

    @Override
    void prepareEvaluation(int[] batch) {
        scoreOthers(evalOthers, evalOfOthers, batch);
    }

    @Override
    public Map<String, Double> evaluate(EvalSet set) {
        device.fill(evalMetrics.address(), 0, METRICS_BYTES);
        uploadScale(set.size());
        forEachEvaluationBatch(set, (batch, logProbs) -> {
            BatchLoss loss = new BatchLoss(batch.length, evalMetrics.address());
            loss.setBatch(evalRows, evalOwn, batch);
            loss.upload(0, batch.length);
            loss.dSums(logProbs, batch.length);
        });
        return readMeans(evalMetrics.address());
    }

    /** Reads means under TRL's names. */
    private Map<String, Double> readMeans(long from) {
        return UnpairedMeans.of(host.downloadDoubles(from, PreferenceLoss.METRICS), options.hasBaseline());
    }

    @Override
    public void close() {
        super.close();
        metrics.close();
        buffers().forEach(DeviceBuffer::close);
    }

    /** The loss of a micro-batch. Adds its metrics to those at the address {@code metrics}. */
    private final class BatchLoss implements CompletionLoss {
        private final Baseline baseline;
        private final long metrics;
        private Reference.Sums reference = own;
        private int[] desirable = {};

        BatchLoss(int count, long metrics) {
            this.baseline = options.hasBaseline()
                    ? new Baseline(otherSums.address(), otherReferences.address(), count)
                    : Baseline.NONE;
            this.metrics = metrics;
        }

        /** Sets the rows of the next micro-batch. */
        void setBatch(List<UnpairedCompletion> from, Reference.Sums sums, int[] batch) {
            reference = sums;
            reference.prepare(batch);
            desirable = IntStream.of(batch)
                    .map(row -> from.get(row).isDesirable() ? 1 : 0)
                    .toArray();
        }

        @Override
        public void upload(int first, int count) {
            reference.copyTo(references.address(), first, count);
            host.uploadInts(labels.address(), Arrays.copyOfRange(desirable, first, first + count));
        }

        @Override
        public int group() {
            return UnpairedObjective.this.group();
        }

        @Override
        public long dSums(LogProbs logProbs, int count) {
            UnpairedLoss.compute(
                    device,
                    new UnpairedResults(losses.address(), dSums.address(), metrics),
                    new UnpairedLogProbs(
                            logProbs.sums(),
                            references.address(),
                            labels.address(),
                            logProbs.lengths(),
                            logProbs.statistics(),
                            count),
                    baseline,
                    Scale.at(scale.address()),
                    options.loss());
            return dSums.address();
        }
    }
}
