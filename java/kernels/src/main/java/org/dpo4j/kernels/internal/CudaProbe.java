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
 * Whether cuda can be used, and if not, why: kernels in this build, a driver, a GPU they were compiled for, NVIDIA's
 * libraries, in this order. Touches no class of the presets.
 */
final class CudaProbe {
    /** CUDA 13.0, as CUDA writes versions, and the driver that came with it. */
    private static final int VERSION_NEEDED = 13000;

    static final String DRIVER_NEEDED = "580";
    private static final Path DRIVER_FILE = Path.of("/proc/driver/nvidia/version");

    private CudaProbe() {}

    /** Everything {@code doctor} says of cuda. Needs {@link NativeLibrary#load}; otherwise never throws. */
    static Cuda probe() {
        String driver = driver();
        List<Gpu> gpus = new ArrayList<>();
        String reason = devices(gpus, driver);
        if (reason == null && gpus.stream().allMatch(gpu -> gpu.reason() != null)) {
            reason = gpus.get(0).reason();
        }
        CudaSettings settings = CudaSettings.ofProcess();
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

    /** The same with what has to be asked of the GPUs themselves; those that do not answer cannot be used. */
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

    /** Returns a device that can be used; throws why it cannot be. */
    static Gpu require(int ordinal) {
        NativeLibrary.load();
        List<Gpu> gpus = new ArrayList<>();
        String reason = devices(gpus, driver());
        if (reason == null && (ordinal < 0 || ordinal >= gpus.size())) {
            reason = "there is no device " + ordinal + ", the last is " + (gpus.size() - 1);
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

    /** Adds the devices; returns why there are none. */
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

    /** The runtime says "driver too old" also where there is none at all. */
    private static String explain(String words, @Nullable String driver) {
        if (architectures().equals("none")) {
            return words;
        }
        return driver == null
                ? "no NVIDIA driver is installed (" + words + "): install driver " + DRIVER_NEEDED + " or newer"
                : "the NVIDIA driver is " + driver + " and " + DRIVER_NEEDED + " or newer is needed (" + words + ")";
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
        } else if (!runs(architectures(), capability[0])) {
            reason = Status.text(name) + " has compute capability " + capability(capability[0])
                    + " and this build has kernels for " + architectures() + ": build dpo4j with"
                    + " CMAKE_CUDA_ARCHITECTURES=" + capability[0];
        }
        return new Gpu(ordinal, Status.text(name), capability(capability[0]), memory[0], null, reason);
    }

    private static String capability(int timesTen) {
        return timesTen / 10 + "." + timesTen % 10;
    }

    /** The cuda= of the build info: architectures as compiled, comma separated, or none. */
    private static String architectures() {
        for (String field : Native.dpo4j_build_info().split(" ", -1)) {
            if (field.startsWith("cuda=")) {
                return field.substring("cuda=".length());
            }
        }
        throw new IllegalStateException("no cuda= in " + Native.dpo4j_build_info());
    }

    /**
     * Whether machine code for one of these runs at a capability: within a major version upwards, with the suffix "a"
     * at that capability alone. The newest also has PTX, which the driver compiles for anything newer.
     */
    static boolean runs(String architectures, int capability) {
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
        return !named; // the emulation names none
    }

    /** The kernel driver's version, "580.65.06", or null where there is none. */
    private static @Nullable String driver() {
        try {
            Matcher version = Pattern.compile("\\d{3}\\.\\d+(\\.\\d+)?").matcher(Files.readString(DRIVER_FILE));
            return version.find() ? version.group() : null;
        } catch (IOException e) {
            return null;
        }
    }
}
