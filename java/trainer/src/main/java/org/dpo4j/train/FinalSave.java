package org.dpo4j.train;

import java.nio.file.Path;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.Model;
import org.dpo4j.model.SaveFormat;
import org.dpo4j.model.SavedDtype;
import org.dpo4j.model.WeightCheck;
import org.dpo4j.report.RunListener;
import org.jspecify.annotations.Nullable;

/**
 * Saves the model once per run: after its last step, or when it ends early.
 *
 * @param model the model in training
 * @param tokenizer directory from which the tokenizer's files are copied
 * @param output destination
 * @param listener receives notices, and decides whether a failed save is tried again
 */
record FinalSave(Model model, Path tokenizer, OutputDirectory output, RunListener listener) {

    /**
     * Saves the weights, which are those of {@code step}. Throws if they are not finite or cannot be written. If a weight
     * has grown beyond the float16 in which it should be saved, saves all in float32, and throws to say so.
     */
    void save(int step) {
        @Nullable Dpo4jException other = write(step, output::save);
        if (other != null) {
            throw other;
        }
    }

    /** Likewise, as the average of the weights up to {@code step}. */
    void saveAverage(int step) {
        @Nullable Dpo4jException other = write(step, output::saveAverage);
        if (other != null) {
            throw other;
        }
    }

    /** Writes model and tokenizer in a format. */
    private interface Writer {
        void save(Model model, Path tokenizer, SaveFormat format);
    }

    /** Saves the weights. Returns the error to throw if the save is complete but not in the format of the options. */
    private @Nullable Dpo4jException write(int step, Writer writer) {
        @Nullable String found = WeightCheck.firstNotFinite(model.trained());
        if (found != null) {
            throw new Dpo4jException("the weights of step " + step + " are not finite (" + found
                    + "), so they are not saved; lower learning_rate");
        }
        @Nullable String beyond = model.firstBeyondFloat16(output.format());
        writeUninterrupted(
                writer, beyond == null ? output.format() : output.format().inFloat32());
        return beyond == null
                ? null
                : new Dpo4jException("weight " + beyond + " after step " + step + ", beyond "
                        + SavedDtype.FLOAT16_RANGE + ", so the model is saved in float32 in " + output
                        + "; next time set save_dtype to float32 or bfloat16");
    }

    private void writeUninterrupted(Writer writer, SaveFormat format) {
        boolean isInterrupted = Thread.interrupted(); // an interrupt would close the file during the write
        try {
            saveUntilGivenUp(writer, format);
        } catch (Dpo4jException e) {
            if (!Thread.interrupted()) {
                throw e;
            }
            isInterrupted = true;
            saveUntilGivenUp(writer, format);
        } finally {
            if (isInterrupted) {
                Thread.currentThread().interrupt();
            }
        }
    }

    private void saveUntilGivenUp(Writer writer, SaveFormat format) {
        while (true) {
            try {
                writer.save(model, tokenizer, format);
                return;
            } catch (Dpo4jException e) {
                if (Thread.currentThread().isInterrupted()
                        || !listener.isSaveTriedAgain(String.valueOf(e.getMessage()))) {
                    throw e;
                }
            }
        }
    }

    /** Tells the listener that the weights of {@code step} are saved, for a run that ends with an error. */
    void announce(int step) {
        listener.notice("saved the weights of step " + step + " in " + output);
    }

    /**
     * Saves the weights of {@code step} when {@code cause} ends the run, and tells the listener the result. An error of
     * the save is added to {@code cause} as suppressed, so the run still throws {@code cause}.
     */
    void rescue(int step, Throwable cause) {
        if (step == TrainLoop.UNKNOWN) {
            listener.notice("the weights cannot be read from the device: nothing is saved");
            return;
        }
        if (step == 0) {
            listener.notice("no step was trained: nothing is saved");
            return;
        }
        try {
            @Nullable Dpo4jException other = write(step, output::save);
            announce(step);
            if (other != null) {
                cause.addSuppressed(other);
                listener.notice(String.valueOf(other.getMessage()));
            }
        } catch (RuntimeException e) {
            cause.addSuppressed(e);
            listener.notice("the weights of step " + step + " are lost: " + e.getMessage());
        }
    }
}
