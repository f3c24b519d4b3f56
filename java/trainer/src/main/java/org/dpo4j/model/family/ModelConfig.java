package org.dpo4j.model.family;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
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
 * @param json all keys of the file, also those that no one reads, for saving; not to be changed
 */
public record ModelConfig(
        String modelType,
        Architecture architecture,
        double initializerRange,
        @Nullable Integer bosTokenId,
        List<Integer> eosTokenIds,
        ObjectNode json) {
    private static final List<String> DROPOUTS = List.of(
            "attention_dropout",
            "attn_pdrop",
            "embd_pdrop",
            "embedding_dropout",
            "hidden_dropout",
            "resid_pdrop",
            "residual_dropout");

    public ModelConfig {
        if (!(initializerRange >= 0 && initializerRange < 10)) {
            throw new Dpo4jException("initializer_range is " + initializerRange + "; it must be between 0 and 10");
        }
        eosTokenIds = List.copyOf(eosTokenIds);
    }

    /** The same model with other special tokens. */
    public ModelConfig withTokens(@Nullable Integer bosTokenId, List<Integer> eosTokenIds) {
        ObjectNode changed = json.deepCopy();
        changed.put("bos_token_id", bosTokenId);
        if (eosTokenIds.size() == 1) {
            changed.put("eos_token_id", eosTokenIds.get(0));
        } else {
            ArrayNode ids = changed.putArray("eos_token_id");
            eosTokenIds.forEach(ids::add);
        }
        return new ModelConfig(modelType, architecture, initializerRange, bosTokenId, eosTokenIds, changed);
    }

    /** The same model with another standard deviation of initial weights. */
    public ModelConfig withInitializerRange(double initializerRange) {
        ObjectNode changed = json.deepCopy();
        changed.put("initializer_range", initializerRange);
        return new ModelConfig(modelType, architecture, initializerRange, bosTokenId, eosTokenIds, changed);
    }

    /**
     * The dropouts of the file that are not 0, such as {@code "attention_dropout 0.1"}. They are saved with the model and
     * not applied.
     */
    public List<String> ignoredDropouts() {
        return DROPOUTS.stream()
                .filter(key -> {
                    JsonNode value = json.path(key);
                    return value.isNumber() && value.doubleValue() != 0;
                })
                .map(key -> key + " " + json.get(key))
                .toList();
    }
}
