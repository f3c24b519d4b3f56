package org.dpo4j.bundle;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.dpo4j.bundle.Scripts.Run;
import org.dpo4j.model.TestFiles;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code dpo4j}: what it builds, and its archives of classes. Maven and Java are replaced by scripts of a few lines. */
class LauncherTest {
    private static final String BUILDING = "dpo4j: building (once, about a minute)";
    private static final String ARCHIVING =
            "dpo4j: archiving classes, from which later starts are faster (once, some seconds)";

    @TempDir
    private Path folder;

    private Scripts scripts;
    private Path target;

    @BeforeEach
    void layOut() throws IOException {
        scripts = new Scripts(folder);
        target = folder.resolve("java/trainer/target");
        Files.copy(TestFiles.repository("dpo4j"), folder.resolve("dpo4j"));
        for (String directory : List.of("java/trainer/src", "native", "kernels")) {
            Files.createDirectories(folder.resolve(directory));
        }
        for (String file : List.of("CMakeLists.txt", "pom.xml")) {
            Files.writeString(folder.resolve(file), "");
        }
        scripts.write("mvnw", """
                echo built >>"%1$s/builds"
                mkdir -p "%1$s/java/trainer/target/lib"
                echo classes >"%1$s/java/trainer/target/trainer.jar"
                """.formatted(folder));
        java("jdk", "17.0.1");
    }

    /** A JDK whose program writes an archive, or prints with which archive it starts. */
    private Path java(String name, String version) throws IOException {
        Path home = folder.resolve(name);
        scripts.write(name + "/bin/java", """
                for word in "$@"; do
                  case $word in
                    -XX:ArchiveClassesAtExit=*) echo archive >"${word#*=}"; exit ;;
                    -XX:SharedArchiveFile=*) echo "starts from ${word##*/}" ;;
                    -Dorg.bytedeco.javacpp.cachedir=*) echo "libraries ${word#*=}" ;;
                  esac
                done
                """);
        Files.writeString(home.resolve("release"), "JAVA_VERSION=\"" + version + "\"\n");
        return home;
    }

    private Run start(String jdk) throws Exception {
        return Scripts.run(
                        Map.of("JAVA_HOME", folder.resolve(jdk).toString()),
                        "bash",
                        folder.resolve("dpo4j").toString(),
                        "doctor")
                .exits(0);
    }

    private List<String> archives() throws IOException {
        try (Stream<Path> files = Files.list(target)) {
            return files.map(file -> file.getFileName().toString())
                    .filter(name -> name.startsWith("classes-"))
                    .toList();
        }
    }

    private void setAge(Path file, Duration age) throws IOException {
        Files.setLastModifiedTime(file, FileTime.fromMillis(System.currentTimeMillis() - age.toMillis()));
    }

