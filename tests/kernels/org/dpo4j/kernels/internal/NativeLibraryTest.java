package org.dpo4j.kernels.internal;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.InputStream;
import java.net.URL;
import java.util.Arrays;
import java.util.Collections;
import java.util.Enumeration;
import org.dpo4j.kernels.Devices;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Errors on a class path that lacks a jar: the same classes, in a class loader that hides files. */
class NativeLibraryTest {

    /**
     * Loads the library in the class loader of the tests first, so that the result does not depend on other tests in the
     * JVM. JavaCPP loads a library once. For another class loader than its own it would call {@code Runtime.load0} by
     * reflection, which Java does not permit.
     */
    @BeforeAll
    static void loadLibrary() {
        NativeLibrary.load();
    }

    /** Loads the classes of dpo4j again, and finds no resource whose name contains {@code hidden}. */
    private static final class Without extends ClassLoader {
        private final String hidden;

        Without(String hidden) {
            super(NativeLibraryTest.class.getClassLoader());
            this.hidden = hidden;
        }

        @Override
        protected Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
            if (!name.startsWith("org.dpo4j.")) {
                return super.loadClass(name, resolve);
            }
            synchronized (getClassLoadingLock(name)) {
                Class<?> loaded = findLoadedClass(name);
                return loaded == null ? define(name) : loaded;
            }
        }

        private Class<?> define(String name) throws ClassNotFoundException {
            try (InputStream in = super.getResourceAsStream(name.replace('.', '/') + ".class")) {
                byte[] bytes = in.readAllBytes();
                return defineClass(name, bytes, 0, bytes.length);
            } catch (IOException e) {
                throw new ClassNotFoundException(name, e);
            }
        }

        @Override
        public @Nullable URL getResource(String name) {
            return name.contains(hidden) ? null : super.getResource(name);
        }

        @Override
        public Enumeration<URL> getResources(String name) throws IOException {
            return name.contains(hidden) ? Collections.emptyEnumeration() : super.getResources(name);
        }
    }

    private static String reportWithout(String hidden) throws ReflectiveOperationException {
        Class<?> devices = new Without(hidden).loadClass(Devices.class.getName());
        return devices.getMethod("report").invoke(null).toString();
    }

    @Test
    void aMissingNativeJarIsNamed() throws ReflectiveOperationException {
        String report = reportWithout("linux-x86_64/libjnidpo4j.so");
        String[] reasons = report.split("the native library is not on the class path or module path", -1);
        assertThat(Arrays.asList(reasons)).as(report).hasSize(3); // cpu's reason and cuda's
        assertThat(report).contains("org.dpo4j:dpo4j-kernels:").contains(":linux-x86_64");
    }

    @Test
    void aMissingOneDnnIsNamed() throws ReflectiveOperationException {
        assertThat(reportWithout("libdnnl")).contains("add org.bytedeco:dnnl:3.11-1.5.13:linux-x86_64");
    }
}
