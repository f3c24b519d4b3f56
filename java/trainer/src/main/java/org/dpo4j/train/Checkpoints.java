package org.dpo4j.train;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.dpo4j.io.JsonFile;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.Model;
import org.dpo4j.model.Parameters;
import org.dpo4j.model.SaveFormat;
import org.dpo4j.report.Metrics;
import org.dpo4j.report.MetricsLog;
import org.dpo4j.report.RunListener;
import org.dpo4j.train.checkpoint.CheckpointDirectory;
import org.dpo4j.train.checkpoint.SavedState;
import org.jspecify.annotations.Nullable;

/**
 * Writes the checkpoints of a run, and restores one. A checkpoint is a model in the dtype of training, with the
 * tokenizer, {@code optimizer.safetensors} and {@code trainer_state.json}. A run that goes on from it computes the same
 * bits as if it had never stopped.
 *
 * <p>The files are written between two steps, and completed by another thread while training goes on ({@link
 * CheckpointWriter}). One checkpoint is written at a time: the next one waits for it.
 */
final class Checkpoints {
    private final Model model;
    private final TrainOptions run;
    private final CheckpointOptions options;
    private final Supplier<RunIdentity> newIdentity;
    private final RunListener listener;
    private final CheckpointWriter writer = new CheckpointWriter();
    private final BestModel best;
    private @Nullable RunIdentity identity;
    private @Nullable CheckpointDirectory resumed;
    private boolean isTriedAgain;
    /** The step of the last checkpoint that was completed; 0 if there is none. */
    private volatile int written;

    /**
     * @param model the model in training
     * @param run options of the run
     * @param identity what the run must have in common with the one that it goes on from; called once, when it is needed
     * @param listener receives notices
     */
    Checkpoints(Model model, TrainOptions run, Supplier<RunIdentity> identity, RunListener listener) {
        this.model = model;
        this.run = run;
        this.options = run.checkpoint();
        this.best = new BestModel(run);
        this.newIdentity = identity;
        this.listener = listener;
    }

    /** The best model so far. */
    BestModel best() {
        return best;
    }

    /** A checkpoint that was read and checked. */
    record Loaded(CheckpointDirectory directory, ObjectNode state) {
        /** The lines of metrics up to the checkpoint. */
        List<Metrics> history() {
            List<Metrics> lines = new ArrayList<>();
            state.path("log_history").forEach(line -> lines.add(MetricsLog.parse((ObjectNode) line)));
            return lines;
        }
    }

    /**
     * Writes the files of a checkpoint, then completes it and deletes the oldest ones beyond {@code save_total_limit} while
     * training goes on. Waits for queued work, and for the checkpoint before. If a checkpoint cannot be written, does what
     * the user says: tries again, goes on, or throws.
     */
    void begin(int step, SavedState saved, List<Metrics> history) {
        awaitOr(this::askAgain);
        do {
            isTriedAgain = false;
            try {
                start(step, saved, history);
            } catch (Dpo4jException e) {
                askAgain(e);
            }
        } while (isTriedAgain);
    }

    /** Writes the checkpoint of a run that ends after {@code step}, unless there is one. Tells the listener the result. */
    void writeLast(int step, SavedState saved, List<Metrics> history) {
        try {
            awaitOr(this::tell);
            if (written != step) {
                start(step, saved, history);
                writer.await();
            }
            listener.notice("wrote a checkpoint of step " + step + "; go on with resume_from_checkpoint true");
        } catch (Dpo4jException e) {
            tell(e);
        }
    }

    private void start(int step, SavedState saved, List<Metrics> history) {
        CheckpointDirectory.Unfinished files = files(step, saved, history);
        int bestStep = best.step();
        writer.complete(files, () -> {
            written = step;
            deleteOldest(bestStep);
        });
    }

    private void askAgain(Dpo4jException e) {
        isTriedAgain = listener.isSaveTriedAgain(String.valueOf(e.getMessage()));
        if (!isTriedAgain) {
            failed(e);
        }
    }

    /** Waits until no checkpoint is being written. If one cannot be, throws or goes on as the options say. */
    void await() {
        awaitOr(this::failed);
    }

    /** Waits until no checkpoint is being written, because {@code cause} ends the run. Tells the listener of a failure. */
    void awaitAfter(Throwable cause) {
        awaitOr(e -> {
            cause.addSuppressed(e);
            tell(e);
        });
    }

    private void awaitOr(Consumer<Dpo4jException> failed) {
        try {
            writer.await();
        } catch (Dpo4jException e) {
            failed.accept(e);
        }
    }

