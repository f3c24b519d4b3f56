package org.dpo4j.model;

import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.List;
import org.dpo4j.kernels.DType;
import org.jspecify.annotations.Nullable;

/** Finds weights that are NaN, infinite or beyond a limit. Waits for queued work. */
public final class WeightCheck {
    private WeightCheck() {}

    /** Says why a forward pass gave NaN or infinity, and what to do about it. {@code adapter} is null if the model has none. */
    static String explain(Parameters parameters, @Nullable Parameters adapter) {
        @Nullable String found = adapter == null ? null : firstNotFinite(adapter);
        return found != null
                ? "the adapter's weight " + found
                        + "; download the adapter again, or train it again with a lower learning_rate"
                : explain(parameters, "its activations overflow");
    }

    /** Says why the gradient of a model with its initial weights is NaN or infinite, and what to do about it. */
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
        return firstBeyond(parameters, parameters.tensors(), Float.MAX_VALUE);
    }

    /** The first weight of these tensors that is NaN or larger than {@code max} in size, in the same words; null if none is. */
    static @Nullable String firstBeyond(Parameters parameters, List<ParameterTensor> tensors, float max) {
        if (tensors.isEmpty()) {
            return null; // without the buffers
        }
        Staging staging = new Staging();
        for (ParameterTensor tensor : tensors) {
            @Nullable String found = firstBeyond(parameters, tensor, max, staging);
            if (found != null) {
                return tensor.name() + " is " + found;
            }
        }
        return null;
    }

    /**
     * Value and index of the first such weight, or null. Reads the tensor in pieces, because an embedding table may not
     * fit into the Java heap.
     */
    private static @Nullable String firstBeyond(
            Parameters parameters, ParameterTensor tensor, float max, Staging staging) {
        List<String> found = new ArrayList<>();
        staging.download(parameters.flatWeights(), tensor.placement(), DType.F32, (begin, source) -> {
            FloatBuffer values = source.order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer();
            int i = found.isEmpty() ? firstBeyond(values, max) : -1;
            if (i >= 0) {
                found.add(values.get(i) + " at " + tensor.index(begin + i));
            }
        });
        return found.isEmpty() ? null : found.get(0);
    }

    private static int firstBeyond(FloatBuffer values, float max) {
        int count = values.remaining();
        for (int i = 0; i < count; i++) {
            if (!(Math.abs(values.get(i)) <= max)) {
                return i;
            }
        }
        return -1;
    }
}
