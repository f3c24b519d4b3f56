package org.dpo4j.model;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.dpo4j.model.Placement.RowRange;
import org.dpo4j.model.family.Families;
import org.dpo4j.model.family.Family;
import org.dpo4j.model.family.ModelConfig;
import org.dpo4j.model.family.NamedTensor;
import org.dpo4j.model.family.ParameterKind;
import org.jspecify.annotations.Nullable;

/**
 * Where the matrices of adapters are in a flat buffer. The A of all targets of a projection are blocks of rows of one
 * parameter, and each target has a parameter B. Ranks are padded to multiples of 8, and to the max rank of a projection's
 * targets. The padding is 0, and so is its gradient.
 */
final class AdapterLayout implements FlatLayout {
    /** PEFT's model is inside of two others. */
    private static final String PREFIX = "base_model.model.";

    private static final int RANK_MULTIPLE = 8;

    /** A projection of a layer. */
    record Key(ParameterKind projection, int layer) {}

    /** The parameters of a projection's adapters. */
    record Placed(Parameter a, List<LowRank.Target> targets) {
        int width() {
            return a.rows().paddedSize();
        }
    }

    private final List<Parameter> parameters = new ArrayList<>();
    private final List<ParameterTensor> tensors = new ArrayList<>();
    private final Map<Key, Placed> placed = new LinkedHashMap<>();
    /** The rank of each module, by its name. */
    private final Map<String, Integer> ranks = new TreeMap<>();

    private boolean isTransposed;
    private long next;

    /** Throws if the config names modules that the model does not have. */
    AdapterLayout(ParameterLayout base, ModelConfig config, LoraConfig lora) {
        Family family = Families.named(config.modelType());
        Map<Key, List<NamedTensor>> byProjection = new LinkedHashMap<>();
        for (NamedTensor tensor : new AdapterModules(family, config.architecture()).find(lora.targets())) {
            byProjection
                    .computeIfAbsent(new Key(tensor.kind(), tensor.layer()), key -> new ArrayList<>())
                    .add(tensor);
        }
        byProjection.forEach(
                (key, targets) -> placed.put(key, place(base.parameter(key.projection, key.layer), targets, lora)));
        align();
        tensors.sort(Comparator.comparingLong(tensor -> tensor.placement().first()));
    }

    private Placed place(Parameter weight, List<NamedTensor> targets, LoraConfig lora) {
        int max = targets.stream()
                .mapToInt(target -> lora.rank(AdapterModules.module(target)))
                .max()
                .orElseThrow();
        int padded = max + RANK_MULTIPLE - 1 & -RANK_MULTIPLE;
        Parameter a = add(new Axis(targets.size(), max, padded), weight.columns());
        List<LowRank.Target> placedTargets = new ArrayList<>();
        for (int i = 0; i < targets.size(); i++) {
            String module = AdapterModules.module(targets.get(i));
            int rank = lora.rank(module);
            ranks.put(module, rank);
            isTransposed |= targets.get(i).isTransposed();
            List<RowRange> rows = List.of(new RowRange(a.rows(), i * max, rank));
            tensors.add(tensor(module, "lora_A", new Placement(a.offset(), rows, a.columns(), false)));
            placedTargets.add(placeOutput(weight, targets.get(i), new Axis(1, rank, padded), lora.scale(module)));
        }
        return new Placed(a, placedTargets);
    }

    /** The rows of a target's B are in the order of the fused matrix; its tensor has the order of files. */
    private LowRank.Target placeOutput(Parameter weight, NamedTensor target, Axis rank, float scale) {
        int begin =
                target.rows().stream().mapToInt(NamedTensor.Rows::begin).min().orElseThrow();
        int count = target.rows().stream().mapToInt(NamedTensor.Rows::count).sum();
        Axis all = weight.rows();
        Axis outputs = new Axis(count / all.width(), all.width(), all.paddedWidth());
        Parameter b = add(outputs, rank);
        List<RowRange> rows = target.rows().stream()
                .map(range -> new RowRange(outputs, range.begin() - begin, range.count()))
                .toList();
        tensors.add(
                tensor(AdapterModules.module(target), "lora_B", new Placement(b.offset(), rows, b.columns(), false)));
        return new LowRank.Target(b, all.at(begin), scale);
    }

    private static ParameterTensor tensor(String module, String matrix, Placement placement) {
        return new ParameterTensor(PREFIX + module + "." + matrix + ".weight", placement, true);
    }

    private Parameter add(Axis rows, Axis columns) {
        align();
        Parameter parameter = new Parameter(next, rows, columns, true, Initialization.ZEROS);
        parameters.add(parameter);
        next = Math.addExact(next, parameter.count());
        return parameter;
    }

    private void align() {
        next = Math.addExact(next, -next & ALIGNMENT - 1);
    }

    /** The adapters of a projection; null if it has none. */
    @Nullable
    Placed placed(ParameterKind projection, int layer) {
        return placed.get(new Key(projection, layer));
    }

    /** All projections with adapters. */
    Map<Key, Placed> all() {
        return placed;
    }

    /** The rank of each module, by its name. */
    Map<String, Integer> ranks() {
        return ranks;
    }

    /** Whether the model's files hold its matrices as [in, out]. */
    boolean isTransposed() {
        return isTransposed;
    }

    /** None: the gradients of A and B are products. */
    @Override
    public List<ParameterRange> summedRanges() {
        return List.of();
    }

    @Override
    public Collection<Parameter> parameters() {
        return parameters;
    }

    @Override
    public List<ParameterTensor> tensors() {
        return tensors;
    }

    /** All are matrices. */
    @Override
    public long decayCount() {
        return next;
    }

    @Override
    public long count() {
        return next;
    }
}
