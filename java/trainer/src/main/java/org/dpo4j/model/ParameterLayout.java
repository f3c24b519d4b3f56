package org.dpo4j.model;

import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.family.Architecture;
import org.dpo4j.model.family.Families;
import org.dpo4j.model.family.ModelConfig;
import org.dpo4j.model.family.NamedTensor;
import org.dpo4j.model.family.ParameterKind;

/**
 * The offset of every parameter of a model in its flat buffers, in elements. Matrices, which have weight decay, are
 * first; vectors, which have none, follow.
 */
final class ParameterLayout {
    /**
     * Alignment of parameters in elements: 256 bytes at 2 bytes per element, so that the layout is the same for all
     * dtypes.
     */
    static final int ALIGNMENT = 128;

    private record Key(ParameterKind kind, int layer) {}

    private final Map<Key, Parameter> parameters = new LinkedHashMap<>();
    private final List<ParameterTensor> tensors;
    private final boolean isHeadTied;
    private final long decayCount;
    private final long count;
    private long next;

    ParameterLayout(ModelConfig config) {
        isHeadTied = config.architecture().isHeadTied();
        try {
            placeMatrices(config.architecture());
            align();
            decayCount = next;
            placeVectors(config.architecture());
            align();
            count = next;
        } catch (ArithmeticException e) {
            throw new Dpo4jException("the sizes in config.json make a model of more than 2^63 weights", e);
        }
        tensors = Families.named(config.modelType()).tensors(config.architecture()).stream()
                .map(this::tensor)
                .sorted(Comparator.comparingLong(ParameterTensor::offset))
                .toList();
    }

    private void placeMatrices(Architecture architecture) {
        int hidden = architecture.hiddenSize();
        int inner = architecture.mlp().innerSize();
        matrix(ParameterKind.EMBEDDING, 0, architecture.vocabSize(), hidden);
        for (int layer = 0; layer < architecture.layerCount(); layer++) {
            matrix(ParameterKind.QKV, layer, architecture.attention().qkvWidth(), hidden);
            matrix(
                    ParameterKind.ATTENTION_OUTPUT,
                    layer,
                    hidden,
                    architecture.attention().queryWidth());
            matrix(ParameterKind.GATE_UP, layer, 2 * inner, hidden);
            matrix(ParameterKind.DOWN, layer, hidden, inner);
        }
        if (!isHeadTied) {
            matrix(ParameterKind.HEAD, 0, architecture.vocabSize(), hidden);
        }
    }

    private void placeVectors(Architecture architecture) {
        int hidden = architecture.hiddenSize();
        for (int layer = 0; layer < architecture.layerCount(); layer++) {
            vector(ParameterKind.ATTENTION_NORM, layer, hidden, Initialization.ONES);
            vector(ParameterKind.MLP_NORM, layer, hidden, Initialization.ONES);
        }
        vector(ParameterKind.LAST_NORM, 0, hidden, Initialization.ONES);
    }

    private void matrix(ParameterKind kind, int layer, int rows, int columns) {
        place(kind, layer, new Parameter(aligned(), rows, columns, true, Initialization.NORMAL));
    }

    private void vector(ParameterKind kind, int layer, int width, Initialization initialization) {
        place(kind, layer, new Parameter(aligned(), 1, width, false, initialization));
    }

    private void place(ParameterKind kind, int layer, Parameter parameter) {
        parameters.put(new Key(kind, layer), parameter);
        next = Math.addExact(next, parameter.count());
    }

    private long aligned() {
        align();
        return next;
    }

    private void align() {
        next = Math.addExact(next, -next & ALIGNMENT - 1);
    }

    private ParameterTensor tensor(NamedTensor tensor) {
        Parameter parameter = parameter(tensor.kind(), tensor.layer());
        return parameter.isMatrix()
                ? new ParameterTensor(
                        tensor.name(),
                        parameter.offset() + (long) tensor.begin() * parameter.columns(),
                        tensor.count(),
                        parameter.columns(),
                        true)
                : new ParameterTensor(tensor.name(), parameter.offset() + tensor.begin(), 1, tensor.count(), false);
    }

    /** A parameter of a layer. */
    Parameter parameter(ParameterKind kind, int layer) {
        return Objects.requireNonNull(parameters.get(new Key(kind, layer)), () -> kind + " of layer " + layer);
    }

    /** A parameter that belongs to no layer. */
    Parameter parameter(ParameterKind kind) {
        return parameter(kind, 0);
    }

    /** The matrix of the head, which is the embedding if the two are tied. */
    Parameter head() {
        return parameter(isHeadTied ? ParameterKind.EMBEDDING : ParameterKind.HEAD);
    }

    /** All parameters, in the order of their offsets. */
    Iterable<Parameter> parameters() {
        return parameters.values();
    }

    /** The tensors of files, in the order of their offsets. */
    List<ParameterTensor> tensors() {
        return tensors;
    }

    /** Number of elements with weight decay, at the front: the matrices and their padding. */
    long decayCount() {
        return decayCount;
    }

    /** Number of all elements, with padding. */
    long count() {
        return count;
    }
}
