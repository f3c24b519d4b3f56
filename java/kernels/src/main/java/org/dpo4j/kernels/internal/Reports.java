package org.dpo4j.kernels.internal;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.dpo4j.kernels.DeviceReport;
import org.dpo4j.kernels.DeviceReport.Cpu;
import org.dpo4j.kernels.DeviceReport.Cuda;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/** Makes a {@link DeviceReport}. */
public final class Reports {
    private static final String PRESETS = "org.bytedeco";

    private Reports() {}

    public static DeviceReport probe() {
        String java = System.getProperty("java.version") + " " + System.getProperty("java.vendor");
        String system = System.getProperty("os.name") + " " + System.getProperty("os.version") + " "
                + System.getProperty("os.arch");
        String version = NativeLibrary.version();
        try {
            NativeLibrary.load();
        } catch (Dpo4jException e) {
            String reason = String.valueOf(e.getMessage());
            Cpu cpu = new Cpu(false, reason, Processor.model(), Processor.cores(), null, List.of(), OneDnn.find());
            return new DeviceReport(version, java, system, null, bindings(), cpu, withoutNatives(reason));
        }
        Cuda cuda = CudaProbe.withDeviceFacts(CudaProbe.probe());
        return new DeviceReport(version, java, system, Native.dpo4j_build_info(), versions(cuda), cpu(), cuda);
    }

    /** Versions of the bindings, from their jars. */
    private static Map<String, String> bindings() {
        Map<String, String> versions = new LinkedHashMap<>();
        put(versions, "JavaCPP", LibraryVersions.artifactVersion(PRESETS, "javacpp"));
        put(versions, "CUDA preset", LibraryVersions.artifactVersion(PRESETS, "cuda"));
        return versions;
    }

    /** Versions of the bindings, and of the native libraries that can be loaded on this machine. */
    private static Map<String, String> versions(Cuda cuda) {
        Map<String, String> versions = bindings();
        put(versions, "oneDNN", OneDnn.version());
        // If the system's loader found them before, it finds them again by name.
        List<String> libraries = cuda.usable() && cuda.libraries().isEmpty() ? CudaLibraries.NEEDED : cuda.libraries();
        for (String library : libraries) {
            if (library.endsWith(CudaLibraries.RUNTIME)) {
                versions.put("CUDA runtime", LibraryVersions.libraryVersion(library));
            } else if (library.endsWith(CudaLibraries.CUBLASLT)) {
                versions.put("cuBLASLt", LibraryVersions.libraryVersion(library));
            }
        }
        return versions;
    }

    private static void put(Map<String, String> versions, String name, @Nullable String version) {
        if (version != null) {
            versions.put(name, version);
        }
    }

    /** The report on cuda. Does not load what only cpu needs. */
    public static Cuda cuda() {
        try {
            NativeLibrary.load();
        } catch (Dpo4jException e) {
            return withoutNatives(String.valueOf(e.getMessage()));
        }
        return CudaProbe.probe();
    }

    private static Cuda withoutNatives(String reason) {
        return new Cuda(false, reason, null, CudaProbe.DRIVER_NEEDED, List.of(), List.of(), List.of(), List.of());
    }

    private static Cpu cpu() {
        List<String> available = InstructionSet.names(InstructionSet.available());
        String set = null;
        String reason = null;
        try {
            set = InstructionSet.chosen().option();
        } catch (Dpo4jException e) {
            reason = e.getMessage();
        }
        return new Cpu(reason == null, reason, Processor.model(), Processor.cores(), set, available, OneDnn.describe());
    }
}