    private void failed(Dpo4jException e) {
        if (options.onFailedCheckpoint == OnFailedCheckpoint.CONTINUE) {
            listener.notice(e.getMessage() + "; training goes on; free space before the next checkpoint");
            return;
        }
        throw new Dpo4jException(
                e.getMessage() + "; " + newestWhole()
                        + "; free space, or set on_failed_checkpoint continue to train on without it",
                e);
    }

    private void tell(Dpo4jException e) {
        listener.notice(e.getMessage() + "; " + newestWhole());
    }

    private String newestWhole() {
        List<CheckpointDirectory> all = CheckpointDirectory.list(output());
        return all.isEmpty()
                ? "there is no checkpoint before it"
                : "go on from the one before it with resume_from_checkpoint " + all.get(all.size() - 1);
    }

    private CheckpointDirectory.Unfinished files(int step, SavedState saved, List<Metrics> history) {
        return CheckpointDirectory.begin(output(), step, directory -> {
            TokenizerFiles.copy(run.model().tokenizerDirectory(), directory);
            model.writeFiles(directory, SaveFormat.in(model.parameters().dtype()));
            if (!options.saveOnlyModel) {
                saved.writeArrays(directory.resolve(CheckpointDirectory.ARRAYS));
            }
            JsonFile.write(directory.resolve(CheckpointDirectory.STATE), state(step, saved, history));
        });
    }

    private ObjectNode state(int step, SavedState saved, List<Metrics> history) {
        ObjectNode state = JsonFile.object();
        state.put("global_step", step);
        best.describe(state, output());
        state.set("numbers", saved.numbers());
        state.set("run", identity().json());
        ArrayNode lines = state.putArray("log_history");
        history.forEach(line -> lines.add(MetricsLog.json(line)));
        return state;
    }

    /** Keeps the newest checkpoint and the best one, whatever the limit, as transformers does. */
    private void deleteOldest(int bestStep) {
        if (options.saveTotalLimit == null) {
            return;
        }
        List<CheckpointDirectory> all = CheckpointDirectory.list(output());
        List<CheckpointDirectory> others = all.subList(0, Math.max(0, all.size() - 1)).stream()
                .filter(each -> each.step() != bestStep)
                .toList();
        for (int i = 0; i < Math.min(others.size(), all.size() - options.saveTotalLimit); i++) {
            others.get(i).delete();
        }
    }

    private Path output() {
        return run.output().directory();
    }

    private RunIdentity identity() {
        if (identity == null) {
            identity = newIdentity.get();
        }
        return identity;
    }

    /** Deletes the checkpoints of an earlier run, when a run that replaces it has begun. */
    void deleteEarlier() {
        CheckpointDirectory.list(output()).forEach(CheckpointDirectory::delete);
    }

    /** Deletes the checkpoints that are later than the one from which the run has gone on. */
    void deleteLater() {
        if (resumed != null) {
            new ResumePoint(resumed).deleteLater(output(), listener);
        }
    }

    /**
     * Whether a run of these steps writes a checkpoint after step {@code done}: if it is time, or if the last one failed and
     * the user wants to try again. Throws if the last one failed and ends the run.
     */
    boolean isDueAfter(int done, Steps steps) {
        if (writer.isEnded()) {
            awaitOr(this::askAgain);
        }
        return isTriedAgain || isScheduledAfter(done, steps);
    }

    /** Whether it is time for a checkpoint after step {@code done}. */
    boolean isScheduledAfter(int done, Steps steps) {
        return switch (options.saveStrategy) {
            case NO -> false;
            case STEPS -> done % LoggingOptions.interval(options.saveSteps, steps.total()) == 0;
            case EPOCH -> steps.isEndOfEpoch(done);
            case BEST -> best.isBestAfter(done);
        };
    }

    /** Whether the weights of an evaluation after step {@code done} are kept if it is the best so far. */
    boolean isKeptAfter(int done, Steps steps) {
        return options.saveStrategy == SaveStrategy.BEST || isScheduledAfter(done, steps);
    }

    /** Maximum number of checkpoints that such a run writes. */
    private int count(Steps steps) {
        int total = steps.total();
        return switch (options.saveStrategy) {
            case NO -> 0;
            case STEPS -> total / LoggingOptions.interval(options.saveSteps, total);
            case EPOCH -> (int) steps.epoch(total);
            case BEST -> (int) new EvaluationTimes(run, steps).maxAfterSteps();
        };
    }

    /** Number of checkpoints that such a run keeps. */
    private int kept(Steps steps) {
        int min = run.bestModel().loadBestModelAtEnd ? 2 : 1; // the newest and the best
        return options.saveTotalLimit == null
                ? count(steps)
                : Math.min(count(steps), Math.max(min, options.saveTotalLimit));
    }

