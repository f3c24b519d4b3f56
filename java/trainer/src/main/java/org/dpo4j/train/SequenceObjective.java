package org.dpo4j.train;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.stream.IntStream;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.data.Sequence;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.DeviceBuffer;
import org.dpo4j.kernels.decoder.ColumnSum;
import org.dpo4j.model.CompletionLoss;
import org.dpo4j.model.CompletionSums;
import org.dpo4j.model.LogProbs;
import org.dpo4j.model.Model;
import org.dpo4j.model.ScoringModel;
import org.dpo4j.model.TrainingModel;
import org.dpo4j.train.checkpoint.SavedState;

/**
 * The mean cross entropy over target tokens. The loss of a token is minus its log-prob, so the gradient with respect to
 * each sum of log-probs is the same number, -1 / targets; NaN if a sum is not finite, so that the step is skipped. Sums are
 * kept on the device until metrics are read, or the buffer is full, and then added on the host, by step, so that those of
 * a skipped step can be dropped.
 */
final class SequenceObjective extends RowObjective<Sequence> {
    /** Maximum number of sums kept on the device: 4 MiB. */
    private static final long MAX_KEPT = 1L << 20;

    /** The loss of every micro-batch. Its gradient does not depend on log-probs that are finite. */
    private final class CrossEntropy implements CompletionLoss {
        @Override
        public int group() {
            return 1;
        }

        @Override
        public long dSums(LogProbs logProbs, int count) {
            ColumnSum.forward(device, dSums.address(), oneRow(logProbs.sums(), count), zero()); // 0 x infinity is NaN
            return dSums.address();
        }

        @Override
        public void keep(LogProbs logProbs, int first, int count) {
            if (keptSums + count > capacity) {
                readKept();
            }
            device.copy(kept.address() + (long) Float.BYTES * keptSums, logProbs.sums(), (long) Float.BYTES * count);
            keptSums += count;
            steps.get(steps.size() - 1).unread += count;
        }
    }

    /** What a step has added to the loss. */
    private static final class StepTerms {
        final int number;
        final long terms;
        /** Sums that are still on the device. */
        int unread;

        double sum;

        StepTerms(int number, long terms) {
            this.number = number;
            this.terms = terms;
        }
    }

    private final Device device;
    /** The gradient of each sum of a micro-batch, then a 0. */
    private final DeviceBuffer dSums;

    private final DeviceBuffer kept;
    private final HostBuffer host;
    private final CompletionLoss loss = new CrossEntropy();
    private final int capacity;
    private int keptSums;
    /** The steps since {@link #readSum} and {@link #terms} were added up. */
    private final List<StepTerms> steps = new ArrayList<>();

    private double readSum;
    private long terms;

    SequenceObjective(Model model, List<Sequence> sequences, List<Sequence> evalSequences, TrainOptions options) {
        this(model, sequences, evalSequences, options, TrainingModel.Options.DEFAULT_LOGITS_BYTES);
    }

    SequenceObjective(
            Model model,
            List<Sequence> sequences,
            List<Sequence> evalSequences,
            TrainOptions options,
            long logitsBytes) {
        super(
                sequences,
                evalSequences,
                options,
                new TrainingModel(model, trainingOptions(CompletionSums.PLAIN, logitsBytes, options, model.device())),
                new ScoringModel(model, CompletionSums.PLAIN));
        device = model.device();

        capacity = (int) Math.max(trainBatch, Math.min(MAX_KEPT, sumsPerLine(options)));
        dSums = device.allocate(Float.BYTES * (trainBatch + 1L));
        kept = device.allocate((long) Float.BYTES * capacity);
        host = new HostBuffer(device, Float.BYTES * Math.max(Math.max(capacity, evalBatch), trainBatch + 1));
    }

    private long zero() {
        return dSums.address() + (long) Float.BYTES * trainBatch;
    }

    private static ColumnSum.Matrix oneRow(long sums, int count) {
        int stride = (count + 3) / 4 * 4; // 16 bytes
        return new ColumnSum.Matrix(sums, 1, count, stride, DType.F32);
    }

