package org.dpo4j.kernels.internal;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.dpo4j.kernels.DeviceReport.Cuda;
import org.dpo4j.kernels.DeviceReport.Gpu;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * Checks whether cuda can be used, and if not, why. Checks in this order: kernels in this build, a driver, a GPU for
 * which they were compiled, NVIDIA's libraries. Uses no class of the JavaCPP presets.
 */
final class CudaProbe {
    /** CUDA 13.0 in CUDA's encoding, and the first driver that supports it. */
    private static final int VERSION_NEEDED = 13000;

    static final String DRIVER_NEEDED = "580";
    private static final Path DRIVER_FILE = Path.of("/proc/driver/nvidia/version");

    private CudaProbe() {}

    /** Everything that {@code doctor} prints about cuda. Throws only if {@link NativeLibrary#load} was not called. */
    static Cuda probe() {
        String driver = driver();
        List<Gpu> gpus = new ArrayList<>();
        String reason = devices(gpus, driver);
        if (reason == null && gpus.stream().allMatch(gpu -> gpu.reason() != null)) {
            reason = gpus.get(0).reason();
        }
        CudaSettings settings = CudaSettings.fromProcess();
        reason = reason == null ? settings.refusal() : reason;
        CudaLibraries.Search search = new CudaLibraries.Search(List.of(), List.of());
        try {
            search = CudaLibraries.search();
            if (reason == null) {
                CudaLibraries.load();
            }
        } catch (Dpo4jException e) {
            reason = reason == null ? e.getMessage() : reason;
        }
        List<String> without = settings.kernelsOff();
        return new Cuda(
                reason == null, reason, driver, DRIVER_NEEDED, gpus, search.found(), search.searched(), without);
    }

    /** Adds what only the GPUs themselves can answer. GPUs that do not answer cannot be used. */
    static Cuda withDeviceFacts(Cuda cuda) {
        if (!cuda.usable()) {
            return cuda;
        }
        List<Gpu> gpus = cuda.gpus().stream().map(CudaProbe::withDeviceFacts).toList();
        boolean usable = gpus.stream().anyMatch(gpu -> gpu.reason() == null);
        return new Cuda(
                usable,
                usable ? null : gpus.get(0).reason(),
                cuda.driver(),
                cuda.driverNeeded(),
                gpus,
                cuda.libraries(),
                cuda.searched(),
                cuda.without());
    }

    private static Gpu withDeviceFacts(Gpu gpu) {
        int[] blocks = new int[1];
        byte[] text = new byte[Status.TEXT_BYTES];
        if (gpu.reason() != null) {
            return gpu;
        }
        boolean answers = Native.dpo4j_cuda_max_cluster(gpu.ordinal(), blocks, text, text.length) == 0;
        return new Gpu(
                gpu.ordinal(),
                gpu.name(),
                gpu.capability(),
                gpu.memoryBytes(),
                answers ? blocks[0] : null,
                answers ? null : "it does not answer: " + Status.text(text));
    }

    /** Returns the GPU with this number. If it cannot be used, throws and says why. */
    static Gpu require(int ordinal) {
        NativeLibrary.load();
        List<Gpu> gpus = new ArrayList<>();
        String reason = devices(gpus, driver());
        if (reason == null && (ordinal < 0 || ordinal >= gpus.size())) {
            reason = "there is no device " + ordinal + ", the devices are 0 to " + (gpus.size() - 1);
        }
        if (reason == null) {
            reason = gpus.get(ordinal).reason();
        }
        if (reason != null) {
            throw new Dpo4jException("cuda cannot be used: " + reason);
        }
        CudaLibraries.load();
        return gpus.get(ordinal);
    }

    /** Adds the GPUs to the list. If there are none, returns why. */
    private static @Nullable String devices(List<Gpu> gpus, @Nullable String driver) {
        int[] count = new int[1];
        byte[] text = new byte[Status.TEXT_BYTES];
        if (Native.dpo4j_cuda_device_count(count, text, text.length) != 0) {
            return explain(Status.text(text), driver);
        }
        if (count[0] == 0) {
            return "the driver offers no device (CUDA_VISIBLE_DEVICES hides them, if it is set)";
        }
        for (int ordinal = 0; ordinal < count[0]; ordinal++) {
            gpus.add(gpu(ordinal, driver));
        }
        return null;
    }

    /** CUDA's message is "driver too old" even if there is no driver. */
    private static String explain(String message, @Nullable String driver) {
        if (architectures().equals("none")) {
            return message;
        }
        return driver == null
                ? "no NVIDIA driver is installed (" + message + "): install driver " + DRIVER_NEEDED + " or newer"
                : "the NVIDIA driver is " + driver + " and " + DRIVER_NEEDED + " or newer is needed (" + message + ")";
    }

    private static Gpu gpu(int ordinal, @Nullable String driver) {
        byte[] name = new byte[256];
        int[] capability = new int[1];
        long[] memory = new long[1];
        int[] version = new int[1];
        byte[] text = new byte[Status.TEXT_BYTES];
        int status = Native.dpo4j_cuda_device_info(
                ordinal, name, name.length, capability, memory, version, text, text.length);
        String reason = null;
        if (status != 0) {
            reason = Status.text(text);
        } else if (version[0] < VERSION_NEEDED) {
            reason = "the NVIDIA driver" + (driver == null ? "" : " " + driver) + " offers CUDA " + version[0] / 1000
                    + "." + version[0] % 1000 / 10 + " and 13.0 is needed: install driver " + DRIVER_NEEDED
                    + " or newer";
        } else if (!hasCodeFor(architectures(), capability[0])) {
            reason = Status.text(name) + " has compute capability " + capability(capability[0])
                    + " and this build has kernels for " + architectures() + ": build dpo4j with"
                    + " CMAKE_CUDA_ARCHITECTURES=" + capability[0];
        }
        return new Gpu(ordinal, Status.text(name), capability(capability[0]), memory[0], null, reason);
    }

    private static String capability(int timesTen) {
        return timesTen / 10 + "." + timesTen % 10;
    }

    /** The value of cuda= in the build info: the compiled architectures, separated by commas, or none. */
    private static String architectures() {
        for (String field : Native.dpo4j_build_info().split(" ", -1)) {
            if (field.startsWith("cuda=")) {
                return field.substring("cuda=".length());
            }
        }
        throw new IllegalStateException("no cuda= in " + Native.dpo4j_build_info());
    }

    /**
     * Whether code for one of these architectures runs on a GPU of this compute capability. Machine code runs on the
     * same and later minor versions; with the suffix "a", on the same capability only. The last architecture also has
     * PTX, which the driver compiles for newer GPUs.
     */
    static boolean hasCodeFor(String architectures, int capability) {
        Matcher matcher = Pattern.compile("sm_(\\d+)(a?)").matcher(architectures);
        boolean named = false;
        while (matcher.find()) {
            named = true;
            int compiled = Integer.parseInt(matcher.group(1));
            boolean exact = !matcher.group(2).isEmpty();
            boolean newest = matcher.end() == architectures.length();
            if (compiled == capability
                    || (!exact && compiled < capability && (newest || compiled / 10 == capability / 10))) {
                return true;
            }
        }
        return !named; // the emulated build names none
    }

    /** The version of the kernel driver, such as "580.65.06"; null if there is none. */
    private static @Nullable String driver() {
        try {
            Matcher version = Pattern.compile("\\d{3}\\.\\d+(\\.\\d+)?").matcher(Files.readString(DRIVER_FILE));
            return version.find() ? version.group() : null;
        } catch (IOException e) {
            return null;
        }
    }
}
