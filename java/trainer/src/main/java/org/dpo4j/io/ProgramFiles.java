package org.dpo4j.io;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.security.CodeSource;
import java.util.stream.Stream;

/** The files of the running program, so that what another build has computed is not taken for its own. */
public final class ProgramFiles {
    private ProgramFiles() {}

    /**
     * Identifies the build of a class: path, size and time of its jar, or the time of the newest class file.
     *
     * @param directory where class files are looked at if they are not in a jar, such as {@code org/dpo4j/data}
     */
    public static String state(Class<?> type, String directory) {
        CodeSource source = type.getProtectionDomain().getCodeSource();
        if (source == null || !source.getLocation().getProtocol().equals("file")) {
            return String.valueOf(type.getPackage().getImplementationVersion());
        }
        try {
            Path code = Path.of(source.getLocation().toURI());
            return Files.isDirectory(code) ? newest(code.resolve(directory)) : state(code);
        } catch (IOException | URISyntaxException e) {
            throw new IllegalStateException("the program's own files cannot be read", e);
        }
    }

    private static String state(Path file) throws IOException {
        BasicFileAttributes attributes = Files.readAttributes(file, BasicFileAttributes.class);
        return file + " " + attributes.size() + " " + attributes.lastModifiedTime();
    }

    private static String newest(Path classes) throws IOException {
        String newest = "";
        try (Stream<Path> files = Files.walk(classes)) {
            for (Path file : (Iterable<Path>) files::iterator) {
                String time = Files.getLastModifiedTime(file).toString();
                newest = time.compareTo(newest) > 0 ? time : newest;
            }
        }
        return newest;
    }
}
