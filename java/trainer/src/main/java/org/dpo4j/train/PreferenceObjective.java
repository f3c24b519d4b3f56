package org.dpo4j.train;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.stream.IntStream;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.data.PairLayout;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.DeviceBuffer;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.PreferenceLoss;
import org.dpo4j.kernels.PreferenceLoss.PairLogProbs;
import org.dpo4j.kernels.PreferenceLoss.PairResults;
import org.dpo4j.kernels.PreferenceLoss.Scale;
import org.dpo4j.kernels.decoder.CountStep;
import org.dpo4j.model.CompletionLoss;
import org.dpo4j.model.CompletionSums;
import org.dpo4j.model.LogProbs;
import org.dpo4j.model.Model;
import org.dpo4j.model.ScoringModel;
import org.dpo4j.model.TrainingModel;
import org.dpo4j.report.RunListener;
import org.dpo4j.train.checkpoint.SavedState;
import org.jspecify.annotations.Nullable;

/**
 * The mean of preference losses over pairs. A micro-batch is one
 * packed forward and backward pass. For each of its loss chunks, one launch computes loss, gradient and metrics.
 * Metrics are summed on the device until they are read.
 */
final class PreferenceObjective extends RowObjective<PreferencePair> {
    /** Numbers of the data sets in {@link #referenceRows}. */
    private static final int TRAINING = 0;

    private static final int EVALUATION = 1;
    private static final long METRICS_BYTES = (long) Double.BYTES * PreferenceLoss.METRICS;
    /** The running mean is behind the metrics. */
    private static final int MEAN = PreferenceLoss.METRICS;

    private static final int MEAN_COUNT = 2;

    private final DpoOptions options;
    private final PairLayout layout;
    private final PairWeights pairWeights;
    private final boolean hasWeights;
    /** The loss that depends on all pairs of a micro-batch together; null if each loss depends on one pair only. */
    private final @Nullable String wholeBatch;

    private final Device device;
    private final DeviceBuffer scale;
    private final DeviceBuffer references;
    private final DeviceBuffer weights;
    private final DeviceBuffer losses;
    private final DeviceBuffer dSums;
    private final StepSums sums;
    private final DeviceBuffer evalMetrics;
    private final DeviceBuffer evalRunningMean;
    private final DeviceBuffer workspace;
    private final HostBuffer host;
    private final PairLoss trainingLoss;
    private final PairLoss evaluationLoss;

    PreferenceObjective(Model model, List<PreferencePair> pairs, List<PreferencePair> evalPairs, DpoOptions options) {
        this(model, pairs, evalPairs, options, TrainingModel.Options.DEFAULT_LOGITS_BYTES);
    }

    /**
     * An objective without evaluation. {@code isPrefixShared}: whether a prompt is computed once for both completions.
     */
    static PreferenceObjective ofPairs(
            Model model, List<PreferencePair> pairs, DpoOptions options, boolean isPrefixShared) {
        return new PreferenceObjective(
                model, pairs, List.of(), options, TrainingModel.Options.DEFAULT_LOGITS_BYTES, isPrefixShared);
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
            boolean isPrefixShared) {
        super(
                pairs,
                evalPairs,
                options.train(),
                new TrainingModel(
                        model, trainingOptions(policySums(options), logitsBytes, options.train(), model.device())),
                new ScoringModel(model, policySums(options)));
        this.options = options;
        this.layout = new PairLayout(isPrefixShared, model.architecture().shortLength());
        this.wholeBatch = options.wholeBatchLoss();
        this.pairWeights = PairWeights.read(pairs);
        PairWeights evalWeights = PairWeights.read(evalPairs);
        pairWeights.checkLosses(options);
        evalWeights.checkLosses(options);
        this.hasWeights = pairWeights.differ() || evalWeights.differ();
        this.device = model.device();
        int maxBatch = Math.max(trainBatch, evalBatch);
        scale = device.allocate(2L * Float.BYTES);
        references = device.allocate(2L * Float.BYTES * maxBatch);
        weights = device.allocate(hasWeights ? (long) Float.BYTES * maxBatch : 0);
        losses = device.allocate((long) Float.BYTES * maxBatch);
        dSums = device.allocate(2L * Float.BYTES * maxBatch);
        sums = new StepSums(device, MEAN + MEAN_COUNT);
        evalMetrics = device.allocate(METRICS_BYTES);
        evalRunningMean = device.allocate((long) Double.BYTES * MEAN_COUNT);
        workspace = device.allocate(PreferenceLoss.workspaceBytes(maxBatch, options.preference()));
        host = new HostBuffer(device, (int) Math.max(METRICS_BYTES, 2L * Float.BYTES * maxBatch));
        trainingLoss = new PairLoss(sums.address(0), sums.address(MEAN));
        evaluationLoss = new PairLoss(evalMetrics.address(), evalRunningMean.address());
    }

