package org.dpo4j.train;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import org.dpo4j.io.FileErrors;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.report.RunListener;
import org.dpo4j.train.checkpoint.CheckpointDirectory;
import org.jspecify.annotations.Nullable;

/** The checkpoint from which a run goes on. It is found and checked before a model or rows are read. */
record ResumePoint(CheckpointDirectory directory) {

    /**
     * The checkpoint that the options name; null if they name none. Throws if it is damaged, or has no state of a run: the
     * error names the whole one before it.
     */
    static @Nullable ResumePoint find(TrainOptions run) {
        if (!run.checkpoint().isResumed()) {
            return null;
        }
        Path named = run.checkpoint().named();
        CheckpointDirectory directory =
                named == null ? newest(run.output().directory()) : CheckpointDirectory.at(named);
        String fault = directory.fault();
        if (fault != null) {
            throw new Dpo4jException(fault + "; " + other(directory));
        }
        if (!Files.exists(directory.path().resolve(CheckpointDirectory.ARRAYS))) {
            throw new Dpo4jException(
                    directory + " was written with save_only_model, so no run can go on from it; " + other(directory));
        }
        return new ResumePoint(directory);
    }

    private static CheckpointDirectory newest(Path output) {
        List<CheckpointDirectory> all = CheckpointDirectory.list(output);
        if (all.isEmpty()) {
            throw new Dpo4jException("resume_from_checkpoint is true but output_dir " + output
                    + " has no checkpoint; name one, or leave the option out");
        }
        return all.get(all.size() - 1);
    }

    /** Names the newest whole checkpoint before this one. */
    private static String other(CheckpointDirectory damaged) {
        List<CheckpointDirectory> all = CheckpointDirectory.list(damaged.path().resolveSibling(""));
        for (int i = all.size() - 1; i >= 0; i--) {
            CheckpointDirectory each = all.get(i);
            if (each.step() < damaged.step() && each.fault() == null) {
                return "go on from the one before it: resume_from_checkpoint " + each;
            }
        }
        return "there is no whole checkpoint before it; start again without resume_from_checkpoint";
    }

    /**
     * Deletes the later checkpoints of the output directory, if this one is in it. They may be damaged, or of a run with
     * another number of steps, and {@code resume_from_checkpoint true} would go on from the newest of them.
     */
    void deleteLater(Path output, RunListener listener) {
        List<CheckpointDirectory> later = CheckpointDirectory.list(output).stream()
                .filter(each -> each.step() > directory.step())
                .toList();
        if (!later.isEmpty() && isIn(output)) {
            later.forEach(CheckpointDirectory::delete);
            listener.notice("deleted "
                    + later.stream()
                            .map(each -> each.path().getFileName().toString())
                            .collect(Collectors.joining(", "))
                    + ", because the run went on from " + directory.path().getFileName());
        }
    }

    private boolean isIn(Path output) {
        Path parent = directory.path().toAbsolutePath().normalize().getParent();
        try {
            return parent != null && Files.isSameFile(parent, output);
        } catch (IOException e) {
            throw new Dpo4jException(output + " cannot be read (" + FileErrors.reason(e) + ")", e);
        }
    }
}
