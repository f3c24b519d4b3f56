package org.dpo4j.train;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.data.Sequence;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.DeviceBuffer;
import org.dpo4j.model.CompletionLoss;
import org.dpo4j.model.CompletionSums;
import org.dpo4j.model.LanguageModel;
import org.dpo4j.model.LogProbs;
import org.dpo4j.model.Model;
import org.dpo4j.model.PassMemory;
import org.dpo4j.report.RunListener;

/**
 * Cross entropy of sequences; its terms are target tokens. The loss of a term is minus its log-prob, so the gradient by
 * every sum is the same number, and the loss is known from the sums: they are kept on the device until metrics are
 * asked for, or there are a million.
 */
final class SequenceObjective implements Objective {
    /** Sums that are kept before they are read, where there are as many between lines of metrics: 4 MiB. */
    private static final long MOST_KEPT = 1L << 20;

    /** A gradient that does not wait for the log-probs, and is the same for all completions of a step. */
    private final class CrossEntropy implements CompletionLoss {
        @Override
        public int group() {
            return 1;
        }

        @Override
        public long dSums(LogProbs of, int count) {
            return dSums.address();
        }

        @Override
        public void keep(LogProbs of, int first, int count) {
            if (keptSums + count > capacity) {
                readKept();
            }
            device.copy(kept.address() + (long) Float.BYTES * keptSums, of.sums(), (long) Float.BYTES * count);
            keptSums += count;
        }
    }

    private final Device device;
    private final List<Sequence> sequences;
    private final List<Sequence> evalSequences;
    private final int batch;
    private final int evalBatch;
    private final LanguageModel training;
    private final LanguageModel evaluation;
    private final DeviceBuffer dSums;
    private final DeviceBuffer kept;
    private final HostBuffer host;
    private final CompletionLoss loss = new CrossEntropy();
    private final int capacity;
    private RunListener listener = metrics -> {};
    private int keptSums;
    private double readSum;
    private long terms;

    SequenceObjective(Model model, List<Sequence> sequences, List<Sequence> evalSequences, TrainOptions options) {
        this(model, sequences, evalSequences, options, LanguageModel.TRAINING_LOGITS_BYTES);
    }

    SequenceObjective(
            Model model,
            List<Sequence> sequences,
            List<Sequence> evalSequences,
            TrainOptions options,
            long logitsBytes) {
        this.device = model.device();
        this.sequences = sequences;
        this.evalSequences = evalSequences;
        this.evalBatch = options.perDeviceEvalBatchSize();
        training = LanguageModel.training(model, CompletionSums.PLAIN, logitsBytes, options.graphsOn(device));
        evaluation = LanguageModel.evaluation(model, CompletionSums.PLAIN);
        batch = options.perDeviceTrainBatchSize();
        capacity = (int) Math.max(batch, Math.min(MOST_KEPT, sumsOfALine(options)));
        dSums = device.allocate((long) Float.BYTES * batch);
        kept = device.allocate((long) Float.BYTES * capacity);
        host = new HostBuffer(device, Float.BYTES * Math.max(capacity, evalBatch));
    }

    private static long sumsOfALine(TrainOptions options) {
        if (options.loggingSteps() < 1) {
            return MOST_KEPT; // a share of steps that are not counted yet
        }
        return (long) options.loggingSteps() * options.gradientAccumulationSteps() * options.perDeviceTrainBatchSize();
    }

    @Override
    public int rows() {
        return sequences.size();
    }

    @Override
    public String unit() {
        return "sequences";
    }

    @Override
    public Map<String, String> facts() {
        long targets = terms(sequences);
        int[] lengths = sequences.stream()
                .mapToInt(sequence -> sequence.completion().length)
                .toArray();
        Map<String, String> facts = new LinkedHashMap<>();
        facts.put(
                "tokens", String.format(Locale.ROOT, "%,d an epoch, %,d of them targets", tokens(sequences), targets));
        facts.put("head", HeadProducts.ofGroups(training.logitsRows(), lengths, "sequences"));
        return facts;
    }

    @Override
    public long bytes() {
        return dSums.bytes() + kept.bytes();
    }

    @Override
    public Passes passes(Steps steps) {
        return new Passes(
                memory(training, sequences, steps.microBatches()),
                PassMemory.NONE,
                memory(evaluation, evalSequences, Passes.inOrder(evalSequences.size(), evalBatch)));
    }

    private PassMemory memory(LanguageModel language, List<Sequence> from, Stream<int[]> batches) {
        return Passes.largest(
                language,
                loss.group(),
                batches,
                rows -> extent(from, rows),
                rows -> PackedBatch.sequences(
                        IntStream.of(rows).mapToObj(from::get).toList()));
    }

    private static Passes.Extent extent(List<Sequence> from, int[] rows) {
        Passes.Extent extent = Passes.Extent.NONE;
        for (int row : rows) {
            int length = from.get(row).length();
            int tokens = from.get(row).completion().length;
            extent = extent.plus(new Passes.Extent(length, tokens, tokens, length, 1));
        }
        return extent;
    }

    @Override
    public void begin(Steps steps, RunListener listener) {
        this.listener = listener;
    }

    @Override
    public long tokens(int[] rows) {
        return tokens(select(rows));
    }

    @Override
    public void accumulate(List<int[]> microBatches) {
        long targets =
                microBatches.stream().mapToLong(rows -> terms(select(rows))).sum();
        float[] gradient = new float[batch];
        Arrays.fill(gradient, (float) (-1.0 / targets));
        host.uploadFloats(dSums.address(), gradient);
        for (int[] rows : microBatches) {
            Cancellation.check(listener);
            training.accumulate(PackedBatch.sequences(select(rows)), loss);
        }
        terms += targets;
    }

    @Override
    public Map<String, Double> metrics() {
        readKept();
        double loss = -readSum / terms;
        readSum = 0;
        terms = 0;
        return Map.of("loss", loss);
    }

    @Override
    public Map<String, Double> evaluate() {
        double sum = 0;
        for (int begin = 0; begin < evalSequences.size(); begin += evalBatch) {
            Cancellation.check(listener);
            List<Sequence> batch = evalSequences.subList(begin, Math.min(evalSequences.size(), begin + evalBatch));
            sum += sum(host.downloadFloats(
                    evaluation.forward(PackedBatch.sequences(batch)).sums(), batch.size()));
        }
        return Map.of("loss", -sum / terms(evalSequences));
    }

    @Override
    public void close() {
        List.of(training, evaluation).forEach(LanguageModel::close);
        List.of(dSums, kept).forEach(DeviceBuffer::close);
    }

    private void readKept() {
        readSum += sum(host.downloadFloats(kept.address(), keptSums));
        keptSums = 0;
    }

    private List<Sequence> select(int[] rows) {
        return IntStream.of(rows).mapToObj(sequences::get).toList();
    }

    private static long terms(List<Sequence> sequences) {
        return sequences.stream()
                .mapToLong(sequence -> sequence.completion().length)
                .sum();
    }

    private static long tokens(List<Sequence> sequences) {
        return sequences.stream().mapToLong(Sequence::length).sum();
    }

    private static double sum(float[] values) {
        double sum = 0;
        for (float value : values) {
            sum += value;
        }
        return sum;
    }
}