    /** Sums for the policy, with the statistics that metrics and WPO read. */
    private static CompletionSums policySums(DpoOptions options) {
        return new CompletionSums((float) options.ldAlpha(), true);
    }

    @Override
    PackedBatch pack(List<PreferencePair> batch) {
        return PackedBatch.pairs(batch, layout);
    }

    @Override
    Passes.BatchSize size(List<PreferencePair> from, int row) {
        return ReferenceLogProbs.size(PreferencePair.outline(from, row), layout);
    }

    @Override
    public double[] completionMeans() {
        double[] means = new double[2];
        for (int row = 0; row < rows.size(); row++) {
            PreferencePair.Outline pair = PreferencePair.outline(rows, row);
            means[0] += (double) pair.chosen() / rows.size();
            means[1] += (double) pair.rejected() / rows.size();
        }
        return means;
    }

    /** Counts the prompt twice, as part of both sequences. */
    @Override
    long tokens(List<PreferencePair> from, int row) {
        return PreferencePair.outline(from, row).tokens();
    }

    @Override
    int number(PreferencePair row) {
        return row.row();
    }

    @Override
    List<int[]> ids(PreferencePair pair) {
        return List.of(pair.prompt(), pair.chosen(), pair.rejectedPrompt(), pair.rejected());
    }

    @Override
    int[] annotations(PreferencePair pair) {
        return PairWeights.annotations(pair);
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
        long twice = sizes().totalTokens();
        long shared = twice - IntStream.of(rowTokens()).asLongStream().sum();
        Map<String, String> facts = new LinkedHashMap<>();
        facts.put("loss", LossDescription.of(options));
        if (pairWeights.differ()) {
            facts.put("weights", pairWeights + "; the loss is their weighted mean, rewards are not weighted");
        }
        facts.put(
                "tokens",
                String.format(
                        Locale.ROOT,
                        "%,d per epoch; shared prompts save %,d (%.0f%%)",
                        twice,
                        shared,
                        100.0 * shared / twice));
        facts.put("head", HeadProducts.on(training.headPath(), headProducts()));
        return facts;
    }

    private String headProducts() {
        if (training.model().adapter() != null) {
            return HeadProducts.FROZEN;
        }
        int max = training.logitsRows();
        return wholeBatch == null
                ? HeadProducts.ofGroups(max, completionTokens(), unit())
                : HeadProducts.ofBatches(max, completionTokens(), trainBatch, wholeBatch);
    }

    @Override
    public long bytes() {
        return sums.bytes() + buffers().stream().mapToLong(DeviceBuffer::bytes).sum();
    }

    private List<DeviceBuffer> buffers() {
        return List.of(scale, references, weights, losses, dSums, evalMetrics, evalRunningMean, workspace);
    }

    @Override
    public void checkSteps(Steps steps) {
        pairWeights.checkSteps(rows, steps);
    }

    @Override
    public boolean hasReference() {
        return options.hasReference();
    }

    @Override
    public CompletionSums referenceSums() {
        return new CompletionSums((float) options.ldAlpha(), false);
    }

    @Override
    public List<ReferenceRows<?>> referenceRows(Steps steps, int shortLength) {
        PairLayout read = new PairLayout(layout.isPrefixShared(), shortLength);
        return List.of(
                referenceRows(ReferenceLogProbs.source(rows, read, hashes), steps.rowsRead(), true),
                referenceRows(ReferenceLogProbs.source(evalRows, read, hashes(evalRows)), everyEvalRow(), false));
    }

    private ReferenceRows<PreferencePair> referenceRows(
            ReferenceRows.Source<PreferencePair> source, int[] read, boolean isTrained) {
        float[] given = ReferenceLogProbs.given(source.rows(), read);
        if (given != null && options.ldAlpha() != 1) {
            throw new Dpo4jException("ld_alpha weights log-probs of single tokens, but the rows have sums of the"
                    + " reference; drop ref_chosen_logps and ref_rejected_logps with column_map");
        }
        return new ReferenceRows<>(source, read, isTrained, ReferenceLogProbs.COMPLETIONS, given);
    }

