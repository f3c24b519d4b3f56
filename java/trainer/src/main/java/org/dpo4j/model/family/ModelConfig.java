package org.dpo4j.model.family;

import java.util.List;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * The content of a {@code config.json}, as its family reads it.
 *
 * @param modelType {@code model_type}, which names the family
 * @param initializerRange standard deviation of the matrices of a new model
 * @param bosTokenId BOS, or null
 * @param eosTokenIds EOS tokens; may be empty
 */
public record ModelConfig(
        String modelType,
        Architecture architecture,
        double initializerRange,
        @Nullable Integer bosTokenId,
        List<Integer> eosTokenIds) {

    public ModelConfig {
        if (!(initializerRange >= 0 && initializerRange < 10)) {
            throw new Dpo4jException("initializer_range is " + initializerRange + "; it must be between 0 and 10");
        }
        eosTokenIds = List.copyOf(eosTokenIds);
    }

    /** The same model with other special tokens. */
    public ModelConfig withTokens(@Nullable Integer bosTokenId, List<Integer> eosTokenIds) {
        return new ModelConfig(modelType, architecture, initializerRange, bosTokenId, eosTokenIds);
    }

    /** The same model with another standard deviation of initial weights. */
    public ModelConfig withInitializerRange(double initializerRange) {
        return new ModelConfig(modelType, architecture, initializerRange, bosTokenId, eosTokenIds);
    }
}
