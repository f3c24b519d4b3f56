package org.dpo4j.model.family;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;

/** One family: its {@code config.json} and the names of its tensors, both ways. Stateless. */
public interface Family {

    /** {@code model_type} of its files. */
    String modelType();

    /** Reads a {@code config.json}; throws, naming the key, where it asks for what is not computed as transformers does. */
    ModelConfig read(ConfigJson json);

    /** The {@code config.json} of a new model. */
    ObjectNode write(ModelConfig config);

    /** Which tensors hold the parameters: every row of every parameter once. */
    List<NamedTensor> tensors(Architecture architecture);

    /** The tensor of the head, which files of a tied model may hold beside the embedding, or instead of it. */
    String headName();

    /** Whether files may hold this tensor though it follows from {@code config.json}; it is skipped. */
    boolean isComputed(String tensor);
}
