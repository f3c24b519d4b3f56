package org.dpo4j.kernels.internal;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.Properties;
import org.jspecify.annotations.Nullable;

/** Asks one artifact, or one native library, for its version. */
final class LibraryVersions {
    private LibraryVersions() {}

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