    /** The time of the files of a build, and of sources before it. */
    private void setAges(Duration age) throws IOException {
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                setAge(file, age.plusSeconds(60));
            }
        }
        setAge(target.resolve("lib/.built"), age);
        setAge(target.resolve("trainer.jar"), age);
        for (String archive : archives()) {
            setAge(target.resolve(archive), age.minusSeconds(60));
        }
    }

    @Test
    void theFirstStartBuildsAndArchivesAndLaterOnesDoNot() throws Exception {
        Run first = start("jdk");
        assertThat(first.lines()).contains(BUILDING, ARCHIVING);
        assertThat(archives()).hasSize(1);
        setAges(Duration.ofHours(1));
        assertThat(start("jdk").lines())
                .containsExactly(
                        "libraries " + target.resolve("javacpp"),
                        "starts from " + archives().get(0));
    }

    /** A package manager may install another JDK in the same place, with files that are older than the archive. */
    @Test
    void anotherJdkHasAnArchiveOfItsOwn() throws Exception {
        start("jdk");
        setAges(Duration.ofHours(1));
        List<String> before = archives();
        java("jdk", "17.0.2");
        setAge(folder.resolve("jdk/release"), Duration.ofDays(30));
        assertThat(start("jdk").lines()).contains(ARCHIVING);
        assertThat(archives()).hasSize(2).containsAll(before);
        java("other", "17.0.2");
        setAge(folder.resolve("other/release"), Duration.ofDays(30));
        assertThat(start("other").lines()).contains(ARCHIVING);
        assertThat(archives()).hasSize(3);
    }

    @Test
    void anotherPlaceHasAnArchiveOfItsOwn() throws Exception {
        start("jdk");
        setAges(Duration.ofHours(1));
        Path moved = folder.resolveSibling(folder.getFileName() + "-moved");
        Files.move(folder, moved);
        try {
            Run run = Scripts.run(
                    Map.of("JAVA_HOME", moved.resolve("jdk").toString()),
                    "bash",
                    moved.resolve("dpo4j").toString(),
                    "doctor");
            assertThat(run.lines()).contains(ARCHIVING);
        } finally {
            Files.move(moved, folder);
        }
    }

    /** Archives of before the build, and what a killed start left of one, are deleted. */
    @Test
    void aNewBuildHasANewArchive() throws Exception {
        start("jdk");
        Files.writeString(target.resolve("classes-1-2.abcdef"), "part");
        setAges(Duration.ofHours(1));
        setAge(folder.resolve("pom.xml"), Duration.ofMinutes(2));
        setAge(target.resolve("classes-1-2.abcdef"), Duration.ofMinutes(1));
        assertThat(start("jdk").lines()).contains(BUILDING, ARCHIVING);
        assertThat(archives()).hasSize(1).doesNotContain("classes-1-2.abcdef");
    }

    /** A source that changes while Maven compiles is compiled by the next start. */
    @Test
    void aSourceThatChangesDuringTheBuildIsBuiltLater() throws Exception {
        Path source = folder.resolve("java/trainer/src/A.java");
        scripts.write("mvnw", """
                mkdir -p "%s/java/trainer/target/lib"
                sleep 0.05
                echo change >"%s"
                """.formatted(folder, source));
        assertThat(start("jdk").lines()).contains(BUILDING);
        assertThat(start("jdk").lines()).contains(BUILDING);
    }

    @Test
    void twoStartsAtOnceBuildOnce() throws Exception {
        scripts.write("mvnw", """
                cd "%s"
                echo built >>builds
                for attempt in $(seq 100); do grep -qs waiting out0 out1 && break; sleep 0.1; done
                mkdir -p java/trainer/target/lib
                """.formatted(folder));
        List<Process> processes = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            ProcessBuilder builder =
                    new ProcessBuilder("bash", folder.resolve("dpo4j").toString(), "doctor");
            builder.environment().put("JAVA_HOME", folder.resolve("jdk").toString());
            builder.redirectErrorStream(true)
                    .redirectOutput(folder.resolve("out" + i).toFile());
            processes.add(builder.start());
        }
        for (Process process : processes) {
            assertThat(process.waitFor()).isZero();
        }
        assertThat(folder.resolve("builds")).hasContent("built");
        String printed = TestFiles.read(folder.resolve("out0")) + TestFiles.read(folder.resolve("out1"));
        assertThat(printed).containsOnlyOnce(BUILDING).contains("waiting for another start, which is building");
        assertThat(archives()).hasSize(1);
    }

    /** The JVM would crash. */
    @Test
    void aPartOfAnArchiveIsNotUsed() throws Exception {
        start("jdk");
        setAges(Duration.ofHours(1));
        Path archive = target.resolve(archives().get(0));
        FileTime time = Files.getLastModifiedTime(archive);
        Files.writeString(archive, "arc");
        Files.setLastModifiedTime(archive, time);
        assertThat(start("jdk").lines()).contains(ARCHIVING, "starts from " + archive.getFileName());
        assertThat(archive).hasContent("archive");
    }

    /** An archive that cannot be made is not tried again by every start. */
    @Test
    void withoutAnArchiveCommandsRunAsBefore() throws Exception {
        scripts.write("jdk/bin/java", "case $* in *ArchiveClassesAtExit*) exit 1 ;; esac; echo \"$@\"");
        assertThat(start("jdk").lines()).contains(ARCHIVING);
        setAges(Duration.ofHours(1));
        assertThat(start("jdk").lines())
                .singleElement()
                .asString()
                .endsWith("org.dpo4j.cli.Main doctor")
                .doesNotContain("SharedArchiveFile");
    }
}
