package org.dpo4j.train;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import org.dpo4j.model.Model;

/** An objective with gradients that are not finite in some steps. */
final class PoisonedObjective {
    private PoisonedObjective() {}

    /** Steps are counted from 1. */
    static Objective create(Objective objective, Model model, Set<Integer> poisoned) {
        int[] step = {0};
        return (Objective) Proxy.newProxyInstance(
                Objective.class.getClassLoader(), new Class<?>[] {Objective.class}, (proxy, method, arguments) -> {
                    Object result;
                    try {
                        result = method.invoke(objective, arguments);
                    } catch (InvocationTargetException e) {
                        throw Objects.requireNonNull(e.getCause());
                    }
                    boolean isStep = method.getName().equals("accumulate") && !isOneRow(arguments[0]);
                    if (isStep && poisoned.contains(++step[0])) {
                        ByteBuffer infinity =
                                ByteBuffer.allocateDirect(Float.BYTES).order(ByteOrder.nativeOrder());
                        infinity.putFloat(Float.POSITIVE_INFINITY).flip();
                        model.device().upload(model.parameters().gradients() + 5 * Float.BYTES, infinity);
                    }
                    return result;
                });
    }

    /** Whether these micro-batches are a search for the row that causes a gradient that is not finite. */
    private static boolean isOneRow(Object microBatches) {
        return microBatches instanceof List<?> batches
                && batches.size() == 1
                && batches.get(0) instanceof int[] rows
                && rows.length == 1;
    }
}
