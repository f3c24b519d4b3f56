package org.dpo4j.conformance;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Devices;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.internal.CudaDevice;
import org.dpo4j.kernels.internal.CudaSettings;
import org.dpo4j.kernels.internal.Native;
import org.dpo4j.kernels.internal.NativeLibrary;

/**
 * The devices that {@code -Ddpo4j.test.devices} names, comma-separated, opened once per run:
 *
 * <ul> <li>{@code cpu}: the processor with its widest instruction set; {@code cpu-avx2}, {@code cpu-portable}: with
 * this instruction set <li>{@code cuda}: the first GPU <li>{@code emulated}: the CUDA kernels on the CPU. {@code
 * dpo4j.native.path} must name the emulated library, and {@code dpo4j.cuda.path} the folder of stand-ins for NVIDIA's
 * libraries </ul>
 *
 * The default is {@code cpu} and every narrower instruction set. If a requested device cannot be opened, every test on
 * it fails.
 */
public final class TestDevices {
    /** System property. */
    public static final String PROPERTY = "dpo4j.test.devices";

    /** All names that the property accepts. */
    static final List<String> KNOWN = List.of("cpu", "cpu-avx2", "cpu-portable", "emulated", "cuda");

    private static final String ISA_PROPERTY = "dpo4j.cpu.isa";
    private static final String LIBRARY_PROPERTY = "dpo4j.native.path";

    /**
     * Three threads, even on fewer cores, so that work is divided differently than for the single thread of the second
     * run.
     */
    private static final int THREADS = 3;

    private static final Map<String, List<Device>> OPEN = new LinkedHashMap<>();

    private TestDevices() {}

    /** Whether tests of commands run on the device cpu. */
    public static boolean isCpu() {
        return System.getProperty(PROPERTY, "cpu").equals("cpu");
    }

    /** The value of the option {@code device} in these tests: cpu, or cuda, which is a GPU or the emulation. */
    public static String option() {
        return isCpu() ? "cpu" : "cuda";
    }

    /** One per device, with F32. */
    public static Stream<On> each() {
        return names().stream().map(name -> on(name, DType.F32));
    }

    /** One for every dtype that a device stores. */
    public static Stream<On> eachDType() {
        return names().stream()
                .flatMap(name -> Arrays.stream(DType.values())
                        .filter(dtype -> devices(name).get(0).supports(dtype))
                        .map(dtype -> on(name, dtype)));
    }

    /** The same, but F32 alone on the narrower instruction sets of the processor. */
    public static Stream<On> eachDTypeOfWidest() {
        return eachDType().filter(on -> on.dtype() == DType.F32 || !on.name().startsWith("cpu-"));
    }

    /** One per device, with BF16. */
    public static Stream<On> eachBf16() {
        return eachDType().filter(on -> on.dtype() == DType.BF16);
    }

    /** One per device that runs the CUDA kernels, with BF16. */
    public static Stream<On> eachCuda() {
        return eachBf16().filter(On::cuda);
    }

    /** One for every dtype that logits may have. */
    public static Stream<On> eachLogitsType() {
        return names().stream().flatMap(name -> Arrays.stream(DType.values()).map(dtype -> on(name, dtype)));
    }

    /** The device that every other is compared with: plain C++, no vector instructions. */
    static On portable() {
        return portable(DType.F32);
    }

    /** The same for logits of this type. */
    static On portable(DType logits) {
        return on("cpu-portable", logits);
    }

    private static On on(String name, DType dtype) {
        List<Device> devices = devices(name);
        return new On(name, devices.get(0), devices.get(1), dtype);
    }

    /** Opens another device on the same GPU, or emulated device, with these settings. The test closes it. */
    static Device open(On on, CudaSettings settings) {
        if (!on.cuda()) {
            throw new Dpo4jException(on + " has no settings of cuda");
        }
        return CudaDevice.open(0, settings);
    }

    /** Names of the devices of this run. */
    static List<String> names() {
        String asked = System.getProperty(PROPERTY);
        if (asked == null) {
            return byDefault();
        }
        List<String> names = Arrays.stream(asked.split(",")).map(String::trim).toList();
        for (String name : names) {
            if (!KNOWN.contains(name)) {
                throw new Dpo4jException(PROPERTY + " names " + name + ": it knows " + String.join(", ", KNOWN));
            }
        }
        return names;
    }

    private static List<String> byDefault() {
        List<String> sets = Devices.report().cpu().instructionSets();
        List<String> names = new ArrayList<>(List.of("cpu"));
        for (int i = sets.size() - 2; i >= 0; i--) {
            names.add("cpu-" + sets.get(i));
        }
        return names;
    }

    /** The device, and the one that runs every call again. */
    private static synchronized List<Device> devices(String name) {
        return OPEN.computeIfAbsent(name, TestDevices::open);
    }

    private static List<Device> open(String name) {
        // Not Devices.report: that loads oneDNN, whose initialisers do not survive ThreadSanitizer.
        NativeLibrary.load();
        boolean emulated = Native.dpo4j_build_info().contains("emulated=1");
        switch (name) {
            case "emulated" -> {
                if (!emulated) {
                    throw new Dpo4jException("emulated: " + LIBRARY_PROPERTY + " does not name an emulated library");
                }
                return List.of(Devices.cuda(0), Devices.cuda(0));
            }
            case "cuda" -> {
                if (emulated) {
                    throw new Dpo4jException("cuda: " + LIBRARY_PROPERTY + " names an emulated library");
                }
                return List.of(Devices.cuda(0), Devices.cuda(0));
            }
            default -> {
                return cpu(name);
            }
        }
    }

    private static List<Device> cpu(String name) {
        if (name.equals("cpu")) {
            return List.of(Devices.cpu(THREADS), Devices.cpu(1));
        }
        System.setProperty(ISA_PROPERTY, name.substring("cpu-".length()));
        try {
            return List.of(Devices.cpu(THREADS), Devices.cpu(1));
        } finally {
            System.clearProperty(ISA_PROPERTY);
        }
    }

    /** Descriptions of the opened devices, by name, one line each. */
    static synchronized Map<String, String> descriptions() {
        Map<String, String> descriptions = new LinkedHashMap<>();
        OPEN.forEach((name, devices) -> descriptions.put(name, devices.get(0).description()));
        return descriptions;
    }

    /** Closes all devices; the next test that wants one opens it again. */
    static synchronized void close() {
        OPEN.values().forEach(devices -> devices.forEach(Device::close));
        OPEN.clear();
    }
}
