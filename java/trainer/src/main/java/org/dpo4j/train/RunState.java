package org.dpo4j.train;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.dpo4j.kernels.Device;
import org.dpo4j.model.Parameters;
import org.dpo4j.model.WeightCheck;
import org.dpo4j.report.DiagnosedRun;
import org.dpo4j.report.RunListener;
import org.dpo4j.train.checkpoint.SavedState;
import org.jspecify.annotations.Nullable;

/**
 * The state of a run: steps done, the optimizer's state, sums and running means of the objective, and the reference.
 * {@link TrainLoop} and {@link DpoSteps} both
 * drive a run through this class and keep no step count of their own.
 *
 * <p>The caller owns the objective and closes it after this.
 */
final class RunState implements AutoCloseable {
    private final Device device;
    private final Objective objective;
    private final Steps steps;
    private final Schedule schedule;
    private final @Nullable MetricRate metricRate;
    private final Reference reference;
    private final Optimizer optimizer;
    private final Parameters parameters;
    private final NonFiniteSteps nonFinite;
    private int step;
    private long tokens;
    private long rows;
    private long decoderTokens;

    /** Begins a run without files: computes the reference, then allocates the optimizer's state. */
    static RunState begin(Objective objective, Steps steps, TrainOptions options, RunListener listener) {
        return begin(objective, steps, options, ReferencePlanner.plan(objective, steps, options), listener);
    }

    /** Begins a run with a plan for its reference. */
    static RunState begin(
            Objective objective, Steps steps, TrainOptions options, ReferencePlan reference, RunListener listener) {
        Reference begun = reference.begin(listener);
        try {
            return new RunState(objective, steps, options, begun, listener);
        } catch (RuntimeException | Error e) {
            begun.close();
            throw e;
        }
    }

    /** Begins a run with a given reference, which may come from other weights than the model's, and is closed with the run. */
    RunState(Objective objective, Steps steps, TrainOptions options, Reference reference, RunListener listener) {
        Parameters parameters = objective.model().trained();
        this.device = parameters.device();
        this.parameters = parameters;
        this.nonFinite = new NonFiniteSteps(options.optimizer().maxNonfiniteSteps, steps.total(), listener);
        this.objective = objective;
        this.steps = steps;
        this.schedule = options.step().schedule(steps.total());
        this.metricRate = options.step().metricRate();
        this.reference = reference;
        objective.begin(reference, listener);
        this.optimizer = new Optimizer(
                parameters, options, objective.sums(), options.logging().loggingInterval(steps.total()));
    }

    /** Lists what a checkpoint stores beside the weights. Waits for the steps. */
    SavedState saved() {
        reportNonFinite();
        SavedState saved = new SavedState(device);
        optimizer.state(saved);
        nonFinite.state(saved);
        objective.state(saved);
        reference.state(saved);
        if (metricRate != null) {
            metricRate.state(saved);
        }
        saved.whole("global_step", () -> step, value -> step = (int) value);
        saved.whole("num_tokens", () -> tokens, value -> tokens = value);
        saved.whole("num_decoder_tokens", () -> decoderTokens, value -> decoderTokens = value);
        saved.whole("num_rows", () -> rows, value -> rows = value);
        return saved;
    }

    Objective objective() {
        return objective;
    }

    Steps steps() {
        return steps;
    }

    /** The reference that the objective reads. */
    Reference reference() {
        return reference;
    }

    /** Steps that are queued. The device may not have finished them. */
    int step() {
        return step;
    }

    boolean isOver() {
        return step == steps.total();
    }

    /** Tokens of the rows read so far, counted as TRL counts {@code num_tokens}. */
    long tokens() {
        return tokens;
    }

    /** Tokens of the rows read so far that the decoder computes; those of a shared prompt count once. */
    long decoderTokens() {
        return decoderTokens;
    }

    /** Rows read so far. */
    long rows() {
        return rows;
    }

    /** Epochs done, with a fraction. */
    double epoch() {
        return steps.epoch(step);
    }

    /** The learning rate of the last step, before an evaluation after it. */
    double rate() {
        return rate(step - 1);
    }

    private double rate(int number) {
        return metricRate == null ? schedule.rate(number) : metricRate.rate();
    }

    /** Adds the value of {@code metric_for_best_model} of an evaluation, on which later rates may depend. */
    void evaluated(double metric) {
        if (metricRate != null) {
            metricRate.add(metric);
        }
    }

    /** Queues the gradient of the next step. */
    void accumulate() {
        List<int[]> microBatches = steps.microBatches(step);
        objective.accumulate(microBatches, step);
        int[] rowTokens = objective.rowTokens();
        for (int[] batch : microBatches) {
            tokens += objective.tokens(batch);
            rows += batch.length;
            decoderTokens +=
                    IntStream.of(batch).mapToLong(row -> rowTokens[row]).sum();
        }
    }

