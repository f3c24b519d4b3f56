package org.dpo4j.kernels.internal;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.dpo4j.kernels.Dpo4jException;

/** Instruction sets of the cpu device, narrowest first: the {@code dpo4j_cpu_isa} of the C header without AUTO. */
public enum InstructionSet {
    PORTABLE(1),
    AVX2(2),
    AVX512(3);

    /** System property that selects one, for tests: {@code portable}, {@code avx2} or {@code avx512}. */
    public static final String PROPERTY = "dpo4j.cpu.isa";

    private final int code;

    InstructionSet(int code) {
        this.code = code;
    }

    int code() {
        return code;
    }

    /** Its name in options and reports. */
    public String option() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** The widest that this processor supports. */
    static InstructionSet best() {
        int best = Native.dpo4j_cpu_isa_best();
        for (InstructionSet set : values()) {
            if (set.code == best) {
                return set;
            }
        }
        throw new IllegalStateException("dpo4j_cpu_isa_best returned " + best);
    }

    /** All that this processor supports. */
    static List<InstructionSet> available() {
        List<InstructionSet> available = new ArrayList<>();
        for (InstructionSet set : values()) {
            if (set.compareTo(best()) <= 0) {
                available.add(set);
            }
        }
        return available;
    }

    /**
     * The one in {@link #PROPERTY}, or else the best. Throws if it is unknown or this processor does not support it.
     */
    static InstructionSet chosen() {
        String name = System.getProperty(PROPERTY);
        if (name == null) {
            return best();
        }
        String supported = "this processor supports " + String.join(", ", names(available()));
        for (InstructionSet set : values()) {
            if (set.option().equals(name)) {
                if (!available().contains(set)) {
                    throw new Dpo4jException(PROPERTY + "=" + name + " is not available: " + supported);
                }
                return set;
            }
        }
        throw new Dpo4jException(PROPERTY + "=" + name + " is unknown: " + supported);
    }

    static List<String> names(List<InstructionSet> sets) {
        return sets.stream().map(InstructionSet::option).toList();
    }
}
