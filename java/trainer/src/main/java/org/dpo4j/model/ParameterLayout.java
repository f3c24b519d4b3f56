package org.dpo4j.model;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.family.Architecture;
import org.dpo4j.model.family.Architecture.AttentionTraits;
import org.dpo4j.model.family.Architecture.MlpTraits;
import org.dpo4j.model.family.Architecture.NormKind;
import org.dpo4j.model.family.Architecture.NormTraits;
import org.dpo4j.model.family.Architecture.QueryKeyNorm;
import org.dpo4j.model.family.Families;
import org.dpo4j.model.family.Family;
import org.dpo4j.model.family.ModelConfig;
import org.dpo4j.model.family.NamedTensor;
import org.dpo4j.model.family.ParameterKind;
import org.jspecify.annotations.Nullable;

/**
 * The offset of every parameter of a model in its flat buffers, in elements. Matrices, which have weight decay, are
 * first; vectors, which have none, follow.
 */
final class ParameterLayout implements FlatLayout {
    private record Key(ParameterKind kind, int layer) {}

    private final Map<Key, Parameter> parameters = new LinkedHashMap<>();
    private final List<ParameterTensor> tensors;
    private final ModelConfig config;
    private final Family family;
    private final PaddedSizes sizes;
    private final boolean isHeadTied;
    /** Parameters in 4 bits, and their tensors, placed as if each parameter were alone in a buffer. */
    private final Map<Parameter, List<ParameterTensor>> fourBit = new LinkedHashMap<>();

    private final boolean isFourBit;
    private final long decayCount;
    private final long count;
    private long next;
    /** Their offsets only tell them apart. */
    private long nextFourBit = 1L << 62;

    ParameterLayout(ModelConfig config) {
        this(config, false);
    }

    /** {@code isFourBit}: the matrices of layers have no place in the flat buffers, because they are stored in 4 bits. */
    ParameterLayout(ModelConfig config, boolean isFourBit) {
        this.isFourBit = isFourBit;
        Architecture architecture = config.architecture();
        sizes = new PaddedSizes(architecture);
        isHeadTied = architecture.isHeadTied();
        Axis hidden = new Axis(1, architecture.hiddenSize(), sizes.hiddenSize());
        this.config = config;
        family = Families.named(config.modelType());
        try {
            placeMatrices(architecture, hidden);
            align();
            decayCount = next;
            placeVectors(architecture, hidden);
            align();
            count = next;
        } catch (ArithmeticException e) {
            throw new Dpo4jException("the sizes in config.json make a model of more than 2^63 weights", e);
        }
        family.tensors(architecture).stream()
                .filter(tensor -> fourBit.containsKey(parameter(tensor.kind(), tensor.layer())))
                .forEach(this::addFourBit);
        tensors = family.tensors(architecture).stream()
                .flatMap(this::withBias)
                .filter(tensor -> !fourBit.containsKey(parameter(tensor.kind(), tensor.layer())))
                .map(this::tensor)
                .sorted(Comparator.comparingLong(tensor -> tensor.placement().first()))
                .toList();
    }

    private void placeMatrices(Architecture architecture, Axis hidden) {
        Axis vocabulary = Axis.plain(architecture.vocabSize());
        Axis queries = heads(architecture.attention(), sizes.heads());
        Axis qkv = heads(architecture.attention(), sizes.heads() + 2 * sizes.keyHeads());
        Axis inner = new Axis(1, architecture.mlp().innerSize(), sizes.innerSize());
        boolean isGated = architecture.mlp().function().isGated();
        matrix(ParameterKind.EMBEDDING, 0, vocabulary, hidden);
        if (architecture.hasPositionEmbedding()) {
            matrix(ParameterKind.POSITION_EMBEDDING, 0, Axis.plain(architecture.maxPositions()), hidden);
        }
        for (int layer = 0; layer < architecture.layerCount(); layer++) {
            matrix(ParameterKind.QKV, layer, qkv, hidden);
            matrix(ParameterKind.ATTENTION_OUTPUT, layer, hidden, queries);
            matrix(isGated ? ParameterKind.GATE_UP : ParameterKind.UP, layer, up(architecture.mlp()), hidden);
            matrix(ParameterKind.DOWN, layer, hidden, inner);
        }
        if (!isHeadTied) {
            matrix(ParameterKind.HEAD, 0, vocabulary, hidden);
        }
    }

