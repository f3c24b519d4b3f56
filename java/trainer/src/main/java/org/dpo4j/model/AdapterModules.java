package org.dpo4j.model;

import java.util.ArrayList;
import java.util.List;
import java.util.TreeSet;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.family.Architecture;
import org.dpo4j.model.family.Family;
import org.dpo4j.model.family.NamedTensor;
import org.dpo4j.model.family.ParameterKind;

/** Finds the modules that {@link LoraTargets} name, by PEFT's rules. */
final class AdapterModules {
    private static final String WEIGHT = ".weight";

    private final List<NamedTensor> linear;
    private final List<NamedTensor> tables;
    private final Family family;

    AdapterModules(Family family, Architecture architecture) {
        this.family = family;
        this.linear = family.tensors(architecture).stream()
                .filter(tensor -> tensor.kind().isProjection())
                .toList();
        this.tables = family.tensors(architecture).stream()
                .filter(tensor -> isTable(tensor.kind()))
                .toList();
    }

    private static boolean isTable(ParameterKind kind) {
        return switch (kind) {
            case EMBEDDING, POSITION_EMBEDDING, HEAD -> true;
            default -> false;
        };
    }

    /** The name of the module that has this weight. */
    static String module(NamedTensor weight) {
        return weight.name().substring(0, weight.name().length() - WEIGHT.length());
    }

    /** The weights of the modules, in the order of the family. Throws if there are none, or a name matches no module. */
    List<NamedTensor> find(LoraTargets targets) {
        if (targets instanceof LoraTargets.Named named) {
            named.names().forEach(this::requireModule);
        }
        Predicate<String> isTarget = predicate(targets);
        tables.stream().map(AdapterModules::module).filter(isTarget).findFirst().ifPresent(table -> {
            if (!(targets instanceof LoraTargets.AllLinear)) {
                throw refusedTable(table);
            }
        });
        List<NamedTensor> found = new ArrayList<>();
        linear.stream().filter(tensor -> isTarget.test(module(tensor))).forEach(found::add);
        if (found.isEmpty()) {
            throw new Dpo4jException("target_modules " + targets + " matches no module; " + available());
        }
        return found;
    }

    private Predicate<String> predicate(LoraTargets targets) {
        if (targets instanceof LoraTargets.Named named) {
            return module -> named.names().stream().anyMatch(name -> isNamed(module, name));
        }
        if (targets instanceof LoraTargets.Matching matching) {
            return Pattern.compile(matching.regex()).asMatchPredicate();
        }
        if (targets instanceof LoraTargets.AllLinear) {
            return module -> true;
        }
        List<String> defaults = family.loraTargets();
        return module -> defaults.stream().anyMatch(name -> isNamed(module, name));
    }

    private static boolean isNamed(String module, String name) {
        return module.equals(name) || module.endsWith("." + name);
    }

    private void requireModule(String name) {
        if (linear.stream().noneMatch(tensor -> isNamed(module(tensor), name))) {
            if (name.equals("lm_head") || tables.stream().anyMatch(tensor -> isNamed(module(tensor), name))) {
                throw refusedTable(name);
            }
            throw new Dpo4jException(
                    "target_modules has " + name + ", but the model has no such linear layer; " + available());
        }
    }

    private static Dpo4jException refusedTable(String module) {
        return new Dpo4jException("target_modules has " + module
                + ", but adapters of embeddings and of the head are not supported; leave it out, or merge a"
                + " finished adapter with PEFT (merge_and_unload)");
    }

    private String available() {
        return linear.stream()
                .map(tensor -> module(tensor))
                .map(module -> module.substring(module.lastIndexOf('.') + 1))
                .collect(Collectors.collectingAndThen(
                        Collectors.toCollection(TreeSet::new),
                        names -> "name some of " + String.join(", ", names) + ", or set all-linear"));
    }
}
