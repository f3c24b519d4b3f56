package org.dpo4j.kernels.internal;

import java.io.IOException;
import java.net.URL;
import org.bytedeco.javacpp.Loader;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * Loads oneDNN, which computes matrix products on cpu, from the jar of JavaCPP's preset. The classes of the preset are
 * not used, because they need OpenCL.
 */
final class OneDnn {
    private static final String COORDINATE = "org.bytedeco:dnnl:3.11-1.5.13:linux-x86_64";
    private static final String DIRECTORY = "org/bytedeco/dnnl/linux-x86_64/";
    private static final String LIBRARY = "libdnnl.so.3";
    private static final String OPENMP = "libgomp.so.1";
    private static final String MISSING = "oneDNN was not found: add " + COORDINATE
            + " to the class path; a program of modules says `requires org.bytedeco.dnnl.linux.x86_64`";

    private OneDnn() {}

    /** Makes {@code dpo4j_matmul} callable. If that failed, every call throws the same reason. */
    static void load() {
        String reason = Once.OUTCOME.reason;
        if (reason != null) {
            throw new Dpo4jException("matmul on cpu: " + reason);
        }
    }

    /** Says where the library was found, or what to add to the class path. */
    static String find() {
        URL library = JarFiles.find(DIRECTORY + LIBRARY);
        return library == null ? MISSING : "oneDNN from " + library;
    }

    /** Says where the library was found, or why it could not be loaded. */
    static String describe() {
        String reason = Once.OUTCOME.reason;
        return reason == null ? find() : reason;
    }

    /** The version that the library returns; null if it could not be loaded. */
    static @Nullable String version() {
        Outcome outcome = Once.OUTCOME;
        return outcome.reason == null ? LibraryVersions.libraryVersion(outcome.path) : null;
    }

    /**
     * The result of loading.
     *
     * @param path path of the library
     * @param reason why it was not loaded, or null
     */
    private record Outcome(String path, @Nullable String reason) {}

    private static final class Once {
        static final Outcome OUTCOME = attempt();
    }

    private static Outcome attempt() {
        URL library = JarFiles.find(DIRECTORY + LIBRARY);
        URL openmp = JarFiles.find(DIRECTORY + OPENMP);
        if (library == null || openmp == null) {
            return new Outcome(LIBRARY, MISSING);
        }
        try {
            Loader.cacheResource(openmp); // into the directory of the library, which looks for it there
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
