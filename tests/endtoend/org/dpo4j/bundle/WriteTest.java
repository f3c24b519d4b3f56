package org.dpo4j.bundle;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.dpo4j.bundle.Scripts.Run;
import org.dpo4j.model.TestFiles;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The bundle is written through links, into pipes and devices, and over whole regular files. */
@Timeout(60)
class WriteTest {
    @TempDir
    Path folder;

    private static Run write(Path file, String more) throws Exception {
        String script = Scripts.script("write.sh").toString();
        return Scripts.run(Map.of(), "sh", "-c", "printf new | \"$0\" \"$1\" " + more, script, file.toString());
    }

    private static void assertWritten(Path file) throws Exception {
        assertThat(write(file, "").exits(0).lines()).isEmpty();
    }

    @Test
    void regularFilesAndLinks() throws Exception {
        Path file = folder.resolve("file");
        assertWritten(file);
        assertThat(file).hasContent("new");
        Path link = Files.createSymbolicLink(folder.resolve("link"), Path.of("target"));
        assertWritten(link);
        assertThat(Files.isSymbolicLink(link)).isTrue();
        assertThat(folder.resolve("target")).hasContent("new");
        assertThat(folder.toFile().list()).containsExactlyInAnyOrder("file", "link", "target");
    }

    @Test
    void pipesAndDevices() throws Exception {
        Path pipe = TestFiles.pipe(folder.resolve("pipe"));
        Process reader = new ProcessBuilder("cat", pipe.toString()).start();
        assertWritten(pipe);
        assertThat(new String(reader.getInputStream().readAllBytes(), StandardCharsets.UTF_8))
                .isEqualTo("new");
        assertWritten(Path.of("/dev/null"));
        assertThat(Files.isRegularFile(Path.of("/dev/null"))).isFalse();
        assertThat(write(Path.of("-"), "").lines()).containsExactly("new");
        assertThat(write(Path.of("/dev/stdout"), "").lines()).containsExactly("new");
    }

    @Test
    void aPathThatCannotBeWrittenIsRefusedBeforeWriting() throws Exception {
        assertThat(write(folder, "check").exits(1).last())
                .isEqualTo("dpo4j: " + folder + " is a directory; name a file in it");
        assertThat(write(folder.resolve("absent/file"), "check").exits(1).last())
                .contains("the directory " + folder.resolve("absent") + " does not exist; make it");
        write(folder.resolve("file"), "check").exits(0);
        assertThat(folder.resolve("file")).doesNotExist();
    }
}
