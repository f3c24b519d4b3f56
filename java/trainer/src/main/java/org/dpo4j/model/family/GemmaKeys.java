package org.dpo4j.model.family;

import static org.dpo4j.model.family.ConfigJson.check;

import java.util.List;
import org.dpo4j.model.family.Architecture.LayerAttention;
import org.dpo4j.model.family.Architecture.NormKind;
import org.dpo4j.model.family.Architecture.NormPlacement;
import org.dpo4j.model.family.Architecture.NormTraits;
import org.dpo4j.model.family.Architecture.QueryKeyNorm;
import org.dpo4j.model.family.Architecture.Scales;

/**
 * What Gemma 2 and Gemma 3 have in common: norms around each branch, whose weight is added to 1, an embedding times the
 * root of the hidden size, scores divided by the root of {@code query_pre_attn_scalar}, and windows in some layers.
 */
record GemmaKeys(DecoderKeys keys) {

    /** @param defaults values of the keys that the file lacks */
    static GemmaKeys read(ConfigJson json, ConfigJson defaults) {
        DecoderKeys keys = new DecoderKeys(json, defaults);
        keys.size("num_key_value_heads"); // null is not the number of heads here
        keys.refuseBias("mlp_bias");
        int hidden = keys.all().integer("hidden_size");
        int heads = keys.all().integer("num_attention_heads");
        check(
                hidden % heads == 0,
                "hidden_size is " + hidden + ", which is not a multiple of num_attention_heads " + heads
                        + "; transformers does not load such a Gemma");
        return new GemmaKeys(keys);
    }

    /** A soft cap; 0 if the key is null. */
    double softCap(String key) {
        double cap = keys.all().number(key, 0);
        check(
                cap != 0 || !keys.all().json().hasNonNull(key),
                key + " is 0, which makes every number NaN; set it to null for no cap");
        return cap;
    }

    ModelConfig config(double scoresCap, QueryKeyNorm norm, List<LayerAttention> layers) {
        double scalar = keys.all().number("query_pre_attn_scalar");
        check(scalar > 0, "query_pre_attn_scalar is " + scalar + "; it must be positive");
        double root = Math.sqrt(keys.all().integer("hidden_size"));
        return keys.config(
                keys.attention(1 / Math.sqrt(scalar), scoresCap, keys.attentionBias(), norm, layers),
                new NormTraits(NormKind.RMS_NORM_PLUS_ONE, keys.epsilon(), NormPlacement.AROUND_BRANCH),
                new Scales(root, true, 1, softCap("final_logit_softcapping")));
    }
}
