package org.dpo4j.train;

import java.nio.file.Path;
import org.dpo4j.data.Tokenizer;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.Model;
import org.dpo4j.model.WeightMix;
import org.dpo4j.model.family.ModelConfig;
import org.dpo4j.report.RunListener;
import org.jspecify.annotations.Nullable;

/** The model that is the reference: the trained one as it is before the first step, or another one on the disk. */
final class ReferenceModel {
    private final Model policy;
    private final @Nullable Path other;
    private final ModelOptions model;
    private final Model planned;

    /** Throws if the options name a model that cannot be the reference. Loads no weights. */
    ReferenceModel(Model policy, TrainOptions options) {
        this.policy = policy;
        this.other = options.reference().directory();
        this.model = options.model();
        this.planned = other == null ? policy : planned(policy, options, other);
    }

    private static Model planned(Model policy, TrainOptions options, Path other) {
        ModelConfig config = Model.readConfig(other);
        requireSameTokens(policy, options.model().tokenizerDirectory(), config, other);
        int length = options.maxLengthFor(policy.architecture());
        int positions = config.architecture().maxPositions();
        if (positions < length) {
            throw new Dpo4jException("ref_model_name_or_path " + other + " has " + positions
                    + " positions, but rows have up to " + length + " tokens; set max_length to " + positions);
        }
        Model planned =
                Model.planned(config, policy.device(), policy.parameters().dtype());
        if (options.reference().isSynced()) {
            try {
                WeightMix.requireSameTensors(planned.parameters(), policy.parameters());
            } catch (Dpo4jException e) {
                throw new Dpo4jException(
                        "sync_ref_model is true, but with ref_model_name_or_path " + other + " " + e.getMessage()
                                + "; leave one of the two out",
                        e);
            }
        }
        return planned;
    }

    /** Ids must mean the same to both models. The tables of ids may have rows that no token uses. */
    private static void requireSameTokens(Model policy, Path directory, ModelConfig config, Path other) {
        Path tokenizer = ModelOptions.tokenizerDirectory(other);
        String difference = Tokenizer.difference(directory, tokenizer);
        if (difference != null) {
            throw new Dpo4jException("ref_model_name_or_path " + other + " has another tokenizer than " + directory
                    + ": " + difference + "; name a model with the same tokenizer");
        }
        int own = policy.architecture().vocabSize();
        int others = config.architecture().vocabSize();
        if (own != others && !Tokenizer.isIn(tokenizer)) {
            throw new Dpo4jException("ref_model_name_or_path " + other + " has a vocabulary of " + others
                    + " tokens, but that of " + directory + " has " + own
                    + ", and it has no tokenizer.json to compare; name a model with the same vocabulary");
        }
    }

    /** The directory of its weights. */
    Path files() {
        return other == null ? model.directory() : other;
    }

    boolean isPolicy() {
        return other == null;
    }

    /** The sizes of the model; its weights may have no memory. */
    Model planned() {
        return planned;
    }

    /** Bytes of the weights of a {@link #copy}, beside those of the trained model. */
    long bytes() {
        return other == null ? policy.initialCopyBytes() : planned.bytes();
    }

    /** The model for passes before the first step, to be given to {@link #close}. */
    Model open(RunListener listener) {
        return other == null ? policy : load(other, listener);
    }

    /** Closes an opened model, unless it is the trained one. */
    void close(Model opened) {
        if (opened != policy) {
            opened.close();
        }
    }

    /** A model of its own, to be closed by the caller. */
    Model copy(RunListener listener) {
        return other == null ? policy.initialCopy() : load(other, listener);
    }

    private Model load(Path directory, RunListener listener) {
        return Model.load(directory, policy.device(), policy.parameters().dtype(), new LoadingReport(listener));
    }

    @Override
    public String toString() {
        if (other != null) {
            return other.toString();
        }
        return policy.adapter() == null
                ? "the model before the first step"
                : policy.isAdapterNew() ? "the model without the adapter" : "the adapter before the first step";
    }
}
