package org.dpo4j.model.family;

import java.util.List;

/** A model family: reads its {@code config.json} and names its tensors. Stateless. */
public interface Family {

    /** {@code model_type} of its files. */
    String modelType();

    /**
     * Reads a {@code config.json}. Throws, naming the key, if an {@link Architecture} cannot describe what transformers
     * computes.
     */
    ModelConfig read(ConfigJson json);

    /**
     * The tensors that hold the parameters, without biases. Every row of every parameter is in exactly one of them. A
     * weight whose parameter has a bias by the architecture has that bias beside it, as {@link NamedTensor#bias} names it.
     */
    List<NamedTensor> tensors(Architecture architecture);

    /** The standard deviation of a matrix of a new model, divided by {@code initializer_range}. */
    default double initialScale(ParameterKind matrix, Architecture architecture) {
        return 1;
    }

    /** The modules that have LoRA adapters by default: those of PEFT if it knows the family. */
    List<String> loraTargets();

    /** The name in {@link #tensors} of a tensor that files may call otherwise. */
    default String savedName(String stored) {
        return stored;
    }

    /** The name of the head's tensor. Files of a tied model may hold it beside the embedding or instead of it. */
    String headName();

    /** The prefix of the names of all tensors but the head. */
    String bodyPrefix();

    /** Whether files may hold this tensor, by its {@link #savedName}, although it is computed from {@code config.json}; it is skipped. */
    boolean isComputed(String tensor);
}