    /** Sums between two lines of metrics. */
    private static long sumsPerLine(TrainOptions options) {
        if (options.logging().loggingSteps < 1) {
            return MAX_KEPT; // a share of all steps, whose number is not known here
        }
        return (long) options.logging().loggingSteps
                * options.step().gradientAccumulationSteps
                * options.step().perDeviceTrainBatchSize;
    }

    @Override
    PackedBatch pack(List<Sequence> batch) {
        return PackedBatch.sequences(batch);
    }

    @Override
    Passes.BatchSize size(List<Sequence> from, int row) {
        Sequence.Outline sequence = Sequence.outline(from, row);
        int tokens = sequence.targets();
        return new Passes.BatchSize(sequence.length(), tokens, tokens, sequence.length(), 1);
    }

    @Override
    List<int[]> ids(Sequence sequence) {
        return List.of(sequence.prompt(), sequence.completion());
    }

    @Override
    long tokens(List<Sequence> from, int row) {
        return Sequence.outline(from, row).length();
    }

    @Override
    int number(Sequence row) {
        return row.row();
    }

    @Override
    int group() {
        return loss.group();
    }

    @Override
    public String unit() {
        return "sequences";
    }

    @Override
    public Map<String, String> facts() {
        Map<String, String> facts = new LinkedHashMap<>();
        facts.put(
                "tokens",
                String.format(
                        Locale.ROOT,
                        "%,d per epoch, %,d of them targets",
                        sizes().totalTokens(),
                        IntStream.of(completionTokens()).asLongStream().sum()));
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
        return dSums.bytes() + kept.bytes();
    }

    @Override
    void beginStep(int[] step, int number) {
        long targets = terms(select(rows, step));
        float[] gradient = new float[trainBatch + 1];
        Arrays.fill(gradient, 0, trainBatch, (float) (-1.0 / targets));
        host.uploadFloats(dSums.address(), gradient);
        steps.add(new StepTerms(number, targets));
    }

    @Override
    public void drop(int step) {
        readKept();
        steps.removeIf(each -> each.number == step);
    }

    @Override
    CompletionLoss loss(int[] microBatch) {
        return loss;
    }

    @Override
    public void state(SavedState saved) {
        addUp();
        saved.real("loss_sum", () -> readSum, value -> readSum = value);
        saved.whole("loss_terms", () -> terms, value -> terms = value);
    }

    @Override
    public OptionalDouble beta() {
        return OptionalDouble.empty();
    }

    @Override
    public Set<String> metricNames() {
        return Set.of("loss");
    }

    @Override
    public Map<String, Double> metrics() {
        addUp();
        double loss = -readSum / terms;
        readSum = 0;
        terms = 0;
        return Map.of("loss", loss);
    }

    @Override
    public Map<String, Double> evaluate(EvalSet set) {
        double[] sum = {0};
        forEachEvaluationBatch(
                set, (batch, logProbs) -> sum[0] += sum(host.downloadFloats(logProbs.sums(), batch.length)));
        return Map.of("loss", -sum[0] / targets(set));
    }

    private long targets(EvalSet set) {
        return IntStream.of(set.rows())
                .mapToLong(row -> Sequence.outline(evalRows, row).targets())
                .sum();
    }

    @Override
    public void close() {
        super.close();
        List.of(dSums, kept).forEach(DeviceBuffer::close);
    }

    private void addUp() {
        readKept();
        steps.forEach(step -> {
            readSum += step.sum;
            terms += step.terms;
        });
        steps.clear();
    }

    private void readKept() {
        float[] sums = host.downloadFloats(kept.address(), keptSums);
        int begin = 0;
        for (StepTerms step : steps) {
            step.sum += sum(Arrays.copyOfRange(sums, begin, begin + step.unread));
            begin += step.unread;
            step.unread = 0;
        }
        keptSums = 0;
    }

    private static long terms(List<Sequence> sequences) {
        return sequences.stream().mapToLong(Sequence::targetCount).sum();
    }

    private static double sum(float[] values) {
        double sum = 0;
        for (float value : values) {
            sum += value;
        }
        return sum;
    }
}
