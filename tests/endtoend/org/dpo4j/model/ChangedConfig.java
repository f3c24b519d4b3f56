package org.dpo4j.model;

import org.dpo4j.model.family.Architecture;
import org.dpo4j.model.family.Architecture.NormTraits;
import org.dpo4j.model.family.Architecture.Scales;
import org.dpo4j.model.family.ModelConfig;

/** Configs of models that no family describes: one trait is another. */
public final class ChangedConfig {
    private ChangedConfig() {}

    public static ModelConfig norm(ModelConfig config, NormTraits norm) {
        return change(config, norm, config.architecture().scales());
    }

    public static ModelConfig scales(ModelConfig config, Scales scales) {
        return change(config, config.architecture().norm(), scales);
    }

    private static ModelConfig change(ModelConfig config, NormTraits norm, Scales scales) {
        Architecture a = config.architecture();
        Architecture changed = new Architecture(
                a.vocabSize(),
                a.hiddenSize(),
                a.layerCount(),
                a.maxPositions(),
                a.hasPositionEmbedding(),
                norm,
                a.attention(),
                a.mlp(),
                scales,
                a.isHeadTied());
        return new ModelConfig(
                config.modelType(),
                changed,
                config.initializerRange(),
                config.bosTokenId(),
                config.eosTokenIds(),
                config.json());
    }
}
