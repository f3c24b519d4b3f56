package org.dpo4j.kernels.internal;

import java.net.URL;
import org.jspecify.annotations.Nullable;

/** Finds files in the jars of the class path and of the module path. */
final class JarFiles {
    private JarFiles() {}

    /**
     * The first file of this path, which starts without a slash; null if there is none. On the module path, {@link
     * Class#getResource} would look only in the jar of the class.
     */
    static @Nullable URL find(String path) {
        return JarFiles.class.getClassLoader().getResource(path);
    }
}