    @Override
    public void begin(Reference reference, RunListener listener) {
        super.begin(reference, listener);
        trainingLoss.begin(reference.sums(TRAINING, host));
        evaluationLoss.begin(reference.sums(EVALUATION, host));
        sums.clear(0, MEAN + MEAN_COUNT);
    }

    @Override
    void beginStep(int[] step, int number) {
        uploadScale(rows, step);
    }

    @Override
    CompletionLoss loss(int[] microBatch) {
        trainingLoss.setBatch(rows, microBatch);
        return trainingLoss;
    }

    @Override
    public CountStep.Sums sums() {
        return sums.sums();
    }

    @Override
    public void state(SavedState saved) {
        sums.state(saved, "metrics");
    }

    @Override
    public OptionalDouble beta() {
        return options.hasReference() ? OptionalDouble.of(options.preference().beta()) : OptionalDouble.empty();
    }

    @Override
    public Set<String> metricNames() {
        return PreferenceMeans.names(options.hasRewards());
    }

    @Override
    public Map<String, Double> metrics() {
        Map<String, Double> means = readMeans(sums.address(0));
        sums.clear(0, PreferenceLoss.METRICS);
        return means;
    }

    @Override
    public Map<String, Double> evaluate(EvalSet set) {
        device.fill(evalMetrics.address(), 0, METRICS_BYTES);
        uploadScale(evalRows, set.rows());
        forEachEvaluationBatch(set, (batch, logProbs) -> {
            // Evaluation uses the running mean of training but does not change it.
            device.copy(evalRunningMean.address(), sums.address(MEAN), evalRunningMean.bytes());
            evaluationLoss.setBatch(evalRows, batch);
            evaluationLoss.upload(0, 2 * batch.length);
            evaluationLoss.dSums(logProbs, 2 * batch.length);
        });
        return readMeans(evalMetrics.address());
    }

    @Override
    public void close() {
        super.close();
        sums.close();
        buffers().forEach(DeviceBuffer::close);
    }

    /**
     * Uploads the weight of a pair, 1 / pairs, and of a chosen token, 1 / chosen tokens, in the mean over these rows. A
     * pair and its tokens count as often as the pair's own weight says.
     */
    private void uploadScale(List<PreferencePair> from, int[] numbers) {
        float pairs = hasWeights ? (float) PairWeights.sum(from, numbers) : numbers.length;
        float token = options.preference().hasTokenMean() ? 1f / (float) PairWeights.chosenTokens(from, numbers) : 0;
        host.uploadFloats(scale.address(), new float[] {1f / pairs, token});
    }

    /** The loss of the micro-batch that {@link #setBatch} names. Adds its metrics to those at an address. */
    private final class PairLoss implements CompletionLoss {
        private final long metrics;
        private final long mean;
        private Reference.Sums reference = Reference.NONE.sums(0, host);
        private float[] factors = {};

        PairLoss(long metrics, long mean) {
            this.metrics = metrics;
            this.mean = mean;
        }

        void begin(Reference.Sums sums) {
            reference = sums;
        }

        /** Sets the rows of the next micro-batch. */
        void setBatch(List<PreferencePair> from, int[] batch) {
            if (options.hasReference()) {
                reference.prepare(batch);
            }
            if (hasWeights) {
                factors = new float[batch.length];
                for (int i = 0; i < batch.length; i++) {
                    factors[i] = from.get(batch[i]).weight();
                }
            }
        }

        @Override
        public void upload(int first, int count) {
            if (options.hasReference()) {
                reference.copyTo(references.address(), first, count);
            }
            if (hasWeights) {
                host.uploadFloats(weights.address(), Arrays.copyOfRange(factors, first / 2, (first + count) / 2));
            }
        }

        @Override
        public int group() {
            return wholeBatch == null ? 2 : WHOLE_BATCH;
        }

        @Override
        public long dSums(LogProbs logProbs, int count) {
            PreferenceLoss.compute(
                    device,
                    new PairResults(losses.address(), dSums.address(), metrics, options.bcoRunningMean() ? mean : 0),
                    new PairLogProbs(
                            logProbs.sums(),
                            options.hasReference() ? references.address() : 0,
                            logProbs.lengths(),
                            logProbs.statistics(),
                            hasWeights ? weights.address() : 0),
                    count / 2,
                    workspace.bytes() == 0 ? 0 : workspace.address(),
                    Scale.at(scale.address()),
                    options.preference());
            return dSums.address();
        }
    }

    /** Reads means under TRL's names. */
    private Map<String, Double> readMeans(long from) {
        return PreferenceMeans.of(host.downloadDoubles(from, PreferenceLoss.METRICS), options.hasRewards());
    }
}
