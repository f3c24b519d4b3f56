package org.dpo4j.kernels.internal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.dpo4j.kernels.Dpo4jException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Searches for NVIDIA's libraries. Empty files with their names stand for them. */
class CudaLibrariesTest {
    private static final String RUNTIME = "libcudart.so.13";
    private static final String LT = "libcublasLt.so.13";
    private static final String BLAS = "libcublas.so.13";

    @TempDir
    Path root;

    private Path place(String directory, String... names) throws IOException {
        Path path = Files.createDirectories(root.resolve(directory));
        for (String name : names) {
            Files.createFile(path.resolve(name));
        }
        return path;
    }

    private static List<String> in(Path directory, String... names) {
        return List.of(names).stream()
                .map(name -> directory.resolve(name).toString())
                .toList();
    }

    @Test
    void librariesOfANamedDirectoryAreInLoadingOrder() throws IOException {
        Path directory = place("named", BLAS, LT, RUNTIME);
        CudaLibraries.Search search = CudaLibraries.search(directory.toString(), Map.of());
        assertThat(search.found()).isEqualTo(in(directory, RUNTIME, LT, BLAS));
        assertThat(search.searched()).containsExactly(directory.toString());
    }

    @Test
    void aDriverInTheSameDirectoryComesFirst() throws IOException {
        Path directory = place("named", BLAS, LT, RUNTIME, "libcuda.so.1");
        assertThat(CudaLibraries.search(directory.toString(), Map.of()).found())
                .isEqualTo(in(directory, "libcuda.so.1", RUNTIME, LT, BLAS));
    }

    @Test
    void aNamedDirectoryWithoutOneOfThemIsRefused() throws IOException {
        Path directory = place("named", BLAS, RUNTIME);
        assertThatThrownBy(() -> CudaLibraries.search(directory.toString(), Map.of()))
                .isInstanceOf(Dpo4jException.class)
                .hasMessageContaining(directory.toString())
                .hasMessageContaining(LT)
                .hasMessageContaining("dpo4j.cuda.path")
                .hasMessageContaining("DPO4J_CUDA_PATH");
    }

    @Test
    void pythonWheelsAreFound() throws IOException {
        Path wheels = place("lib/python3.12/site-packages/nvidia/cu13/lib", BLAS, LT, RUNTIME);
        CudaLibraries.Search search = CudaLibraries.search(null, Map.of("VIRTUAL_ENV", root.toString()));
        assertThat(search.searched()).isNotEmpty();
        if (!search.found().get(0).startsWith("/usr/local/cuda")) { // an installed toolkit is found first
            assertThat(search.found()).isEqualTo(in(wheels, RUNTIME, LT, BLAS));
        }
    }

    /**
     * Wheels of one Python may be in one directory each. Wheels of two Pythons are two installations and are not
     * combined.
     */
    @Test
    void installationsAreNotMixed() throws IOException {
        place("lib/python3.11/site-packages/nvidia/cublas/lib", BLAS, LT);
        place("lib/python3.12/site-packages/nvidia/cuda_runtime/lib", RUNTIME);
        List<String> mixed = CudaLibraries.search(null, Map.of("VIRTUAL_ENV", root.toString()))
                .found();
        assertThat(mixed).noneMatch(path -> path.startsWith(root.toString()));
        Path runtime = place("lib/python3.11/site-packages/nvidia/cuda_runtime/lib", RUNTIME);
        List<String> whole = CudaLibraries.search(null, Map.of("VIRTUAL_ENV", root.toString()))
                .found();
        if (!whole.get(0).startsWith("/usr/local/cuda")) {
            assertThat(whole.get(0)).isEqualTo(runtime.resolve(RUNTIME).toString());
            assertThat(whole).hasSize(3);
        }
    }

    /**
     * Finds a virtual environment that is on PATH but not in VIRTUAL_ENV. Its python3 links to another installation,
     * which is not searched.
     */
    @Test
    void wheelsBesideAPythonOnThePathAreFound() throws IOException {
        Path wheels = place("venv/lib/python3.12/site-packages/nvidia/cu13/lib", BLAS, LT, RUNTIME);
        Path other = place("other/bin", "python3.12");
        Files.createSymbolicLink(place("venv/bin").resolve("python3"), other.resolve("python3.12"));
        String path = place("empty") + ":" + root.resolve("venv/bin") + "::" + root.resolve("missing");
        CudaLibraries.Search search = CudaLibraries.search(null, Map.of("PATH", path));
        if (!search.found().get(0).startsWith("/usr/local/cuda")) {
            assertThat(search.found()).isEqualTo(in(wheels, RUNTIME, LT, BLAS));
            assertThat(search.searched())
                    .contains(root.resolve("venv") + "/lib/python3*/{site,dist}-packages/nvidia/*/lib")
                    .noneMatch(place -> place.startsWith(root.resolve("other").toString()))
                    .noneMatch(place -> place.startsWith(root.resolve("empty").toString()));
        }
    }

    /** On Debian, /bin/python3 is the Python of /usr, and its prefix is the root directory. */
    @Test
    void theRootDirectoryAsPrefixHasOneSlash() {
        List<String> searched =
                CudaLibraries.search(null, Map.of("CONDA_PREFIX", "/")).searched();
        assertThat(searched).noneMatch(place -> place.startsWith("//"));
    }

    /** Also lists places without libraries, so that the user sees where the search looked. */
    @Test
    void listsEveryPlaceThatWasSearched() throws IOException {
        place("bin", "python3");
        List<String> searched = CudaLibraries.search(
                        null, Map.of("PATH", root.resolve("bin").toString(), "CONDA_PREFIX", "/no/conda"))
                .searched();
        assertThat(searched.get(0)).isEqualTo("/usr/local/cuda*/lib64");
        if (searched.size() > 1) {
            assertThat(searched)
                    .contains(
                            "/no/conda/lib/python3*/{site,dist}-packages/nvidia/*/lib",
                            root + "/lib/python3*/{site,dist}-packages/nvidia/*/lib",
                            "/usr/lib/python3*/{site,dist}-packages/nvidia/*/lib");
        }
    }

    @Test
    void aSitePackagesDirectoryMayBeNamed() throws IOException {
        Path runtime = place("packages/nvidia/cuda_runtime/lib", RUNTIME);
        Path blas = place("packages/nvidia/cublas/lib", BLAS, LT);
        String packages = root.resolve("packages").toString();
        CudaLibraries.Search search = CudaLibraries.search(packages, Map.of());
        assertThat(search.found())
                .containsExactly(
                        runtime.resolve(RUNTIME).toString(),
                        blas.resolve(LT).toString(),
                        blas.resolve(BLAS).toString());
        assertThat(search.searched()).containsExactly(packages);
        Files.delete(blas.resolve(LT));
        assertThatThrownBy(() -> CudaLibraries.search(packages, Map.of()))
                .isInstanceOf(Dpo4jException.class)
                .hasMessageContaining("site-packages");
    }
}
