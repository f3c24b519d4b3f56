package org.dpo4j.train;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.IntStream;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.DeviceBuffer;
import org.dpo4j.kernels.LossType;
import org.dpo4j.kernels.PreferenceLoss;
import org.dpo4j.kernels.PreferenceLoss.PairLogProbs;
import org.dpo4j.kernels.PreferenceLoss.PairResults;
import org.dpo4j.kernels.PreferenceLoss.Scale;
import org.dpo4j.kernels.PreferenceOptions;
import org.dpo4j.model.CompletionLoss;
import org.dpo4j.model.CompletionSums;
import org.dpo4j.model.LogProbs;
import org.dpo4j.model.Model;
import org.dpo4j.model.PassMemory;
import org.dpo4j.model.ScoringModel;
import org.dpo4j.model.TrainingModel;
import org.dpo4j.report.RunListener;
import org.jspecify.annotations.Nullable;

/**
 * Preference losses of a policy against the log-probs it had when the run began; their terms are pairs. A micro-batch
 * is one packed forward and backward pass, with one launch for loss, gradient and metrics of each part that the head
 * takes. Metrics add up on the device until they are asked for.
 */
final class PreferenceObjective extends RowObjective<PreferencePair> {
    private static final long METRICS_BYTES = (long) Double.BYTES * PreferenceLoss.METRICS;
    private static final long MEAN_BYTES = 2L * Double.BYTES;

    private final DpoOptions options;
    private final boolean sharePrefix;
    /** Which loss looks at all pairs of a micro-batch at once; null where each pair's is its own. */
    private final @Nullable String wholeBatch;

    private final Device device;
    private final DeviceBuffer scale;
    private final DeviceBuffer references;
    private final DeviceBuffer losses;
    private final DeviceBuffer dSums;
    private final DeviceBuffer metrics;
    private final DeviceBuffer evalMetrics;
    private final DeviceBuffer runningMean;
    private final DeviceBuffer evalRunningMean;
    private final DeviceBuffer workspace;
    private final HostBuffer host;
    private final PairLoss trainingLoss;
    private final PairLoss evaluationLoss;
    private Reference reference = Reference.NONE;

    PreferenceObjective(Model model, List<PreferencePair> pairs, List<PreferencePair> evalPairs, DpoOptions options) {
        this(model, pairs, evalPairs, options, TrainingModel.Options.DEFAULT_LOGITS_BYTES);
    }

    /** Without evaluation, and with prompts as they are asked for. */
    static PreferenceObjective ofPairs(
            Model model, List<PreferencePair> pairs, DpoOptions options, boolean sharePrefix) {
        return new PreferenceObjective(
                model, pairs, List.of(), options, TrainingModel.Options.DEFAULT_LOGITS_BYTES, sharePrefix);
    }

    PreferenceObjective(
            Model model,
            List<PreferencePair> pairs,
            List<PreferencePair> evalPairs,
            DpoOptions options,
            long logitsBytes) {
        this(model, pairs, evalPairs, options, logitsBytes, true);
    }

    private PreferenceObjective(
            Model model,
            List<PreferencePair> pairs,
            List<PreferencePair> evalPairs,
            DpoOptions options,
            long logitsBytes,
            boolean sharePrefix) {
        super(
                pairs,
                evalPairs,
                options.train(),
                new TrainingModel(
                        model,
                        new TrainingModel.Options(
                                policySums(options),
                                logitsBytes,
                                options.train().step().graphsOn(model.device()))),
                new ScoringModel(model, policySums(options)));
        this.options = options;
        this.sharePrefix = sharePrefix;
        this.wholeBatch = wholeBatch(options);
        this.device = model.device();
        int largest = Math.max(
                options.train().step().perDeviceTrainBatchSize, options.train().step().perDeviceEvalBatchSize);
        scale = device.allocate(2L * Float.BYTES);
        references = device.allocate(2L * Float.BYTES * largest);
        losses = device.allocate((long) Float.BYTES * largest);
        dSums = device.allocate(2L * Float.BYTES * largest);
        metrics = device.allocate(METRICS_BYTES);
        evalMetrics = device.allocate(METRICS_BYTES);
        runningMean = device.allocate(MEAN_BYTES);
        evalRunningMean = device.allocate(MEAN_BYTES);
        workspace = device.allocate(PreferenceLoss.workspaceBytes(largest, options.preference()));
        host = new HostBuffer(device, (int) Math.max(METRICS_BYTES, 2L * Float.BYTES * largest));
        trainingLoss = new PairLoss(metrics, runningMean);
        evaluationLoss = new PairLoss(evalMetrics, evalRunningMean);
    }

