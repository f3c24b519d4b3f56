package org.dpo4j.train;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.DeviceBuffer;
import org.dpo4j.kernels.LossType;
import org.dpo4j.kernels.PreferenceLoss;
import org.dpo4j.kernels.PreferenceLoss.Completions;
import org.dpo4j.kernels.PreferenceLoss.Results;
import org.dpo4j.kernels.PreferenceLoss.Scale;
import org.dpo4j.kernels.PreferenceOptions;
import org.dpo4j.model.CompletionLoss;
import org.dpo4j.model.CompletionSums;
import org.dpo4j.model.LanguageModel;
import org.dpo4j.model.LogProbs;
import org.dpo4j.model.Model;
import org.dpo4j.model.PassMemory;
import org.dpo4j.report.RunListener;
import org.jspecify.annotations.Nullable;

/**
 * Preference losses of a policy against the log-probs it had when the run began; their terms are pairs. A micro-batch
 * is one packed forward and backward pass, with one launch for loss, gradient and metrics of each part that the head
 * takes. Metrics add up on the device until they are asked for.
 */
final class PreferenceObjective implements Objective {
    private static final long METRICS_BYTES = (long) Double.BYTES * PreferenceLoss.METRICS;
    private static final long MEAN_BYTES = 2L * Double.BYTES;

    /** Rows and what the frozen model says of them. */
    private record Pairs(List<PreferencePair> rows, ReferenceLogProbs reference) {
        long chosenTokens(IntStream of) {
            return of.mapToLong(row -> rows.get(row).chosen().length).sum();
        }

        Passes.Extent extent(int[] of, boolean sharePrefix) {
            Passes.Extent extent = Passes.Extent.NONE;
            for (int row : of) {
                PreferencePair pair = rows.get(row);
                int prompt = pair.prompt().length;
                int tokens = pair.chosen().length + pair.rejected().length;
                int longest = prompt + Math.max(pair.chosen().length, pair.rejected().length);
                extent = extent.plus(
                        new Passes.Extent((sharePrefix ? 1 : 2) * prompt + tokens, tokens, tokens, longest, 1));
            }
            return extent;
        }

        /** What passes over batches of these pairs take. */
        PassMemory memory(LanguageModel language, int group, Stream<int[]> batches, boolean sharePrefix) {
            return Passes.largest(
                    language, group, batches, of -> extent(of, sharePrefix), of -> batch(of, sharePrefix));
        }

        Stream<int[]> inOrder(int batch) {
            return Passes.inOrder(rows.size(), batch);
        }

        PackedBatch batch(int[] of, boolean sharePrefix) {
            return PackedBatch.pairs(IntStream.of(of).mapToObj(rows::get).toList(), sharePrefix);
        }
    }

    private final DpoOptions options;
    private final boolean sharePrefix;
    /** Which loss looks at all pairs of a micro-batch at once; null where each pair's is its own. */
    private final @Nullable String wholeBatch;

    private final CompletionSums referenceSums;
    private final Device device;
    private final LanguageModel training;
    private final LanguageModel evaluation;
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
    private Pairs pairs;
    private Pairs evalPairs;
    private RunListener listener = metrics -> {};

    PreferenceObjective(Model model, List<PreferencePair> pairs, List<PreferencePair> evalPairs, DpoOptions options) {
        this(model, pairs, evalPairs, options, LanguageModel.TRAINING_LOGITS_BYTES);
    }

