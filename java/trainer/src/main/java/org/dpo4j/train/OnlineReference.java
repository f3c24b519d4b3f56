package org.dpo4j.train;

import java.util.List;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.model.CompletionSums;
import org.dpo4j.model.Model;
import org.dpo4j.model.Parameters;
import org.dpo4j.model.ScoringModel;
import org.dpo4j.model.WeightMix;
import org.dpo4j.train.checkpoint.SavedState;
import org.jspecify.annotations.Nullable;

/**
 * A second model on the device, which computes the log-probs of each batch before the batch is trained on. It is frozen,
 * or follows the trained model: after every {@code ref_model_sync_steps} steps its weights become a mean of its own and
 * the trained ones (TR-DPO, Gorbatovski et al. 2024; SyncRefModelCallback in TRL).
 */
final class OnlineReference implements Reference {
    private final Model model;
    private final ScoringModel scoring;
    private final List<ReferenceRows<?>> rows;
    private final int syncSteps;
    private final @Nullable WeightMix mix;

    /**
     * A reference that owns its model.
     *
     * @param policy the trained weights, which a reference that moves is mixed with
     */
    OnlineReference(
            Model model,
            CompletionSums sums,
            List<ReferenceRows<?>> rows,
            ReferenceOptions options,
            Parameters policy) {
        this.model = model;
        this.scoring = new ScoringModel(model, sums);
        this.rows = rows;
        this.syncSteps = options.syncSteps();
        this.mix = options.isSynced() ? new WeightMix(model.parameters(), policy, options.mixupAlpha()) : null;
    }

    @Override
    public Sums sums(int number, HostBuffer host) {
        ReferenceRows<?> from = rows.get(number);
        return new Sums() {
            private long computed;

            @Override
            public void prepare(int[] batch) {
                computed = scoring.forward(from.pack(batch)).sums();
            }

            @Override
            public void copyTo(long address, int first, int count) {
                Device device = model.device();
                device.copy(address, computed + (long) Float.BYTES * first, (long) Float.BYTES * count);
            }
        };
    }

    @Override
    public void afterStep(int step) {
        if (mix != null && step % syncSteps == 0) {
            mix.run();
        }
    }

    /** A frozen model is loaded again; one that moves is stored. */
    @Override
    public void state(SavedState saved) {
        if (mix != null) {
            Parameters weights = model.parameters();
            saved.array(
                    "reference_weights",
                    weights.dtype() == DType.F32 ? "F32" : "BF16",
                    weights.weights(),
                    weights.count());
        }
    }

    @Override
    public void close() {
        if (mix != null) {
            mix.close();
        }
        scoring.close();
        model.close();
    }
}
