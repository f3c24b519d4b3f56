package org.dpo4j.conformance;

import java.lang.ref.SoftReference;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

/**
 * A cache of the last few results, by arguments. Every way, device and instruction set needs the same reference. Arrays
 * in the key are wrapped as buffers, which compare by content; they must not change afterwards.
 */
final class Remembered<T> {
    private final Map<List<Object>, SoftReference<T>> results = new LinkedHashMap<>(16, 0.75f, true);
    private final int max;

    Remembered(int max) {
        this.max = max;
    }

    T get(List<Object> arguments, Supplier<T> compute) {
        SoftReference<T> known = results.get(arguments);
        T result = known == null ? null : known.get();
        if (result == null) {
            result = compute.get();
            results.put(arguments, new SoftReference<>(result));
            if (results.size() > max) {
                results.remove(results.keySet().iterator().next());
            }
        }
        return result;
    }
}
