package org.dpo4j.model.family;

import java.util.List;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * What a {@code config.json} says, once its family has read it.
 *
 * @param modelType the family, by the file's {@code model_type}
 * @param initializerRange standard deviation of the matrices of a new model
 * @param bosTokenId BOS, the first token of a text, or null
 * @param eosTokenIds EOS, tokens that end a text; may be empty
 */
public record ModelConfig(
        String modelType,
        Architecture architecture,
        double initializerRange,
        @Nullable Integer bosTokenId,
        List<Integer> eosTokenIds) {

    public ModelConfig {
        if (!(initializerRange >= 0 && initializerRange < 10)) {
            throw new Dpo4jException("initializer_range is " + initializerRange + "; it lies between 0 and 10");
        }
        eosTokenIds = List.copyOf(eosTokenIds);
    }

    /** The same model with other special tokens. */
    public ModelConfig withTokens(@Nullable Integer bosTokenId, List<Integer> eosTokenIds) {
        return new ModelConfig(modelType, architecture, initializerRange, bosTokenId, eosTokenIds);
    }

    /** The same model with other random weights when it is new. */
    public ModelConfig withInitializerRange(double initializerRange) {
        return new ModelConfig(modelType, architecture, initializerRange, bosTokenId, eosTokenIds);
    }
}
