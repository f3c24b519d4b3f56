package org.dpo4j.model;

import java.nio.file.Path;
import java.util.List;
import org.dpo4j.io.SafeTensors;
import org.dpo4j.model.family.Families;

/** The tensors that the files of a model must hold. */
public final class TensorPlans {
    private TensorPlans() {}

    /** Names and shapes by a {@code config.json}, for a file of this dtype. */
    public static List<SafeTensors.Plan> read(Path config, String dtype) {
        return new ParameterLayout(Families.read(config))
                .tensors().stream()
                        .map(tensor -> new SafeTensors.Plan(tensor.name(), dtype, tensor.shape()))
                        .toList();
    }
}
