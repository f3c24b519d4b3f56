package org.dpo4j.conformance;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.MatmulShape;
import org.jspecify.annotations.Nullable;

/** A device that counts the rows of products with the LM head, which it recognises by the vocabulary size. */
public final class CountingDevice {
    private final Device counted;
    private final int vocabulary;

    /** Rows whose logits were computed. */
    public int logits;

    /** Rows whose gradient was computed. */
    public int dRows;

    /** Rows that were added to the gradient of the head. */
    public int dHead;

    /** Counts the products of {@code counted}. */
    public CountingDevice(Device counted, int vocabulary) {
        this.counted = counted;
        this.vocabulary = vocabulary;
    }

    /** The counting device. It passes all calls to the other one. */
    public Device device() {
        return (Device) Proxy.newProxyInstance(
                Device.class.getClassLoader(),
                new Class<?>[] {Device.class},
                (proxy, method, arguments) -> call(method, arguments));
    }

    private @Nullable Object call(Method method, Object @Nullable [] arguments) throws Throwable {
        if (method.getName().equals("matmul") && arguments != null) {
            count((MatmulShape) arguments[3]);
        }
        try {
            return method.invoke(counted, arguments);
        } catch (InvocationTargetException e) {
            throw e.getCause();
        }
    }

    private void count(MatmulShape shape) {
        logits += shape.n() == vocabulary ? Math.toIntExact(shape.m()) : 0;
        dRows += shape.k() == vocabulary ? Math.toIntExact(shape.m()) : 0;
        dHead += shape.m() == vocabulary ? Math.toIntExact(shape.k()) : 0;
    }
}
