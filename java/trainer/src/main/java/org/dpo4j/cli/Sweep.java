package org.dpo4j.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CancellationException;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.dpo4j.cli.SweepResult.State;
import org.dpo4j.io.FileErrors;
import org.dpo4j.io.OutputFile;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.report.Metrics;
import org.dpo4j.report.RunListener;
import org.dpo4j.train.KlEstimate;
import org.dpo4j.train.checkpoint.CheckpointDirectory;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.IDefaultValueProvider;

/** Trains the runs of a sweep one after the other. A failed run does not end it. */
final class Sweep {
    /**
     * How much a sweep may do.
     *
     * @param runs maximum number of runs that it trains
     * @param minutes no run begins later than this; infinite for no limit
     */
    record Budget(int runs, double minutes) {}

    private final List<SweepRun> runs;
    private final Budget budget;
    private final KlEstimate.Sampling sampling;
    private final @Nullable IDefaultValueProvider file;
    private final boolean isReplaced;
    private final LongSupplier nanoTime;
    private final Map<SweepRun, SweepResult> results = new LinkedHashMap<>();

    /**
     * @param sampling how the KL divergence is estimated; with 0 samples it is not
     * @param file values of a config file
     * @param isReplaced whether finished runs are trained again
     */
    Sweep(
            List<SweepRun> runs,
            Budget budget,
            KlEstimate.Sampling sampling,
            @Nullable IDefaultValueProvider file,
            boolean isReplaced,
            LongSupplier nanoTime) {
        this.runs = runs;
        this.budget = budget;
        this.sampling = sampling;
        this.file = file;
        this.isReplaced = isReplaced;
        this.nanoTime = nanoTime;
    }

    /** The results so far, of all runs in their order once {@link #train} has returned or thrown. */
    Map<SweepRun, SweepResult> results() {
        return results;
    }

    /**
     * Trains the runs that have not finished yet. Throws, before the first, if a directory holds another run, and
     * {@link CancellationException} if the listener cancels.
     */
    void train(RunListener listener) {
        for (SweepRun run : runs) {
            SweepResult earlier = earlier(run);
            results.put(
                    run,
                    earlier != null && earlier.isFinished() && !isReplaced
                            ? earlier
                            : SweepResult.without(State.NOT_RUN, run, null));
        }
        long began = nanoTime.getAsLong();
        int trained = 0;
        for (int i = 0; i < runs.size(); i++) {
            SweepRun run = runs.get(i);
            String name = "run " + (i + 1) + " of " + runs.size() + ", " + run.name();
            if (Objects.requireNonNull(results.get(run)).isFinished()) {
                listener.notice(name + ": finished earlier");
                continue;
            }
            boolean isInTime = nanoTime.getAsLong() - began < budget.minutes * TimeUnit.MINUTES.toNanos(1);
            if (trained < budget.runs && isInTime) {
                listener.notice(name);
                trained++;
                train(run, listener);
            }
        }
    }

    /** What an earlier sweep left of a run. Throws if its directory holds something else. */
    private static @Nullable SweepResult earlier(SweepRun run) {
        SweepResult earlier = SweepResult.find(run.directory());
        if (earlier == null) {
            if (Files.exists(run.directory())) {
                throw new Dpo4jException(
                        run.directory() + " is not of a sweep; choose another output_dir, or move it away");
            }
            return null;
        }
        for (String name : union(earlier.options(), run.options())) {
            String before = earlier.options().get(name);
            String now = run.options().get(name);
            if (!Objects.equals(before, now)) {
                throw new Dpo4jException(name + " is " + now + ", but " + run.directory() + " was begun with " + before
                        + "; choose another output_dir, or delete that directory");
            }
        }
        return earlier;
    }

    private static Iterable<String> union(Map<String, String> a, Map<String, String> b) {
        Map<String, String> all = new LinkedHashMap<>(a);
        all.putAll(b);
        return all.keySet();
    }

    private void train(SweepRun run, RunListener listener) {
        long began = nanoTime.getAsLong();
        try {
            boolean isResumed =
                    !isReplaced && !CheckpointDirectory.list(run.directory()).isEmpty();
            OutputFile.makeDirectory(run.directory());
            SweepResult.without(State.BEGUN, run, null).write(run.directory());
            SweepTrainer.Training training =
                    run.build(isResumed ? "--resume_from_checkpoint=true" : "--overwrite_output_dir=true", file);
            Map<String, Double> metrics = evaluation(training.run().apply(listener));
            if (sampling.samples() > 0) {
                KlEstimate kl = training.kl().apply(sampling, listener);
                metrics.put(SweepResult.KL, kl.mean());
                metrics.put(SweepResult.KL_ERROR, kl.standardError());
            }
            double seconds = 1e-9 * (nanoTime.getAsLong() - began);
            keep(run, new SweepResult(State.FINISHED, run.options(), metrics, seconds, null));
        } catch (CancellationException e) {
            results.put(run, SweepResult.without(State.BEGUN, run, "stopped; the same sweep goes on with it"));
            throw e;
        } catch (IOException e) {
            fail(run, run.directory() + " cannot be made (" + FileErrors.reason(e) + ")", listener);
        } catch (Dpo4jException e) {
            fail(run, String.valueOf(e.getMessage()), listener);
        } catch (RuntimeException | OutOfMemoryError e) {
            fail(run, e.toString(), listener);
        }
    }

    private void fail(SweepRun run, String error, RunListener listener) {
        listener.notice(run.name() + " failed: " + error);
        results.put(run, SweepResult.without(State.FAILED, run, error));
        if (Files.isDirectory(run.directory())) {
            keep(run, SweepResult.without(State.FAILED, run, error));
        }
    }

    private void keep(SweepRun run, SweepResult result) {
        results.put(run, result);
        result.write(run.directory());
    }

    /** The metrics of the last evaluation, without its times. */
    private static Map<String, Double> evaluation(List<Metrics> history) {
        Map<String, Double> metrics = new LinkedHashMap<>();
        for (Metrics line : history) {
            line.values().forEach((name, value) -> {
                if (name.startsWith("eval_") && !name.matches(".*(runtime|per_second)")) {
                    metrics.put(name, value);
                }
            });
        }
        return metrics;
    }
}
