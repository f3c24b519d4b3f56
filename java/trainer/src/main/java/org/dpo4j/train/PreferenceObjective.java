package org.dpo4j.train;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.IntStream;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.DeviceBuffer;
import org.dpo4j.kernels.PreferenceLoss;
import org.dpo4j.kernels.PreferenceLoss.Completions;
import org.dpo4j.kernels.PreferenceLoss.Metric;
import org.dpo4j.kernels.PreferenceLoss.Results;
import org.dpo4j.kernels.PreferenceLoss.Scale;
import org.dpo4j.kernels.PreferenceOptions;
import org.dpo4j.model.LanguageModel;
import org.dpo4j.model.Model;
import org.dpo4j.report.RunListener;

/**
 * The preference loss of a policy against the log-probs it had when the run began; its terms are pairs. A micro-batch
 * is one packed forward pass, one launch for loss, gradient and metrics, and one backward pass. Metrics add up on the
 * device until they are asked for.
 */
final class PreferenceObjective implements Objective {
    private static final long METRICS_BYTES = (long) Double.BYTES * PreferenceLoss.METRICS;

    /** Rows and what the frozen model says of them. */
    private record Pairs(List<PreferencePair> rows, ReferenceLogProbs reference) {}

    private final DpoOptions options;
    private final Device device;
    private final LanguageModel training;
    private final LanguageModel evaluation;
    private final DeviceBuffer references;
    private final DeviceBuffer losses;
    private final DeviceBuffer dSums;
    private final DeviceBuffer metrics;
    private final DeviceBuffer evalMetrics;
    private final HostBuffer host;
    private Pairs pairs;
    private Pairs evalPairs;

    PreferenceObjective(Model model, List<PreferencePair> pairs, List<PreferencePair> evalPairs, DpoOptions options) {
        this.options = options;
        this.device = model.device();
        this.pairs = new Pairs(pairs, ReferenceLogProbs.NONE);
        this.evalPairs = new Pairs(evalPairs, ReferenceLogProbs.NONE);
        training = LanguageModel.training(model);
        evaluation = LanguageModel.evaluation(model);
        int largest = Math.max(
                options.train().perDeviceTrainBatchSize(), options.train().perDeviceEvalBatchSize());
        references = device.allocate(2L * Float.BYTES * largest);
        losses = device.allocate((long) Float.BYTES * largest);
        dSums = device.allocate(2L * Float.BYTES * largest);
        metrics = device.allocate(METRICS_BYTES);
        evalMetrics = device.allocate(METRICS_BYTES);
        host = new HostBuffer(device, (int) Math.max(METRICS_BYTES, 2L * Float.BYTES * largest));
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
        facts.put(
                "loss",
                options.lossType().option() + ", beta " + options.beta() + ", label_smoothing "
                        + options.labelSmoothing());
        facts.put(
                "tokens",
                String.format(
                        Locale.ROOT,
                        "%,d an epoch; %,d (%.0f%%) saved by sharing prompts",
                        twice,
                        shared,
                        100.0 * shared / twice));
        return facts;
    }

    @Override
    public void begin(RunListener listener) {
        int batch = options.train().perDeviceEvalBatchSize();
        pairs = new Pairs(pairs.rows(), ReferenceLogProbs.compute(evaluation, pairs.rows(), batch, listener));
        evalPairs =
                new Pairs(evalPairs.rows(), ReferenceLogProbs.compute(evaluation, evalPairs.rows(), batch, listener));
        clear(metrics);
    }

    @Override
    public long terms(int[] rows) {
        return rows.length;
    }

    @Override
    public long tokens(int[] rows) {
        return IntStream.of(rows)
                .mapToLong(row -> tokens(pairs.rows().get(row)))
                .sum();
    }

    @Override
    public void accumulate(int[] rows, double scale) {
        loss(training, pairs, rows, scale, metrics);
        training.backward(dSums.address());
    }

    @Override
    public Map<String, Double> metrics() {
        return take(metrics);
    }

    @Override
    public Map<String, Double> evaluate() {
        clear(evalMetrics);
        int batch = options.train().perDeviceEvalBatchSize();
        int rows = evalPairs.rows().size();
        for (int begin = 0; begin < rows; begin += batch) {
            loss(
                    evaluation,
                    evalPairs,
                    IntStream.range(begin, Math.min(rows, begin + batch)).toArray(),
                    1,
                    evalMetrics);
        }
        return take(evalMetrics);
    }

    @Override
    public void close() {
        List.of(training, evaluation).forEach(LanguageModel::close);
        List.of(references, losses, dSums, metrics, evalMetrics).forEach(DeviceBuffer::close);
    }

    private void loss(LanguageModel policy, Pairs from, int[] rows, double scale, DeviceBuffer into) {
        PackedBatch batch =
                PackedBatch.pairs(IntStream.of(rows).mapToObj(from.rows()::get).toList(), true);
        host.uploadFloats(references.address(), from.reference().of(rows));
        PreferenceLoss.compute(
                device,
                new Results(losses.address(), dSums.address(), into.address()),
                new Completions(policy.forward(batch).sums(), references.address()),
                rows.length,
                0,
                new Scale((float) scale),
                PreferenceOptions.builder()
                        .loss(options.lossType())
                        .beta((float) options.beta())
                        .labelSmoothing((float) options.labelSmoothing())
                        .build());
    }

    /** Means under TRL's names; the sums begin again at 0. */
    private Map<String, Double> take(DeviceBuffer from) {
        double[] sums = host.downloadDoubles(from.address(), PreferenceLoss.METRICS);
        clear(from);
        Map<String, Double> means = new LinkedHashMap<>();
        means.put("loss", Metric.LOSS.mean(sums));
        means.put("rewards/chosen", Metric.REWARD_CHOSEN.mean(sums));
        means.put("rewards/rejected", Metric.REWARD_REJECTED.mean(sums));
        means.put("rewards/accuracies", Metric.ACCURACY.mean(sums));
        means.put("rewards/margins", Metric.MARGIN.mean(sums));
        means.put("logps/chosen", Metric.LOGP_CHOSEN.mean(sums));
        means.put("logps/rejected", Metric.LOGP_REJECTED.mean(sums));
        return means;
    }

    private void clear(DeviceBuffer buffer) {
        device.fill(buffer.address(), 0, METRICS_BYTES);
    }

    /** As two sequences, the prompt in both: what TRL counts. */
    private static long tokens(PreferencePair pair) {
        return 2L * pair.prompt().length + pair.chosen().length + pair.rejected().length;
    }
}
