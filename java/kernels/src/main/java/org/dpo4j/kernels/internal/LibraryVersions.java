package org.dpo4j.kernels.internal;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.URL;
import java.util.Properties;
import org.jspecify.annotations.Nullable;

/** Versions of artifacts and of native libraries. */
final class LibraryVersions {
    private LibraryVersions() {}

    /** The version that a native library returns, or why it returns none. */
    static String libraryVersion(String path) {
        byte[] text = new byte[Status.TEXT_BYTES];
        int status = Native.dpo4j_library_version(path, text, text.length);
        return (status == 0 ? "" : "unknown: ") + Status.text(text);
    }

    /** The version that Maven wrote into the jar; null if the classes are not in a jar. */
    static @Nullable String artifactVersion(String group, String artifact) {
        URL file = JarFiles.find("META-INF/maven/" + group + "/" + artifact + "/pom.properties");
        if (file == null) {
            return null;
        }
        try (InputStream in = file.openStream()) {
            Properties properties = new Properties();
            properties.load(in);
            return properties.getProperty("version");
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
