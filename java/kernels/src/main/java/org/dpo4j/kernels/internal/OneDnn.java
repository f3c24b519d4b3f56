package org.dpo4j.kernels.internal;

import java.io.File;
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

    private OneDnn() {}

    /** Returns once {@code dpo4j_matmul} can be called; throws, the same each time, why it cannot. */
    static void load() {
        String reason = Outcome.REASON;
        if (reason != null) {
            throw new Dpo4jException("matmul on cpu: " + reason);
        }
    }

    /** Where the library was found, or null. */
    static @Nullable URL find() {
        return OneDnn.class.getResource(DIRECTORY + LIBRARY);
    }

    /** What is said when it was not. */
    static String missing() {
        return "oneDNN is not on the class path: add " + COORDINATE;
    }

    private static final class Outcome {
        static final @Nullable String REASON = attempt();
    }

    private static @Nullable String attempt() {
        URL library = find();
        URL openmp = OneDnn.class.getResource(DIRECTORY + OPENMP);
        if (library == null || openmp == null) {
            return missing();
        }
        try {
            Loader.cacheResource(openmp); // beside the library, which looks for it there
            File file = Loader.cacheResource(library);
            byte[] text = new byte[Status.TEXT_BYTES];
            int status = Native.dpo4j_matmul_library(file.getPath(), text, text.length);
            return status == 0 ? null : Status.text(text);
        } catch (IOException e) {
            return "oneDNN could not be unpacked from " + library + ": " + e.getMessage()
                    + " (set -Dorg.bytedeco.javacpp.cachedir to a directory that can be written)";
        }
    }
}