    /** With the statistics that metrics and WPO read. */
    private static CompletionSums policySums(DpoOptions options) {
        return new CompletionSums((float) options.ldAlpha(), true);
    }

    private ScoringModel reference() {
        return new ScoringModel(training.model(), new CompletionSums((float) options.ldAlpha(), false));
    }

    @Override
    PackedBatch pack(List<PreferencePair> batch) {
        return PackedBatch.pairs(batch, sharePrefix);
    }

    @Override
    Passes.BatchSize size(PreferencePair pair) {
        int prompt = pair.prompt().length;
        int tokens = pair.chosen().length + pair.rejected().length;
        int longest = prompt + Math.max(pair.chosen().length, pair.rejected().length);
        return new Passes.BatchSize((sharePrefix ? 1 : 2) * prompt + tokens, tokens, tokens, longest, 1);
    }

    /** As two sequences, the prompt in both. */
    @Override
    long tokens(PreferencePair pair) {
        return 2L * pair.prompt().length + pair.chosen().length + pair.rejected().length;
    }

    @Override
    int group() {
        return trainingLoss.group();
    }

    @Override
    public String unit() {
        return "pairs";
    }

    @Override
    public Map<String, String> facts() {
        long twice = rows.stream().mapToLong(this::tokens).sum();
        long shared = rows.stream().mapToLong(pair -> pair.prompt().length).sum();
        Map<String, String> facts = new LinkedHashMap<>();
        facts.put("loss", LossDescription.of(options));
        facts.put(
                "tokens",
                String.format(
                        Locale.ROOT,
                        "%,d per epoch; shared prompts save %,d (%.0f%%)",
                        twice,
                        shared,
                        100.0 * shared / twice));
        facts.put("head", headProducts());
        return facts;
    }

    private String headProducts() {
        int max = training.logitsRows();
        return wholeBatch == null
                ? HeadProducts.ofGroups(max, completionTokens(), unit())
                : HeadProducts.ofBatches(
                        max, completionTokens(), options.train().step().perDeviceTrainBatchSize, wholeBatch);
    }

    @Override
    public long bytes() {
        return buffers().stream().mapToLong(DeviceBuffer::bytes).sum();
    }

    @Override
    PassMemory referenceMemory(Steps steps) {
        if (!options.hasReference()) {
            return PassMemory.NONE;
        }
        try (ScoringModel frozen = reference()) {
            return memory(frozen::memory, rows, Passes.inOrder(steps.rowsRead(), evalBatch))
                    .max(memory(frozen::memory, evalRows, Passes.inOrder(evalRows.size(), evalBatch)));
        }
    }

    private List<DeviceBuffer> buffers() {
        return List.of(scale, references, losses, dSums, metrics, evalMetrics, runningMean, evalRunningMean, workspace);
    }

    @Override
    public Reference reference(Steps steps, RunListener listener) {
        if (!options.hasReference()) {
            return Reference.NONE;
        }
        int[] everyRow = IntStream.range(0, evalRows.size()).toArray();
        try (ScoringModel frozen = reference()) {
            return new Reference(
                    logProbs(frozen, rows, steps.rowsRead(), listener), logProbs(frozen, evalRows, everyRow, listener));
        }
    }

    private ReferenceLogProbs logProbs(
            ScoringModel frozen, List<PreferencePair> from, int[] read, RunListener listener) {
        return ReferenceLogProbs.compute(frozen, from, read, evalBatch, sharePrefix, listener);
    }

