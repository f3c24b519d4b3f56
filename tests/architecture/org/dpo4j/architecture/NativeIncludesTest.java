package org.dpo4j.architecture;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.dpo4j.model.TestFiles;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Files of kernels/ include files of native/, never the other way round: a build without CUDA must not need a CUDA file. */
class NativeIncludesTest {
    private static final Path ROOT = TestFiles.repository("");
    private static final Pattern INCLUDE = Pattern.compile("(?m)^\\s*#\\s*include\\s*[\"<]([^\">]+)[\">]");

    /** CUDA files that a source of native/ includes. They have a suffix of CUDA, or are in kernels/. */
    private static List<String> cudaFiles(String source) {
        return INCLUDE.matcher(source)
                .results()
                .map(include -> include.group(1))
                .filter(name -> name.matches(".*\\.cuh?")
                        || name.contains("kernels/")
                        || Files.exists(ROOT.resolve("kernels").resolve(name)))
                .toList();
    }

    @Test
    void nativeIncludesNoFileOfKernels() throws IOException {
        try (Stream<Path> files = Files.walk(ROOT.resolve("native"))) {
            List<Path> sources = files.filter(file -> file.toString().matches(".*\\.(h|cpp)"))
                    .toList();
            assertThat(sources).hasSizeGreaterThan(40);
            assertThat(sources)
                    .allSatisfy(file -> assertThat(cudaFiles(TestFiles.read(file)))
                            .as("files of kernels/ that %s includes", file)
                            .isEmpty());
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"#include \"reduce.cuh\"", "#include \"../kernels/shared.h\"", "  # include <sources.cmake>"})
    void anIncludeOfKernelsIsFound(String line) {
        assertThat(cudaFiles("#include \"dpo4j.h\"\n" + line + "\n")).hasSize(1);
    }
}
