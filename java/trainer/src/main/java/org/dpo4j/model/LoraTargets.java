package org.dpo4j.model;

import java.util.List;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;
import org.dpo4j.kernels.Dpo4jException;

/**
 * Which modules of a model have LoRA adapters: PEFT's {@code target_modules}. A module is a linear layer of attention or MLP
 * under its name in the model's files, such as {@code model.layers.0.self_attn.q_proj}.
 */
public sealed interface LoraTargets {

    /** Modules that have one of these names, or end with a point and one of them. */
    record Named(List<String> names) implements LoraTargets {
        public Named {
            names = List.copyOf(names);
            if (names.isEmpty()) {
                throw new Dpo4jException("target_modules is empty; name modules such as q_proj, or set all-linear");
            }
        }

        @Override
        public String toString() {
            return String.join(",", names);
        }
    }

    /** Modules whose whole name a regular expression matches. */
    record Matching(String regex) implements LoraTargets {
        public Matching {
            try {
                Pattern.compile(regex);
            } catch (PatternSyntaxException e) {
                throw new Dpo4jException(
                        "target_modules \"" + regex + "\" is not a regular expression: " + e.getDescription(), e);
            }
        }

        @Override
        public String toString() {
            return regex;
        }
    }

    /** All linear layers but the head. */
    record AllLinear() implements LoraTargets {
        @Override
        public String toString() {
            return LoraTargets.ALL_LINEAR;
        }
    }

    /** PEFT's default for the model's family, such as q_proj and v_proj. */
    record FamilyDefault() implements LoraTargets {
        @Override
        public String toString() {
            return "the default of the model's family";
        }
    }

    /** The word for {@link AllLinear}. */
    String ALL_LINEAR = "all-linear";

    /** The modules with these names; one name {@value #ALL_LINEAR} means all linear layers. */
    static LoraTargets named(List<String> names) {
        return names.equals(List.of(ALL_LINEAR)) ? new AllLinear() : new Named(names);
    }
}
