package org.dpo4j.kernels.internal;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Properties of the processor and its memory, from the operating system. */
final class Processor {
    private Processor() {}

    static int cores() {
        return Runtime.getRuntime().availableProcessors();
    }

    static String model() {
        return field("/proc/cpuinfo", "model name", System.getProperty("os.arch", "unknown processor"));
    }

    /** Bytes that a program can use without swapping; 0 if the operating system does not report it. */
    static long availableMemory() {
        String kilobytes = field("/proc/meminfo", "MemAvailable", "0 kB");
        return Long.parseLong(kilobytes.replaceAll("\\D", "")) << 10;
    }

    /** The value of the first line {@code key : value}. */
    private static String field(String file, String key, String otherwise) {
        try {
            for (String line : Files.readAllLines(Path.of(file))) {
                int colon = line.indexOf(':');
                if (colon > 0 && line.substring(0, colon).strip().equals(key)) {
                    return line.substring(colon + 1).strip();
                }
            }
            return otherwise;
        } catch (IOException e) {
            return otherwise;
        }
    }
}
