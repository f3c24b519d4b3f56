package org.dpo4j.model.family;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.function.Predicate;
import org.dpo4j.io.SafeTensors;
import org.dpo4j.io.SafeTensorsHeader;

/** Safetensors files with tensors of several dtypes. */
final class MixedFiles {
    private MixedFiles() {}

    /** Writes the tensors of {@code narrow}, but those that the predicate names from {@code wide}. */
    static void write(Path narrow, Path wide, Predicate<String> isWide, Path file) {
        try (SafeTensors rounded = SafeTensors.open(narrow);
                SafeTensors exact = SafeTensors.open(wide)) {
            List<SafeTensors.Plan> plans = new ArrayList<>();
            for (String name : rounded.entries().keySet()) {
                SafeTensorsHeader.Entry entry = entry(isWide.test(name) ? exact : rounded, name);
                plans.add(new SafeTensors.Plan(name, entry.dtype(), entry.shape()));
            }
            SafeTensors.write(file, plans, ByteBuffer.allocateDirect(1 << 20), (plan, offset, destination) -> {
                SafeTensors source = isWide.test(plan.name()) ? exact : rounded;
                source.read(entry(source, plan.name()), offset, destination);
            });
        }
    }

    /** Dtype, shape and bytes of each tensor. */
    static Map<String, List<Object>> tensors(Path file) {
        Map<String, List<Object>> all = new TreeMap<>();
        try (SafeTensors tensors = SafeTensors.open(file)) {
            tensors.entries().forEach((name, entry) -> {
                ByteBuffer bytes = ByteBuffer.allocate((int) (entry.end() - entry.begin()));
                tensors.read(entry, 0, bytes);
                all.put(name, List.of(entry.dtype(), entry.shape(), bytes.flip()));
            });
        }
        return all;
    }

    private static SafeTensorsHeader.Entry entry(SafeTensors file, String name) {
        return Objects.requireNonNull(file.entries().get(name));
    }
}
