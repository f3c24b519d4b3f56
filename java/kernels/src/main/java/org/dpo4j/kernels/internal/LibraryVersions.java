package org.dpo4j.kernels.internal;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.dpo4j.kernels.DeviceReport.Cuda;
import org.jspecify.annotations.Nullable;

/**
 * Versions of what this artifact builds on: of bindings, as their jars say; of native libraries, as they themselves say
 * once loaded.
 */
final class LibraryVersions {
    private static final String PRESETS = "org.bytedeco";

    private LibraryVersions() {}

    /** Of the bindings. */
    static Map<String, String> ofBindings() {
        Map<String, String> versions = new LinkedHashMap<>();
        put(versions, "JavaCPP", ofArtifact(PRESETS, "javacpp"));
        put(versions, "CUDA preset", ofArtifact(PRESETS, "cuda"));
        return versions;
    }

    /** Of bindings, and of libraries that can be loaded here. Needs {@link NativeLibrary#load}. */
    static Map<String, String> of(Cuda cuda) {
        Map<String, String> versions = ofBindings();
        put(versions, "oneDNN", OneDnn.version());
        // Where the system's loader found them, it finds them again; where it did not, there are none.
        List<String> libraries = cuda.usable() && cuda.libraries().isEmpty() ? CudaLibraries.NEEDED : cuda.libraries();
        for (String library : libraries) {
            if (library.endsWith(CudaLibraries.RUNTIME)) {
                versions.put("CUDA runtime", ofLibrary(library));
            } else if (library.endsWith(CudaLibraries.CUBLASLT)) {
                versions.put("cuBLASLt", ofLibrary(library));
            }
        }
        return versions;
    }

    private static void put(Map<String, String> versions, String name, @Nullable String version) {
        if (version != null) {
            versions.put(name, version);
        }
    }

    /** What the library answers; or why it does not. */
    static String ofLibrary(String path) {
        byte[] text = new byte[Status.TEXT_BYTES];
        int status = Native.dpo4j_library_version(path, text, text.length);
        return (status == 0 ? "" : "unknown: ") + Status.text(text);
    }

    /** What Maven wrote into the jar; null where the classes do not come from one. */
    static @Nullable String ofArtifact(String group, String artifact) {
        String file = "/META-INF/maven/" + group + "/" + artifact + "/pom.properties";
        try (InputStream in = Native.class.getResourceAsStream(file)) {
            if (in == null) {
                return null;
            }
            Properties properties = new Properties();
            properties.load(in);
            return properties.getProperty("version");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
