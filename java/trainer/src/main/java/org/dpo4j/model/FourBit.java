package org.dpo4j.model;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import org.dpo4j.kernels.decoder.QuantType;
import org.jspecify.annotations.Nullable;

/**
 * How the matrices of a model's layers are stored in 4 bits, as in QLoRA (Dettmers et al. 2023). Embeddings and head keep
 * their dtype, as in transformers.
 *
 * @param type {@code bnb_4bit_quant_type}
 * @param isNested {@code bnb_4bit_use_double_quant}: absmax values are stored in 8 bits
 */
public record FourBit(QuantType type, boolean isNested) {

    /** As a {@code config.json} of bitsandbytes says; {@code otherwise} if the model is not quantised. */
    static @Nullable FourBit find(ObjectNode config, @Nullable FourBit otherwise) {
        JsonNode quantization = config.path("quantization_config");
        if (!quantization.path("load_in_4bit").asBoolean(false)) {
            return otherwise;
        }
        String type = quantization.path("bnb_4bit_quant_type").asText("fp4"); // the default of bitsandbytes
        return new FourBit(
                type.equals("fp4") ? QuantType.FP4 : QuantType.NF4,
                quantization.path("bnb_4bit_use_double_quant").asBoolean(false));
    }
}
