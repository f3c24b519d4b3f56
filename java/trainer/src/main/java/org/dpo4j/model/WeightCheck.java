package org.dpo4j.model;

/** Why a model computes NaN or infinity: read from its weights once it has. */
public final class WeightCheck {
    private WeightCheck() {}

    /** The first weight that is not finite, or that all are, and what to do. */
    public static String explain(Model model) {
        Parameters parameters = model.parameters();
        for (ParameterTensor tensor : parameters.tensors()) {
            float[] weights = parameters.readWeights(tensor);
            for (int i = 0; i < weights.length; i++) {
                if (!Float.isFinite(weights[i])) {
                    return "the model's weight " + tensor.name() + " is " + weights[i] + " at " + place(tensor, i)
                            + "; download the model again, or train it again with a lower learning_rate";
                }
            }
        }
        return "all weights of the model are finite, so its activations overflow; use dtype float32, or check that"
                + " config.json belongs to these weights";
    }

    private static String place(ParameterTensor tensor, int index) {
        return tensor.matrix()
                ? "[" + index / tensor.columns() + ", " + index % tensor.columns() + "]"
                : "[" + index + "]";
    }
}
