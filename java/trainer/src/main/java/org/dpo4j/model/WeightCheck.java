package org.dpo4j.model;

import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.List;
import org.dpo4j.kernels.DType;
import org.jspecify.annotations.Nullable;

/** Finds weights that are NaN or infinite. Waits for queued work. */
public final class WeightCheck {
    private WeightCheck() {}

    /** Why a forward pass gives NaN or infinity, and what to do. */
    public static String explain(Parameters parameters) {
        return explain(parameters, "its activations overflow");
    }

    /** Why the gradient of a model with its initial weights is NaN or infinite, and what to do. */
    public static String explainGradient(Parameters parameters) {
        return explain(parameters, "its activations or their gradients overflow");
    }

    private static String explain(Parameters parameters, String otherwise) {
        @Nullable String found = firstNotFinite(parameters);
        return found != null
                ? "the model's weight " + found
                        + "; download the model again, or train it again with a lower learning_rate"
                : "all weights of the model are finite, so " + otherwise
                        + "; use dtype float32, or check that config.json belongs to these weights";
    }

    /** The first weight that is not finite, as {@code "NAME is NaN at [ROW, COLUMN]"}; null if all are finite. */
    public static @Nullable String firstNotFinite(Parameters parameters) {
        Staging staging = new Staging();
        for (ParameterTensor tensor : parameters.tensors()) {
            @Nullable String found = firstNotFinite(parameters, tensor, staging);
            if (found != null) {
                return tensor.name() + " is " + found;
            }
        }
        return null;
    }

    /**
     * Value and index of the first weight that is not finite, or null. Reads the tensor in pieces, because an embedding
     * table may not fit into the Java heap.
     */
    private static @Nullable String firstNotFinite(Parameters parameters, ParameterTensor tensor, Staging staging) {
        List<String> found = new ArrayList<>();
        staging.download(parameters.flatWeights(), tensor.placement(), DType.F32, (begin, source) -> {
            FloatBuffer values = source.order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer();
            for (int i = 0; found.isEmpty() && i < values.remaining(); i++) {
                if (!Float.isFinite(values.get(i))) {
                    found.add(values.get(i) + " at " + tensor.index(begin + i));
                }
            }
        });
        return found.isEmpty() ? null : found.get(0);
    }
}
