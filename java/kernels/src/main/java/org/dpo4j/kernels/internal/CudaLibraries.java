package org.dpo4j.kernels.internal;

import java.io.File;
import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.bytedeco.javacpp.Loader;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * Finds and loads NVIDIA's CUDA 13 libraries, which are not part of this artifact. Searches, in this order: the
 * directory in {@link #PROPERTY} or {@link #VARIABLE} (a directory of libraries, or a {@code site-packages} with
 * NVIDIA's wheels); toolkits under /usr/local; NVIDIA's wheels of an active Python, of one on the PATH, and of one in a
 * usual place. If it finds none, the system's loader searches.
 *
 * <p>Loads the libraries by absolute path before the JavaCPP presets. The NEEDED entries of the presets then resolve,
 * by soname, to the libraries that are already loaded.
 */
final class CudaLibraries {
    /** System property and environment variable: the directory of the libraries, or a site-packages. */
    static final String PROPERTY = "dpo4j.cuda.path";

    static final String VARIABLE = "DPO4J_CUDA_PATH";

    /**
     * Each library needs those before it. The driver is found by the system's loader, unless it is in the same
     * directory as the others.
     */
    private static final String DRIVER = "libcuda.so.1";

    static final String RUNTIME = "libcudart.so.13";

    static final String CUBLASLT = "libcublasLt.so.13";

    static final List<String> NEEDED = List.of(RUNTIME, CUBLASLT, "libcublas.so.13");

    private static final List<String> PRESETS =
            List.of("org.bytedeco.cuda.global.cudart", "org.bytedeco.cuda.global.cublas");

    private CudaLibraries() {}

    /**
     * The result of a search.
     *
     * @param found absolute paths in the order of loading; empty if the system's loader has to find them
     * @param searched the directories that were searched; some are glob patterns
     */
    record Search(List<String> found, List<String> searched) {}

    /**
     * Loads the libraries, once per process. If that failed, every call throws an error that says what was not found
     * and where.
     */
    static void load() {
        String reason = Outcome.REASON;
        if (reason != null) {
            throw new Dpo4jException(reason);
        }
    }

    private static final class Outcome {
        static final @Nullable String REASON = attempt();
    }

    private static @Nullable String attempt() {
        Search search = new Search(List.of(), List.of());
        try {
            search = search();
            search.found().forEach(System::load);
            for (String preset : PRESETS) {
                Loader.load(Class.forName(preset));
            }
            return null;
        } catch (Dpo4jException e) {
            return e.getMessage();
        } catch (ClassNotFoundException e) {
            return "the CUDA preset is not on the class path: add org.bytedeco:cuda:13.1-9.19-1.5.13 and its"
                    + " linux-x86_64 classifier";
        } catch (LinkageError e) {
            return advice(NativeLibrary.rootMessage(e), search);
        }
    }

    private static String advice(String message, Search search) {
        return "NVIDIA's CUDA 13 libraries could not be loaded (" + message + "; looked in "
                + String.join(", ", search.searched()) + " and where the system's loader looks): install CUDA 13 or"
                + " `pip install nvidia-cublas nvidia-cuda-runtime`, or name their directory with -D" + PROPERTY
                + "=DIRECTORY or " + VARIABLE;
    }

    /** Searches without loading. Throws if the directory in {@link #PROPERTY} lacks a library. */
    static Search search() {
        return search(System.getProperty(PROPERTY, System.getenv(VARIABLE)), System.getenv());
    }

    static Search search(@Nullable String named, Map<String, String> environment) {
        if (named != null) {
            return named(Path.of(named).toAbsolutePath());
        }
        List<String> searched = new ArrayList<>();
        for (Location location : locations(environment)) {
            searched.add(location.pattern());
            for (List<Path> installation : location.installations()) {
                List<String> found = complete(installation);
                if (!found.isEmpty()) {
                    return new Search(found, searched);
                }
            }
        }
        return new Search(List.of(), searched);
    }

    private static Search named(Path directory) {
        for (List<Path> installation : List.of(List.of(directory), wheels(directory))) {
            List<String> found = complete(installation);
            if (!found.isEmpty()) {
                return new Search(found, List.of(directory.toString()));
            }
        }
        throw new Dpo4jException(PROPERTY + " (or " + VARIABLE + ") names " + directory
                + ", which is neither a directory of all of " + String.join(", ", NEEDED)
                + " nor a site-packages with NVIDIA's wheels of them");
    }

    /**
     * Directories to search.
     *
     * @param pattern the text for {@link Search#searched}
     * @param installations groups of directories; libraries of two installations are never mixed
     */
    private record Location(String pattern, List<List<Path>> installations) {}

    private static List<Location> locations(Map<String, String> environment) {
        List<Location> locations = new ArrayList<>();
        List<List<Path>> toolkits = new ArrayList<>();
        matches(Path.of("/usr/local"), "cuda*").forEach(toolkit -> toolkits.add(List.of(toolkit.resolve("lib64"))));
        locations.add(new Location("/usr/local/cuda*/lib64", toolkits));
        for (Path prefix : pythonPrefixes(environment)) {
            List<List<Path>> pythons = new ArrayList<>();
            for (Path python : matches(prefix.resolve("lib"), "python3*")) {
                matches(python, "{site,dist}-packages").forEach(packages -> pythons.add(wheels(packages)));
            }
            locations.add(new Location(prefix.resolve("lib") + "/python3*/{site,dist}-packages/nvidia/*/lib", pythons));
        }
        return locations;
    }

    /** The library directories of NVIDIA's wheels in a site-packages. */
    private static List<Path> wheels(Path packages) {
        return matches(packages.resolve("nvidia"), "*").stream()
                .map(wheel -> wheel.resolve("lib"))
                .toList();
    }

    private static List<Path> pythonPrefixes(Map<String, String> environment) {
        List<Path> prefixes = new ArrayList<>();
        for (String variable : List.of("VIRTUAL_ENV", "CONDA_PREFIX")) {
            String value = environment.get(variable);
            if (value != null) {
                prefixes.add(Path.of(value));
            }
        }
        prefixes.addAll(prefixesOnPath(environment.getOrDefault("PATH", "")));
        prefixes.add(Path.of(System.getProperty("user.home", "/"), ".local"));
        Stream.of("/usr/local", "/usr", "/opt/conda").map(Path::of).forEach(prefixes::add);
        return prefixes.stream().distinct().toList();
    }

    /**
     * The parents of the PATH directories that contain a python3. Links are not followed, because the python3 of a
     * virtual environment is a link to another Python, which has other packages.
     */
    private static List<Path> prefixesOnPath(String path) {
        return Arrays.stream(path.split(File.pathSeparator))
                .filter(directory -> !directory.isEmpty())
                .map(directory -> Path.of(directory).toAbsolutePath().normalize())
                .filter(directory -> Files.exists(directory.resolve("python3")))
                .map(Path::getParent)
                .filter(Objects::nonNull)
                .toList();
    }

    /** The paths of all needed libraries in these directories, in the order of loading; empty if one is missing. */
    private static List<String> complete(List<Path> directories) {
        List<String> found = new ArrayList<>();
        String driver = find(DRIVER, directories);
        if (driver != null) {
            found.add(driver);
        }
        for (String name : NEEDED) {
            String library = find(name, directories);
            if (library == null) {
                return List.of();
            }
            found.add(library);
        }
        return found;
    }

    private static @Nullable String find(String name, List<Path> directories) {
        for (Path directory : directories) {
            File file = directory.resolve(name).toFile();
            if (file.isFile()) {
                return file.getPath();
            }
        }
        return null;
    }

    /**
     * The matching entries of a directory, sorted by length of their names (cuda before cuda-13.0), then descending.
     * Empty if there is no directory.
     */
    private static List<Path> matches(Path directory, String glob) {
        List<Path> matches = new ArrayList<>();
        if (Files.isDirectory(directory)) {
            try (DirectoryStream<Path> entries = Files.newDirectoryStream(directory, glob)) {
                entries.forEach(matches::add);
            } catch (IOException e) {
                return List.of(); // a directory that cannot be read counts as empty
            }
        }
        Collections.sort(matches, Collections.reverseOrder());
        matches.sort(
                (a, b) -> Integer.compare(a.toString().length(), b.toString().length()));
        return matches;
    }
}
