package org.dpo4j.kernels.internal;

import java.util.Arrays;
import java.util.List;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * Settings of a {@link CudaDevice}.
 *
 * @param without comma-separated names of kernels that it does not use, as in {@code dpo4j_cuda_check_kernels}
 * @param residentClusters for tests: 0 asks the GPU how many blocks or clusters it can run at once; a number above 0
 *     replaces the answer
 */
public record CudaSettings(String without, int residentClusters) {
    /** System property and environment variable for {@code without}. */
    static final String PROPERTY = "dpo4j.without";

    static final String VARIABLE = "DPO4J_WITHOUT";

    /** Settings from the system property or the environment of this process. */
    static CudaSettings fromProcess() {
        return from(System.getProperty(PROPERTY), System.getenv(VARIABLE));
    }

    /** Settings from the value of the system property, or else of the environment variable; null if not set. */
    static CudaSettings from(@Nullable String property, @Nullable String variable) {
        String without = property == null ? variable : property;
        return new CudaSettings(without == null ? "" : without, 0);
    }

    /** Throws if the settings of this process name an unknown kernel. */
    public static void checkProcess() {
        NativeLibrary.load();
        String refusal = fromProcess().refusal();
        if (refusal != null) {
            throw new Dpo4jException(refusal);
        }
    }

    /** The names in {@code without}. */
    List<String> kernelsOff() {
        return Arrays.stream(without.split(",", -1))
                .map(String::trim)
                .filter(name -> !name.isEmpty())
                .distinct()
                .toList();
    }

    /** Why no device can be opened with these settings, or null. Needs {@link NativeLibrary#load}. */
    @Nullable
    String refusal() {
        byte[] text = new byte[Status.TEXT_BYTES];
        return Native.dpo4j_cuda_check_kernels(without, text, text.length) == 0
                ? null
                : VARIABLE + " (or -D" + PROPERTY + ") is '" + without + "': " + Status.text(text);
    }
}
