package org.dpo4j.io;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.dpo4j.model.RefusalAssertions.assertRefused;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;
import org.dpo4j.model.TestFiles;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Writing to files, links, pipes and devices behaves as open(2), rename(2) and symlink(7) say. */
@Timeout(60)
class OutputFileTest {
    @TempDir
    Path directory;

    private static void write(Path file, String text) {
        OutputFile.write(file, text.getBytes(StandardCharsets.UTF_8));
    }

    private void assertFiles(String... names) throws IOException {
        try (Stream<Path> files = Files.list(directory)) {
            assertThat(files.map(file -> file.getFileName().toString())).containsExactlyInAnyOrder(names);
        }
    }

    @Test
    void aRegularFileIsReplacedWhole() throws IOException {
        Path file = Files.writeString(directory.resolve("file"), "old, and longer");
        Path other = Files.createLink(directory.resolve("other"), file);
        write(file, "new");
        assertThat(file).hasContent("new");
        assertThat(other).as("the old bytes are another file").hasContent("old, and longer");
        write(directory.resolve("fresh"), "");
        assertFiles("file", "other", "fresh");
    }

    @Test
    void permissionsAreKept() throws IOException {
        Path file = Files.writeString(directory.resolve("file"), "old");
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-rw---x"));
        write(file, "new");
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
                .isEqualTo("rw-rw---x");
        Path touched = Files.createFile(directory.resolve("touched"));
        write(directory.resolve("fresh"), "new");
        assertThat(Files.getPosixFilePermissions(directory.resolve("fresh")))
                .as("those of any new file, by the umask")
                .isEqualTo(Files.getPosixFilePermissions(touched));
    }

    @Test
    void linksAreFollowedAndKept() throws IOException {
        Files.createDirectory(directory.resolve("deep"));
        Path file = Files.writeString(directory.resolve("deep/file"), "old");
        Path inner = Files.createSymbolicLink(directory.resolve("deep/inner"), Path.of("file"));
        Path outer = Files.createSymbolicLink(directory.resolve("outer"), Path.of("deep/inner"));
        write(outer, "new");
        assertThat(file).hasContent("new");
        assertThat(Files.isRegularFile(file, LinkOption.NOFOLLOW_LINKS)).isTrue();
        assertThat(Files.readSymbolicLink(outer)).isEqualTo(Path.of("deep/inner"));
        assertThat(Files.readSymbolicLink(inner)).isEqualTo(Path.of("file"));
    }

    /** As open(2) with O_CREAT does. */
    @Test
    void aLinkToAnAbsentFileCreatesIt() throws IOException {
        Path link = Files.createSymbolicLink(directory.resolve("link"), directory.resolve("target"));
        write(link, "new");
        assertThat(Files.isSymbolicLink(link)).isTrue();
        assertThat(directory.resolve("target")).hasContent("new");
    }

    @Test
    void linksInACircleAreRefused() throws IOException {
        Files.createSymbolicLink(directory.resolve("a"), Path.of("b"));
        Files.createSymbolicLink(directory.resolve("b"), Path.of("a"));
        refused(directory.resolve("a"), "a cannot be written (its links form a cycle)");
    }

    @Test
    void aPipeIsWrittenTo() throws Exception {
        Path pipe = TestFiles.pipe(directory.resolve("pipe"));
        Path link = Files.createSymbolicLink(directory.resolve("link"), pipe);
        for (Path path : new Path[] {pipe, link}) {
            assertThat(reading(() -> Files.readString(pipe), () -> write(path, "through")))
                    .isEqualTo("through");
            assertThat(Files.readAttributes(pipe, "*").get("isOther")).isEqualTo(true);
        }
        assertFiles("pipe", "link");
    }

    private static String reading(Callable<String> reader, Runnable writer) throws Exception {
        ExecutorService executor = Executors.newSingleThreadExecutor();
        try {
            Future<String> read = executor.submit(reader);
            writer.run();
            return read.get();
        } finally {
            executor.shutdownNow();
        }
    }

    @Test
    void devicesAreWrittenTo() throws IOException {
        write(Path.of("/dev/null"), "gone");
        assertThat(Files.readAttributes(Path.of("/dev/null"), "*").get("isOther"))
                .isEqualTo(true);
        refused(Path.of("/dev/full"), "/dev/full cannot be written (No space left on device); "); // null(4)
    }

    @Test
    void namesOfStandardOutputAreWrittenTo() throws IOException {
        PrintStream out = System.out;
        for (String name : new String[] {"-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"}) {
            ByteArrayOutputStream bytes = new ByteArrayOutputStream();
            try {
                System.setOut(new PrintStream(bytes, true, StandardCharsets.UTF_8));
                write(Path.of(name), "é");
            } finally {
                System.setOut(out);
            }
            assertThat(bytes.toString(StandardCharsets.UTF_8)).as(name).isEqualTo("é");
        }
        assertThat(Path.of("-")).doesNotExist();
    }

    @Test
    void pathsThatCannotBeWrittenAreRefused() throws IOException {
        refused(directory, directory + " is a directory; name a file in it");
        refused(
                Files.createSymbolicLink(directory.resolve("link"), directory),
                "link is a directory; name a file in it");
        refused(
                directory.resolve("absent/file"),
                "absent/file cannot be written: the directory " + directory.resolve("absent")
                        + " does not exist; make");
        Path file = Files.writeString(directory.resolve("kept"), "old");
        for (String under : new String[] {"file", "deeper/file"}) {
            refused(
                    file.resolve(under),
                    file.resolve(under) + " cannot be written: " + file
                            + " is a file, not a directory; choose another");
        }
        assertThatThrownBy(() -> OutputFile.makeDirectory(file.resolve("a/b")))
                .isInstanceOf(IOException.class)
                .satisfies(e ->
                        assertThat(FileErrors.reason((IOException) e)).isEqualTo(file + " is a file, not a directory"));
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("r--r--r--"));
        refused(file, "kept is read-only; make it writable (chmod u+w), or choose another path");
        assertThat(file).hasContent("old");
        assertFiles("link", "kept");
    }

    /** NAME_MAX is 255 bytes; a temporary name has to fit as well. */
    @Test
    void theLongestNameIsWritten() throws IOException {
        write(directory.resolve("é".repeat(127)), "new");
        assertFiles("é".repeat(127));
    }

    @Test
    void aLinkToADirectoryIsADirectory() throws IOException {
        Path real = Files.createDirectory(directory.resolve("real"));
        OutputFile.makeDirectory(Files.createSymbolicLink(directory.resolve("link"), real));
        OutputFile.makeDirectory(directory.resolve("link/a/b"));
        assertThat(real.resolve("a/b")).isDirectory();
    }

    /** Fails unless writing and the check before long work give this error. On a full device only writing does. */
    private static void refused(Path file, String message) {
        assertRefused(() -> write(file, "new"), message);
        if (!file.startsWith("/dev")) {
            assertRefused(() -> OutputFile.check(file), message);
        }
    }
}