    private void placeVectors(Architecture architecture, Axis hidden) {
        NormTraits norm = architecture.norm();
        for (int layer = 0; layer < architecture.layerCount(); layer++) {
            if (norm.placement().hasBefore()) {
                norm(ParameterKind.ATTENTION_NORM, layer, hidden, norm);
                norm(ParameterKind.MLP_NORM, layer, hidden, norm);
            }
            if (norm.placement().hasAfter()) {
                norm(ParameterKind.ATTENTION_OUTPUT_NORM, layer, hidden, norm);
                norm(ParameterKind.MLP_OUTPUT_NORM, layer, hidden, norm);
            }
            placeQueryKeyNorms(architecture.attention(), layer, weight(norm));
            placeBiases(architecture, layer, hidden);
        }
        norm(ParameterKind.LAST_NORM, 0, hidden, norm);
    }

    /** Weight and bias of a norm, which initially only normalizes. */
    private void norm(ParameterKind kind, int layer, Axis elements, NormTraits traits) {
        vector(kind, layer, elements, weight(traits));
        if (traits.kind().hasBias()) {
            vector(Objects.requireNonNull(kind.bias()), layer, elements, Initialization.ZEROS);
        }
    }

    private static Initialization weight(NormTraits traits) {
        return traits.kind() == NormKind.RMS_NORM_PLUS_ONE ? Initialization.ZEROS : Initialization.ONES;
    }

    private void placeQueryKeyNorms(AttentionTraits attention, int layer, Initialization norm) {
        if (attention.norm() != QueryKeyNorm.NONE) {
            boolean isPerHead = attention.norm() == QueryKeyNorm.PER_HEAD;
            vector(ParameterKind.QUERY_NORM, layer, heads(attention, isPerHead ? 1 : attention.heads()), norm);
            vector(ParameterKind.KEY_NORM, layer, heads(attention, isPerHead ? 1 : attention.keyHeads()), norm);
        }
    }

    private void placeBiases(Architecture architecture, int layer, Axis hidden) {
        if (architecture.attention().bias().isOnQkv()) {
            Axis qkv = heads(architecture.attention(), sizes.heads() + 2 * sizes.keyHeads());
            vector(ParameterKind.QKV_BIAS, layer, qkv, Initialization.ZEROS);
        }
        if (architecture.attention().bias().isOnOutput()) {
            vector(ParameterKind.ATTENTION_OUTPUT_BIAS, layer, hidden, Initialization.ZEROS);
        }
        if (architecture.mlp().hasBias()) {
            boolean isGated = architecture.mlp().function().isGated();
            ParameterKind kind = isGated ? ParameterKind.GATE_UP_BIAS : ParameterKind.UP_BIAS;
            vector(kind, layer, up(architecture.mlp()), Initialization.ZEROS);
            vector(ParameterKind.DOWN_BIAS, layer, hidden, Initialization.ZEROS);
        }
    }

    /** The outputs of the projection before the activation. */
    private Axis up(MlpTraits mlp) {
        return new Axis(mlp.function().isGated() ? 2 : 1, mlp.innerSize(), sizes.innerSize());
    }

    private Axis heads(AttentionTraits attention, int count) {
        return new Axis(count, attention.headDim(), sizes.headWidth());
    }

    private void matrix(ParameterKind kind, int layer, Axis rows, Axis columns) {
        if (isFourBit && kind.isProjection()) {
            Parameter parameter = new Parameter(nextFourBit++, rows, columns, true, Initialization.ZEROS);
            parameters.put(new Key(kind, layer), parameter);
            fourBit.put(parameter, new ArrayList<>());
            return;
        }
        double deviation = config.initializerRange() * family.initialScale(kind, config.architecture());
        place(kind, layer, new Parameter(aligned(), rows, columns, true, Initialization.normal(deviation)));
    }

