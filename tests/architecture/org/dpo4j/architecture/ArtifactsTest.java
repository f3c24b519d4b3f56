package org.dpo4j.architecture;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Locale;
import java.util.Set;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The published artifacts: those of java/, their modules, and the BOM that lists them. */
class ArtifactsTest {
    private static final Path JAVA = Path.of(System.getenv("DPO4J_ROOT"), "java");
    private static final Pattern ARTIFACT =
            Pattern.compile("<artifactId>(dpo4j-[a-z]+)</artifactId>\\s*<version>\\$\\{project.version}</version>"
                    + "(?:\\s*<classifier>(.*?)</classifier>)?");
    private static final Pattern EXPORT = Pattern.compile("(?m)^    exports ([a-z0-9.]+);");

    /** The BOM has no parent, so its version is written separately and must be the same. */
    @Test
    void theBomNamesEveryArtifactInItsVersion() throws IOException {
        String bom = Files.readString(JAVA.resolve("bom/pom.xml"));
        String parent = Files.readString(JAVA.resolve("../pom.xml"));
        assertThat(first("<artifactId>dpo4j-bom</artifactId>\\s*<version>(.*?)</version>", bom))
                .isEqualTo(first("<artifactId>dpo4j</artifactId>\\s*<version>(.*?)</version>", parent));
        Set<String> named = new HashSet<>();
        for (MatchResult artifact : ARTIFACT.matcher(bom).results().toList()) {
            named.add(artifact.group(1) + (artifact.group(2) == null ? "" : ":" + artifact.group(2)));
        }
        assertThat(named)
                .containsExactlyInAnyOrder(
                        "dpo4j-kernels",
                        "dpo4j-kernels:linux-x86_64",
                        "dpo4j-trainer",
                        "dpo4j-pytorch",
                        "dpo4j-parquet");
        try (var directories = Files.list(JAVA)) {
            assertThat(directories.filter(directory -> Files.exists(directory.resolve("pom.xml"))))
                    .hasSize(5); // with the BOM
        }
    }

    /** Exported packages are what embedders may use: none is called internal, and each has a package comment. */
    @ParameterizedTest
    @ValueSource(strings = {"kernels", "pytorch", "trainer"})
    void modulesExportDocumentedPackages(String artifact) throws IOException {
        Path sources = JAVA.resolve(artifact + "/src/main/java");
        String module = Files.readString(sources.resolve("module-info.java"));
        assertThat(module).contains("module org.dpo4j." + artifact.toLowerCase(Locale.ROOT) + " {");
        Set<String> exported = new HashSet<>();
        EXPORT.matcher(module).results().forEach(match -> exported.add(match.group(1)));
        assertThat(exported).isNotEmpty().doesNotContain("org.dpo4j.kernels.internal", "org.dpo4j.cli");
        for (String name : exported) {
            String documentation = Files.readString(sources.resolve(name.replace('.', '/') + "/package-info.java"));
            assertThat(documentation).as(name).startsWith("/**").containsPattern("[.]\\s");
        }
    }

    /** It is found as a service, by both names: of the class path and of the module path. */
    @Test
    void parquetIsAServiceWithoutExports() throws IOException {
        Path main = JAVA.resolve("parquet/src/main");
        String module = Files.readString(main.resolve("java/module-info.java"));
        assertThat(module)
                .contains("module org.dpo4j.parquet {")
                .containsPattern("provides org.dpo4j.data.RowFileFormat with\\s+org.dpo4j.parquet.ParquetFormat;");
        assertThat(EXPORT.matcher(module).find()).isFalse();
        assertThat(main.resolve("resources/META-INF/services/org.dpo4j.data.RowFileFormat"))
                .hasContent("org.dpo4j.parquet.ParquetFormat");
    }

    private static String first(String pattern, String text) {
        var matcher = Pattern.compile(pattern).matcher(text);
        assertThat(matcher.find()).as(pattern).isTrue();
        return matcher.group(1);
    }
}
