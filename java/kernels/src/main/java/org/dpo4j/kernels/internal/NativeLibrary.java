package org.dpo4j.kernels.internal;

import java.io.File;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.reflect.InaccessibleObjectException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.bytedeco.javacpp.Loader;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/** Loads {@code libdpo4j.so} and its JavaCPP bridge, once per process. */
public final class NativeLibrary {
    /** System property: the path of a {@code libdpo4j.so} that replaces the one in the jar. */
    public static final String PATH_PROPERTY = "dpo4j.native.path";

    private static final String PLATFORM = "linux-x86_64";
    private static final String DIRECTORY = "org/dpo4j/kernels/internal/" + PLATFORM;
    private static final String BRIDGE = DIRECTORY + "/libjnidpo4j.so";
    private static final String LIBRARY = DIRECTORY + "/libdpo4j.so";
    private static final String ARTIFACT = "org.dpo4j:dpo4j-kernels";
    private static final Pattern ABI_VERSION = Pattern.compile("#define DPO4J_ABI_VERSION (\\d+)");
    private static final String UNPACKAGED = "unpackaged";

    private NativeLibrary() {}

    /** Makes {@link Native} callable. If that failed, every call throws an error with the same reason. */
    public static void load() {
        String reason = Outcome.REASON;
        if (reason != null) {
            throw new Dpo4jException(reason);
        }
    }

    /** Its static initialiser loads the library, so the JVM loads it once. */
    private static final class Outcome {
        static final @Nullable String REASON = attempt();
    }

    private static @Nullable String attempt() {
        String platform = Loader.getPlatform();
        if (!platform.equals(PLATFORM)) {
            return "dpo4j runs on " + PLATFORM + "; this Java runs on " + platform + ": use a 64-bit x86 Linux machine";
        }
        if (JarFiles.find(BRIDGE) == null) {
            return "the native library is not on the class path or module path: add " + ARTIFACT + ":" + version() + ":"
                    + PLATFORM + " (classifier " + PLATFORM + ")";
        }
        try {
            String path = System.getProperty(PATH_PROPERTY);
            if (path != null) {
                System.load(new File(path).getAbsolutePath()); // first, so that the bridge finds it by its soname
            }
            Loader.load(Native.class);
        } catch (LinkageError e) {
            return "the native library could not be loaded: " + rootMessage(e);
        } catch (InaccessibleObjectException e) { // JavaCPP reflects if its class loader is another
            return "JavaCPP and dpo4j have different class loaders, and Java refuses to load the native library for the"
                    + " other: load both jars with one class loader";
        }
        try {
            int abi = Native.dpo4j_abi_version();
            int needed = abiOfHeader();
            return abi == needed
                    ? null
                    : "the native library has ABI version " + abi + " and these classes need " + needed + ": use "
                            + ARTIFACT + " and its " + PLATFORM + " classifier in one version";
        } catch (UnsatisfiedLinkError e) {
            return "the native library serves another class loader of this process: load dpo4j in a common parent";
        }
    }

    /** 16 hexadecimal digits of SHA-256 of {@code libdpo4j.so}: another build may compute other bits. */
    static String hash() {
        return Content.HASH;
    }

    private static final class Content {
        static final String HASH = find();

        private static String find() {
            String path = System.getProperty(PATH_PROPERTY);
            try (InputStream library = path == null
                    ? Objects.requireNonNull(JarFiles.find(LIBRARY)).openStream()
                    : new FileInputStream(path)) {
                byte[] hash = MessageDigest.getInstance("SHA-256").digest(library.readAllBytes());
                return HexFormat.of().formatHex(hash, 0, Long.BYTES);
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            } catch (NoSuchAlgorithmException e) {
                throw new IllegalStateException("Java has no SHA-256", e);
            }
        }
    }

    /** The ABI version of the {@code dpo4j.h} in the jar of these classes. */
    private static int abiOfHeader() {
        try (InputStream header = Native.class.getResourceAsStream("dpo4j.h")) {
            String text = header == null ? "" : new String(header.readAllBytes(), StandardCharsets.UTF_8);
            Matcher version = ABI_VERSION.matcher(text);
            if (!version.find()) {
                throw new IllegalStateException("dpo4j.h is not beside " + Native.class);
            }
            return Integer.parseInt(version.group(1));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The version of this artifact, or "unpackaged" if the classes are not in its jar. */
    static String version() {
        String version = LibraryVersions.artifactVersion("org.dpo4j", "dpo4j-kernels");
        return version == null ? UNPACKAGED : version;
    }

    /**
     * The first line of the innermost cause. JavaCPP's outer message is always "no jni... in java.library.path".
     */
    static String rootMessage(Throwable thrown) {
        Throwable root = thrown;
        while (root.getCause() != null) {
            root = root.getCause();
        }
        String message = root.getMessage();
        return message == null ? root.toString() : message.lines().findFirst().orElse(message);
    }
}
