package org.dpo4j.train;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.dpo4j.kernels.Device;

/** Memory in use when a line of metrics is written, in GiB. */
final class MemoryUse {
    private static final double GIB = 1 << 30;
    private static final Path STATUS = Path.of("/proc/self/status");
    private static final String RESIDENT = "VmRSS:";

    private MemoryUse() {}

    /**
     * Adds {@code memory_gib/process}, the resident memory of this process, if the system tells it, and of a GPU {@code
     * memory_gib/device}, what the run has allocated there. Does not wait for the device.
     */
    static void addTo(Map<String, Double> metrics, Device device) {
        long resident = residentBytes();
        if (resident > 0) {
            metrics.put("memory_gib/process", resident / GIB);
        }
        if (!device.name().equals("cpu")) {
            metrics.put("memory_gib/device", device.allocatedBytes() / GIB);
        }
    }

    /** From the line {@code VmRSS:   1234 kB}; 0 if there is none. */
    private static long residentBytes() {
        try (BufferedReader lines = Files.newBufferedReader(STATUS)) {
            return lines.lines()
                    .filter(line -> line.startsWith(RESIDENT))
                    .map(line -> line.replaceAll("[^0-9]", ""))
                    .mapToLong(kilobytes -> 1024 * Long.parseLong(kilobytes))
                    .findFirst()
                    .orElse(0);
        } catch (IOException e) {
            return 0; // not Linux
        }
    }
}