    private void vector(ParameterKind kind, int layer, Axis elements, Initialization initialization) {
        place(kind, layer, new Parameter(aligned(), elements, Axis.plain(1), false, initialization));
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

    private void addFourBit(NamedTensor tensor) {
        Parameter parameter = parameter(tensor.kind(), tensor.layer());
        Parameter alone = new Parameter(0, parameter.rows(), parameter.columns(), true, parameter.initialization());
        Objects.requireNonNull(fourBit.get(parameter))
                .add(new ParameterTensor(tensor.name(), alone.placement(tensor), true));
    }

    /** A weight, and its bias if the model has one. */
    private Stream<NamedTensor> withBias(NamedTensor weight) {
        @Nullable ParameterKind bias = weight.kind().bias();
        if (bias == null || parameterOrNull(bias, weight.layer()) == null) {
            return Stream.of(weight);
        }
        return Stream.of(weight, weight.bias(bias));
    }

    private ParameterTensor tensor(NamedTensor tensor) {
        Parameter parameter = parameter(tensor.kind(), tensor.layer());
        return new ParameterTensor(tensor.name(), parameter.placement(tensor), parameter.isMatrix());
    }

    /** The sizes of the decoder in memory. */
    PaddedSizes sizes() {
        return sizes;
    }

    /** A parameter of a layer. */
    Parameter parameter(ParameterKind kind, int layer) {
        return Objects.requireNonNull(parameters.get(new Key(kind, layer)), () -> kind + " of layer " + layer);
    }

    /** A parameter of a layer; null if the model has none of that kind. */
    @Nullable
    Parameter parameterOrNull(ParameterKind kind, int layer) {
        return parameters.get(new Key(kind, layer));
    }

    /** The bias of a weight; null if the model has none. */
    @Nullable
    Parameter biasOrNull(ParameterKind weight, int layer) {
        @Nullable ParameterKind bias = weight.bias();
        return bias == null ? null : parameterOrNull(bias, layer);
    }

    /** A parameter that belongs to no layer. */
    Parameter parameter(ParameterKind kind) {
        return parameter(kind, 0);
    }

    /** The matrix of the head, which is the embedding if the two are tied. */
    Parameter head() {
        return parameter(isHeadTied ? ParameterKind.EMBEDDING : ParameterKind.HEAD);
    }

    @Override
    public Collection<Parameter> parameters() {
        return parameters.values().stream()
                .filter(parameter -> !fourBit.containsKey(parameter))
                .toList();
    }

    /** The matrices of projections that are not stored in 4 bits. */
    List<Parameter> projections() {
        return parameters.entrySet().stream()
                .filter(entry -> entry.getKey().kind.isProjection() && !fourBit.containsKey(entry.getValue()))
                .map(Map.Entry::getValue)
                .toList();
    }

    /** The parameters in 4 bits with their tensors; empty if all are in the flat buffers. */
    Map<Parameter, List<ParameterTensor>> fourBit() {
        return fourBit;
    }

    @Override
    public List<ParameterTensor> tensors() {
        return tensors;
    }

    /** Of vectors, and of embedding tables, unless the table is the head's matrix too: then the head's product comes first. */
    @Override
    public List<ParameterRange> summedRanges() {
        List<ParameterRange> ranges = new ArrayList<>();
        for (ParameterKind table : List.of(ParameterKind.EMBEDDING, ParameterKind.POSITION_EMBEDDING)) {
            @Nullable Parameter parameter = parameterOrNull(table, 0);
            if (parameter != null && !parameter.equals(head())) {
                ranges.add(parameter.range());
            }
        }
        ranges.add(new ParameterRange(decayCount, count, false));
        return ranges;
    }

    @Override
    public long decayCount() {
        return decayCount;
    }

    @Override
    public long count() {
        return count;
    }
}
