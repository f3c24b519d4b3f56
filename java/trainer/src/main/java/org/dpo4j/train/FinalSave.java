package org.dpo4j.train;

import java.nio.file.Path;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.Model;
import org.dpo4j.model.WeightCheck;
import org.dpo4j.report.RunListener;
import org.jspecify.annotations.Nullable;

/**
 * The one save of a run: at its end, or on its way out.
 *
 * @param model whose weights training changes
 * @param tokenizer directory that the tokenizer is copied from
 * @param output where both go
 * @param listener who is told
 */
record FinalSave(Model model, Path tokenizer, OutputDirectory output, RunListener listener) {

    /** Saves the weights of the last step, or throws and says why not. */
    void save(int step) {
        @Nullable String found = WeightCheck.firstNotFinite(model.parameters());
        if (found != null) {
            throw new Dpo4jException("the weights of step " + step + " are not finite (" + found
                    + "), so they are not saved; lower learning_rate");
        }
        boolean isInterrupted = Thread.interrupted(); // an interrupt closes the file that is written
        try {
            saveUntilGivenUp();
        } catch (Dpo4jException e) {
            if (!Thread.interrupted()) {
                throw e;
            }
            isInterrupted = true;
            saveUntilGivenUp();
        } finally {
            if (isInterrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private void saveUntilGivenUp() {
        while (true) {
            try {
                output.save(model, tokenizer);
                return;
            } catch (Dpo4jException e) {
                if (Thread.currentThread().isInterrupted()
                        || !listener.isSaveTriedAgain(String.valueOf(e.getMessage()))) {
                    throw e;
                }
            }
        }
    }

    /** Says that these weights are saved, where a run ends with an error all the same. */
    void tell(int step) {
        listener.notice("saved the weights of step " + step + " in " + output);
    }

    /**
     * Saves the weights of {@code step} of a run that {@code cause} ends, and tells the listener; what goes wrong is told
     * too, and the cause remains what the run throws.
     */
    void rescue(int step, Throwable cause) {
        if (step == TrainLoop.UNKNOWN) {
            listener.notice("the device no longer gives the weights: nothing is saved");
            return;
        }
        if (step == 0) {
            listener.notice("no step was trained: nothing is saved");
            return;
        }
        try {
            save(step);
            tell(step);
        } catch (RuntimeException e) {
            cause.addSuppressed(e);
            listener.notice("the weights of step " + step + " are lost: " + e.getMessage());
        }
    }
}