    @Override
    public void begin(Reference reference, RunListener listener) {
        super.begin(reference, listener);
        this.reference = reference;
        device.fill(metrics.address(), 0, METRICS_BYTES);
        device.fill(runningMean.address(), 0, MEAN_BYTES);
    }

    @Override
    void beginStep(int[] step) {
        uploadScale(rows, step);
    }

    @Override
    CompletionLoss loss(int[] microBatch) {
        trainingLoss.take(reference.training(), microBatch);
        return trainingLoss;
    }

    @Override
    public Map<String, Double> metrics() {
        return take(metrics);
    }

    @Override
    public Map<String, Double> evaluate() {
        device.fill(evalMetrics.address(), 0, METRICS_BYTES);
        uploadScale(evalRows, IntStream.range(0, evalRows.size()).toArray());
        forEachEvaluationBatch((batch, logProbs) -> {
            // Evaluation leaves the running mean of training as it is.
            device.copy(evalRunningMean.address(), runningMean.address(), MEAN_BYTES);
            evaluationLoss.take(reference.evaluation(), batch);
            evaluationLoss.upload(0, 2 * batch.length);
            evaluationLoss.dSums(logProbs, 2 * batch.length);
        });
        return take(evalMetrics);
    }

    @Override
    public void close() {
        super.close();
        buffers().forEach(DeviceBuffer::close);
    }

    /** What a pair, and a chosen token, is of all these rows. */
    private void uploadScale(List<PreferencePair> from, int[] numbers) {
        long chosen = IntStream.of(numbers)
                .mapToLong(row -> from.get(row).chosen().length)
                .sum();
        float token = options.preference().hasTokenMean() ? 1f / chosen : 0;
        host.uploadFloats(scale.address(), new float[] {1f / numbers.length, token});
    }

    /** The loss of one micro-batch after the other; its metrics are added to {@code metrics}. */
    private final class PairLoss implements CompletionLoss {
        private final DeviceBuffer metrics;
        private final DeviceBuffer mean;
        private float[] sums = {};

        PairLoss(DeviceBuffer metrics, DeviceBuffer mean) {
            this.metrics = metrics;
            this.mean = mean;
        }

        /** The micro-batch that comes next. */
        void take(ReferenceLogProbs from, int[] batch) {
            if (options.hasReference()) {
                sums = from.of(batch);
            }
        }

        @Override
        public void upload(int first, int count) {
            if (options.hasReference()) {
                host.uploadFloats(references.address(), Arrays.copyOfRange(sums, first, first + count));
            }
        }

        @Override
        public int group() {
            return wholeBatch == null ? 2 : WHOLE_BATCH;
        }

        @Override
        public long dSums(LogProbs of, int count) {
            PreferenceLoss.compute(
                    device,
                    new PairResults(
                            losses.address(),
                            dSums.address(),
                            metrics.address(),
                            options.bcoRunningMean() ? mean.address() : 0),
                    new PairLogProbs(
                            of.sums(),
                            options.hasReference() ? references.address() : 0,
                            of.lengths(),
                            of.statistics()),
                    count / 2,
                    workspace.bytes() == 0 ? 0 : workspace.address(),
                    Scale.at(scale.address()),
                    options.preference());
            return dSums.address();
        }
    }

    /** Means under TRL's names; the sums begin again at 0. */
    private Map<String, Double> take(DeviceBuffer from) {
        double[] sums = host.downloadDoubles(from.address(), PreferenceLoss.METRICS);
        device.fill(from.address(), 0, METRICS_BYTES);
        return PreferenceMeans.of(sums, options.hasRewards());
    }

    private static @Nullable String wholeBatch(DpoOptions options) {
        if (options.bcoRunningMean()) {
            return "the running mean of " + LossType.BCO_PAIR.option();
        }
        return options.preference().terms().stream()
                .map(PreferenceOptions.Term::loss)
                .filter(loss -> loss.reduction() == LossType.Reduction.BATCH)
                .map(LossType::option)
                .findFirst()
                .orElse(null);
    }
}