    /** Without evaluation, and with prompts as they are asked for. */
    static PreferenceObjective ofPairs(
            Model model, List<PreferencePair> pairs, DpoOptions options, boolean sharePrefix) {
        return new PreferenceObjective(
                model, pairs, List.of(), options, LanguageModel.TRAINING_LOGITS_BYTES, sharePrefix);
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
        this.options = options;
        this.sharePrefix = sharePrefix;
        this.wholeBatch = wholeBatch(options);
        this.device = model.device();
        this.pairs = new Pairs(pairs, ReferenceLogProbs.NONE);
        this.evalPairs = new Pairs(evalPairs, ReferenceLogProbs.NONE);
        referenceSums = new CompletionSums((float) options.ldAlpha(), false);
        CompletionSums sums = new CompletionSums((float) options.ldAlpha(), true);
        training =
                LanguageModel.training(model, sums, logitsBytes, options.train().graphsOn(device));
        evaluation = LanguageModel.evaluation(model, sums);
        int largest = Math.max(
                options.train().perDeviceTrainBatchSize(), options.train().perDeviceEvalBatchSize());
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

    @Override
    public int rows() {
        return pairs.rows().size();
    }

    @Override
    public String unit() {
        return "pairs";
    }

    @Override
    public Map<String, String> facts() {
        long twice =
                pairs.rows().stream().mapToLong(PreferenceObjective::tokens).sum();
        long shared =
                pairs.rows().stream().mapToLong(pair -> pair.prompt().length).sum();
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
        int[] tokens = pairs.rows().stream()
                .mapToInt(pair -> pair.chosen().length + pair.rejected().length)
                .toArray();
        int rows = training.logitsRows();
        return wholeBatch == null
                ? HeadProducts.ofGroups(rows, tokens, unit())
                : HeadProducts.ofBatches(rows, tokens, options.train().perDeviceTrainBatchSize(), wholeBatch);
    }

    @Override
    public long bytes() {
        return buffers().stream().mapToLong(DeviceBuffer::bytes).sum();
    }

    @Override
    public Passes passes(Steps steps) {
        int batch = options.train().perDeviceEvalBatchSize();
        PassMemory frozen = PassMemory.NONE;
        if (options.reference()) {
            try (LanguageModel reference = LanguageModel.evaluation(training.model(), referenceSums)) {
                frozen = pairs.memory(reference, 2, Passes.inOrder(steps.rowsRead(), batch), sharePrefix)
                        .max(evalPairs.memory(reference, 2, evalPairs.inOrder(batch), sharePrefix));
            }
        }
        return new Passes(
                pairs.memory(training, trainingLoss.group(), steps.microBatches(), sharePrefix),
                frozen,
                evalPairs.memory(evaluation, evaluationLoss.group(), evalPairs.inOrder(batch), sharePrefix));
    }

    private List<DeviceBuffer> buffers() {
        return List.of(scale, references, losses, dSums, metrics, evalMetrics, runningMean, evalRunningMean, workspace);
    }

    @Override
    public void begin(Steps steps, RunListener listener) {
        this.listener = listener;
        if (options.reference()) {
            int[] everyRow = IntStream.range(0, evalPairs.rows().size()).toArray();
            try (LanguageModel frozen = LanguageModel.evaluation(training.model(), referenceSums)) {
                pairs = withReference(frozen, pairs.rows(), steps.rowsRead());
                evalPairs = withReference(frozen, evalPairs.rows(), everyRow);
            }
        }
        device.fill(metrics.address(), 0, METRICS_BYTES);
        device.fill(runningMean.address(), 0, MEAN_BYTES);
    }

    private Pairs withReference(LanguageModel frozen, List<PreferencePair> rows, int[] read) {
        int batch = options.train().perDeviceEvalBatchSize();
        return new Pairs(rows, ReferenceLogProbs.compute(frozen, rows, read, batch, sharePrefix, listener));
    }

    @Override
    public long tokens(int[] rows) {
        return IntStream.of(rows)
                .mapToLong(row -> tokens(pairs.rows().get(row)))
                .sum();
    }

    @Override
    public void accumulate(List<int[]> microBatches) {
        uploadScale(pairs, microBatches.stream().flatMapToInt(IntStream::of).toArray());
        for (int[] rows : microBatches) {
            Cancellation.check(listener);
            trainingLoss.take(pairs, rows);
            training.accumulate(pairs.batch(rows, sharePrefix), trainingLoss);
        }
    }

    @Override
    public Map<String, Double> metrics() {
        return take(metrics);
    }

    @Override
    public Map<String, Double> evaluate() {
        device.fill(evalMetrics.address(), 0, METRICS_BYTES);
        int batch = options.train().perDeviceEvalBatchSize();
        int rows = evalPairs.rows().size();
        uploadScale(evalPairs, IntStream.range(0, rows).toArray());
        for (int begin = 0; begin < rows; begin += batch) {
            int[] of = IntStream.range(begin, Math.min(rows, begin + batch)).toArray();
            Cancellation.check(listener);
            // Evaluation leaves the running mean of training as it is.
            device.copy(evalRunningMean.address(), runningMean.address(), MEAN_BYTES);
            LogProbs logProbs = evaluation.forward(evalPairs.batch(of, sharePrefix));
            evaluationLoss.take(evalPairs, of);
            evaluationLoss.upload(0, 2 * of.length);
            evaluationLoss.dSums(logProbs, 2 * of.length);
        }
        return take(evalMetrics);
    }

    @Override
    public void close() {
        List.of(training, evaluation).forEach(LanguageModel::close);
        buffers().forEach(DeviceBuffer::close);
    }

    /** What a pair, and a chosen token, is of all these rows. */
    private void uploadScale(Pairs from, int[] rows) {
        float token = options.has(LossType.SFT) ? 1f / from.chosenTokens(IntStream.of(rows)) : 0;
        host.uploadFloats(scale.address(), new float[] {1f / rows.length, token});
    }

    /** The loss of one micro-batch after the other; its metrics are added to {@code metrics}. */
    private final class PairLoss implements CompletionLoss {
        private final DeviceBuffer metrics;
        private final DeviceBuffer mean;
        private float[] reference = {};

        PairLoss(DeviceBuffer metrics, DeviceBuffer mean) {
            this.metrics = metrics;
            this.mean = mean;
        }

        /** The micro-batch that comes next. */
        void take(Pairs from, int[] rows) {
            if (options.reference()) {
                reference = from.reference().of(rows);
            }
        }

        @Override
        public void upload(int first, int count) {
            if (options.reference()) {
                host.uploadFloats(references.address(), Arrays.copyOfRange(reference, first, first + count));
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
                    new Results(
                            losses.address(),
                            dSums.address(),
                            metrics.address(),
                            options.bcoRunningMean() ? mean.address() : 0),
                    new Completions(
                            of.sums(), options.reference() ? references.address() : 0, of.lengths(), of.statistics()),
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

    /** As two sequences, the prompt in both: what TRL counts. */
    private static long tokens(PreferencePair pair) {
        return 2L * pair.prompt().length + pair.chosen().length + pair.rejected().length;
    }
}
