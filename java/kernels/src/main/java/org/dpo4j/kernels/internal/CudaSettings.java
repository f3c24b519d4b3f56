package org.dpo4j.kernels.internal;

import java.util.Arrays;
import java.util.List;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * What a {@link CudaDevice} is opened with.
 *
 * @param without comma-separated names of kernels that it does not use: those for one architecture, beside which another
 *     kernel does the same work
 * @param residentClusters for tests: 0 asks the GPU how many blocks or clusters it runs at once, a number above 0 is
 *     taken for its answer
 */
public record CudaSettings(String without, int residentClusters) {
    /** System property and environment variable: the {@code without} of devices that are opened with nothing else. */
    static final String PROPERTY = "dpo4j.without";

    static final String VARIABLE = "DPO4J_WITHOUT";

    /** As this process was told. */
    static CudaSettings ofProcess() {
        return of(System.getProperty(PROPERTY), System.getenv(VARIABLE));
    }

    /** Settings by the value of the system property, else of the environment variable; null where one is not set. */
    static CudaSettings of(@Nullable String property, @Nullable String variable) {
        String without = property == null ? variable : property;
        return new CudaSettings(without == null ? "" : without, 0);
    }

    /** Throws where this process was told to turn off a kernel that there is not. */
    public static void checkProcess() {
        NativeLibrary.load();
        String refusal = ofProcess().refusal();
        if (refusal != null) {
            throw new Dpo4jException(refusal);
        }
    }

    /** The names. */
    List<String> kernelsOff() {
        return Arrays.stream(without.split(",", -1))
                .map(String::trim)
                .filter(name -> !name.isEmpty())
                .distinct()
                .toList();
    }

    /** Why no device can be opened with these; null where one can. Needs {@link NativeLibrary#load}. */
    @Nullable
    String refusal() {
        byte[] text = new byte[Status.TEXT_BYTES];
        return Native.dpo4j_cuda_check_kernels(without, text, text.length) == 0
                ? null
                : VARIABLE + " (or -D" + PROPERTY + ") is '" + without + "': " + Status.text(text);
    }
}