    /** The names of the checkpoints, to complete a list of files; empty if the run writes none. */
    String names(Steps steps) {
        return count(steps) == 0 ? "" : ", checkpoint-STEP";
    }

    /** One line for a run header. */
    String fact(Steps steps) {
        int count = count(steps);
        if (count == 0) {
            return options.saveStrategy == SaveStrategy.NO
                    ? "none (save_strategy no)"
                    : "none before the end of the run (save_strategy " + options.saveStrategy + ")";
        }
        return String.format(
                Locale.ROOT,
                "%,d, %s%s; copied to the page cache between two steps, forced to the disk while training goes on",
                count,
                when(steps),
                kept(steps) < count ? ", the newest " + kept(steps) + " are kept" : "");
    }

    private String when(Steps steps) {
        return switch (options.saveStrategy) {
            case EPOCH -> "one per epoch";
            case BEST -> "at most, one per evaluation that is the best so far";
            default -> "every " + LoggingOptions.interval(options.saveSteps, steps.total()) + " steps";
        };
    }

    /** Bytes on the disk of the checkpoints of a run of these steps: those that are kept, and one that is being written. */
    long bytes(Steps steps) {
        int kept = kept(steps);
        Parameters parameters = model.trained();
        long weights = model.savedBytes(SaveFormat.in(parameters.dtype())).stream()
                .mapToLong(Long::longValue)
                .sum();
        long state = options.saveOnlyModel
                ? 0
                : Optimizer.stateBytes(parameters, run)
                        + Optimizer.masterBytes(parameters, run)
                        + Optimizer.averageBytes(parameters, run)
                        + (run.reference().isSynced() ? parameters.dtype().bytes() * parameters.count() : 0);
        int atOnce = options.saveTotalLimit == null || kept == 0 ? kept : kept + 1;
        return atOnce * (weights + state);
    }

    /**
     * Reads a checkpoint; null if there is none. Throws if this run has other options or rows, or if it ends before the
     * checkpoint.
     *
     * @param total steps of this run
     */
    @Nullable
    Loaded load(@Nullable ResumePoint point, int total) {
        if (point == null) {
            return null;
        }
        CheckpointDirectory directory = point.directory();
        ObjectNode state = JsonFile.read(directory.path().resolve(CheckpointDirectory.STATE));
        identity().check(directory.toString(), state.path("run"));
        if (state.path("global_step").asInt() > total) {
            throw new Dpo4jException(
                    directory + " is beyond the run's " + total + " steps; raise max_steps or num_train_epochs");
        }
        return new Loaded(directory, state);
    }

    /** Restores weights and state, after the reference was computed from the initial weights. */
    void restore(Loaded loaded, SavedState saved) {
        model.replaceWeights(loaded.directory.path());
        JsonNode numbers = loaded.state.path("numbers");
        saved.restore(
                loaded.directory.path().resolve(CheckpointDirectory.ARRAYS),
                numbers instanceof ObjectNode object ? object : JsonFile.object());
        resumed = loaded.directory;
        if (best.step() > 0 && !Files.isDirectory(bestCheckpoint().path())) {
            throw new Dpo4jException("the best model before " + loaded.directory + " is that of step " + best.step()
                    + ", but " + bestCheckpoint() + " does not exist; go on from a checkpoint beside it");
        }
        listener.notice("goes on from " + loaded.directory);
    }

    /** The checkpoint of the best step: of this run, or of the one that it goes on from. */
    private CheckpointDirectory bestCheckpoint() {
        CheckpointDirectory own = CheckpointDirectory.in(output(), best.step());
        return resumed == null || Files.isDirectory(own.path())
                ? own
                : CheckpointDirectory.in(resumed.path().resolveSibling(""), best.step());
    }

    /**
     * Replaces the weights after the last step by the best ones, if the run ends with these. Returns their step.
     *
     * @param last the step of the weights
     */
    int loadBest(int last) {
        if (best.step() == 0) {
            if (best.isSought()) {
                listener.notice(best.absent(last));
            }
            return last;
        }
        if (best.step() != last) {
            await(); // the best may be the one that is being written
            String fault = bestCheckpoint().fault();
            if (fault != null) {
                listener.notice(fault + "; so the model is that of the last step, " + last
                        + ", and not the best, that of step " + best.step());
                return last;
            }
            model.replaceWeights(bestCheckpoint().path());
        }
        listener.notice(best.loaded(last));
        return best.step();
    }
}
