package org.dpo4j.kernels.internal;

import java.io.IOException;
import java.net.URL;
import org.bytedeco.javacpp.Loader;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * The oneDNN library behind the cpu's matrix products: a file in the jar of JavaCPP's preset. None of the preset's
 * classes is used, because they need OpenCL.
 */
final class OneDnn {
    private static final String COORDINATE = "org.bytedeco:dnnl:3.11-1.5.13:linux-x86_64";
    private static final String DIRECTORY = "/org/bytedeco/dnnl/linux-x86_64/";
    private static final String LIBRARY = "libdnnl.so.3";
    private static final String OPENMP = "libgomp.so.1";
    private static final String MISSING = "oneDNN is not on the class path: add " + COORDINATE;

    private OneDnn() {}

    /** Returns once {@code dpo4j_matmul} can be called; throws, the same each time, why it cannot. */
    static void load() {
        String reason = Once.OUTCOME.reason;
        if (reason != null) {
            throw new Dpo4jException("matmul on cpu: " + reason);
        }
    }

    /** Where the library was found, or what to add. */
    static String find() {
        URL library = OneDnn.class.getResource(DIRECTORY + LIBRARY);
        return library == null ? MISSING : "oneDNN from " + library;
    }

    /** As {@link #find}; or why what was found cannot be loaded. */
    static String describe() {
        String reason = Once.OUTCOME.reason;
        return reason == null ? find() : reason;
    }

    /** What the library says; null where there is none. */
    static @Nullable String version() {
        Outcome outcome = Once.OUTCOME;
        return outcome.reason == null ? LibraryVersions.ofLibrary(outcome.path) : null;
    }

    /**
     * What came of loading.
     *
     * @param path of the library
     * @param reason why it was not loaded, or null
     */
    private record Outcome(String path, @Nullable String reason) {}

    private static final class Once {
        static final Outcome OUTCOME = attempt();
    }

    private static Outcome attempt() {
        URL library = OneDnn.class.getResource(DIRECTORY + LIBRARY);
        URL openmp = OneDnn.class.getResource(DIRECTORY + OPENMP);
        if (library == null || openmp == null) {
            return new Outcome(LIBRARY, MISSING);
        }
        try {
            Loader.cacheResource(openmp); // beside the library, which looks for it there
            String path = Loader.cacheResource(library).getPath();
            byte[] text = new byte[Status.TEXT_BYTES];
            int status = Native.dpo4j_matmul_library(path, text, text.length);
            return new Outcome(path, status == 0 ? null : Status.text(text));
        } catch (IOException e) {
            return new Outcome(
                    LIBRARY,
                    "oneDNN could not be unpacked from " + library + ": " + e.getMessage()
                            + " (set -Dorg.bytedeco.javacpp.cachedir to a directory that can be written)");
        }
    }
}