    /** Queues the update of the weights and counts the step. A reference that moves may move. */
    void update() {
        optimizer.step(rate(step));
        step++;
        reference.afterStep(step);
    }

    /** On a device where reading does not wait, does as {@link #metrics} if a step was skipped. */
    void checkGradient() {
        if (optimizer.norms().isReady()) {
            reportNonFinite();
        }
    }

    /** Number of steps that were skipped because their gradient or loss was not finite, among those that were read. */
    int nonFiniteSteps() {
        return nonFinite.count();
    }

    /** Tells the listener how many steps of the run were skipped. */
    void tellNonFiniteSteps() {
        nonFinite.tellCount();
    }

    private void reportNonFinite() {
        GradientNorms norms = optimizer.norms();
        norms.read();
        List<GradientNorms.Skipped> all = norms.takeSkipped();
        all.forEach(skipped -> objective.drop(skipped.step() - 1));
        all.forEach(skipped -> nonFinite.report(skipped, rows(skipped.step()), norms.applied(), step, this::advice));
    }

    private String advice() {
        return optimizer.norms().applied() == 0
                ? WeightCheck.explainGradient(parameters) // the weights are still the initial ones
                : "lower learning_rate, or look at the rows";
    }

    /** The rows of a step, and those whose gradient or loss alone is not finite with the weights of now. Waits for each. */
    private NonFiniteSteps.Rows rows(int skipped) {
        List<Integer> all = new ArrayList<>();
        List<Integer> found = new ArrayList<>();
        SavedState sums = new SavedState(device);
        objective.state(sums);
        Runnable restore = sums.keep();
        try {
            for (int[] batch : steps.microBatches(skipped - 1)) {
                for (int row : batch) {
                    all.add(row);
                    if (!isFinite(row, skipped)) {
                        found.add(row);
                    }
                    restore.run();
                }
            }
        } finally {
            objective.metrics(); // drops what these passes added
            restore.run();
        }
        return new NonFiniteSteps.Rows(all, found, objective::place);
    }

    /** Whether gradient and loss of a row of a step are finite. The sums that the loss is added to are. */
    private boolean isFinite(int row, int step) {
        objective.accumulate(List.of(new int[] {row}), step - 1);
        double loss = objective.metrics().getOrDefault("loss", Double.NaN);
        float norm = optimizer.norms().now();
        parameters.zeroGradients();
        return Double.isFinite(loss) && Float.isFinite(norm);
    }

    /**
     * Waits for the steps and returns means over the terms since the last call, and {@code grad_norm} of the last step.
     * Tells the listener which steps were skipped since the last call, because their gradient or loss was not finite.
     * Throws if there are more than {@code max_nonfinite_steps} in all.
     */
    Map<String, Double> metrics() {
        reportNonFinite();
        Map<String, Double> metrics = new LinkedHashMap<>(objective.metrics());
        metrics.put("grad_norm", (double) optimizer.norms().last());
        if (nonFinite.count() > 0) {
            metrics.put("nonfinite_steps", (double) nonFinite.count());
        }
        return metrics;
    }

    /** Waits for the steps and returns the means that {@link #metrics} would return, which it leaves as they are. */
    Map<String, Double> means() {
        SavedState sums = new SavedState(device);
        objective.state(sums);
        Runnable restore = sums.keep();
        Map<String, Double> means = objective.metrics();
        restore.run();
        return means;
    }

    /** Waits for the steps and runs {@code save} while the model's weights are their average, if the run has one. */
    void saveAverage(Runnable save) {
        WeightAverage average = optimizer.average();
        if (average != null) {
            average.during(save);
        }
    }

    /** The speed of the run's model on its device. */
    Throughput throughput() {
        return Throughput.find(objective.model());
    }

    /** What diagnoses need to know of the run. */
    DiagnosedRun diagnosed(TrainOptions options) {
        double[] means = objective.completionMeans();
        int rowsPerStep = options.step().perDeviceTrainBatchSize * options.step().gradientAccumulationSteps;
        return new DiagnosedRun(
                steps.total(),
                rowsPerStep,
                options.optimizer().maxGradNorm,
                means[0],
                means[1],
                options.noise() != null);
    }

    /** Waits for the steps and returns the last one that changed the weights, counted from 1; 0 if there is none. */
    int applied() {
        optimizer.norms().read();
        return optimizer.norms().applied();
    }

    @Override
    public void close() {
        optimizer.close();
        reference.close();
    }
}
