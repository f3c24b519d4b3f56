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
 * Finds and loads NVIDIA's CUDA 13 libraries, which this artifact does not carry: from the directory that is named
 * (theirs, or a {@code site-packages} that holds NVIDIA's wheels), else a toolkit under /usr/local, else NVIDIA's wheels
 * of a Python that is active, on the PATH or in a usual place, else wherever the system's loader finds them.
 *
 * <p>They are loaded by absolute path before the JavaCPP presets, whose NEEDED entries then resolve to them by soname.
 */
final class CudaLibraries {
    /** System property and environment variable: the directory to take the libraries from, or a site-packages. */
    static final String PROPERTY = "dpo4j.cuda.path";

    static final String VARIABLE = "DPO4J_CUDA_PATH";

    /** Each needs those before it; the driver is the system's unless it lies beside the others. */
    private static final String DRIVER = "libcuda.so.1";

    static final String RUNTIME = "libcudart.so.13";

    static final String CUBLASLT = "libcublasLt.so.13";

    static final List<String> NEEDED = List.of(RUNTIME, CUBLASLT, "libcublas.so.13");

    private static final List<String> PRESETS =
            List.of("org.bytedeco.cuda.global.cudart", "org.bytedeco.cuda.global.cublas");

    private CudaLibraries() {}

    /**
     * Where the libraries lie: absolute paths in the order of loading, or none, and then the system's loader is asked.
     */
    record Search(List<String> found, List<String> searched) {}

    /** Loads once a process. Throws, the same each time, what was not found and where it was looked for. */
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

    /** Looks without loading. A directory that was named and lacks a library throws. */
    static Search search() {
        return search(System.getProperty(PROPERTY, System.getenv(VARIABLE)), System.getenv());
    }

    static Search search(@Nullable String named, Map<String, String> environment) {
        if (named != null) {
            return named(Path.of(named).toAbsolutePath());
        }
        List<String> searched = new ArrayList<>();
        for (Place place : places(environment)) {
            searched.add(place.pattern());
            for (List<Path> installation : place.installations()) {
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
     * Where to look.
     *
     * @param pattern what is said of it
     * @param installations directories that belong together: libraries of two installations are never mixed
     */
    private record Place(String pattern, List<List<Path>> installations) {}

    private static List<Place> places(Map<String, String> environment) {
        List<Place> places = new ArrayList<>();
        List<List<Path>> toolkits = new ArrayList<>();
        matches(Path.of("/usr/local"), "cuda*").forEach(toolkit -> toolkits.add(List.of(toolkit.resolve("lib64"))));
        places.add(new Place("/usr/local/cuda*/lib64", toolkits));
        for (Path prefix : pythonPrefixes(environment)) {
            List<List<Path>> pythons = new ArrayList<>();
            for (Path python : matches(prefix.resolve("lib"), "python3*")) {
                matches(python, "{site,dist}-packages").forEach(packages -> pythons.add(wheels(packages)));
            }
            places.add(new Place(prefix + "/lib/python3*/{site,dist}-packages/nvidia/*/lib", pythons));
        }
        return places;
    }

    /** Where NVIDIA's wheels of one Python keep their libraries: one directory, or one a wheel. */
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
     * The parents of PATH's directories that hold a python3. Links are not followed: the python3 of a virtual
     * environment is a link to another Python, whose packages are not the environment's.
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

    /** Every needed library from these directories, in the order of loading; empty if one is missing. */
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
     * Entries of a directory, the shortest name first (cuda before cuda-13.0), then the newest; none where there is no
     * directory.
     */
    private static List<Path> matches(Path directory, String glob) {
        List<Path> matches = new ArrayList<>();
        if (Files.isDirectory(directory)) {
            try (DirectoryStream<Path> entries = Files.newDirectoryStream(directory, glob)) {
                entries.forEach(matches::add);
            } catch (IOException e) {
                return List.of(); // a directory that may not be read holds nothing for us
            }
        }
        Collections.sort(matches, Collections.reverseOrder());
        matches.sort(
                (a, b) -> Integer.compare(a.toString().length(), b.toString().length()));
        return matches;
    }
}
